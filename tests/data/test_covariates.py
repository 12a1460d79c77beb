"""Covariate models: what is removed is what they explain, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from radiogenomics.data import covariates
from radiogenomics.errors import InputError


@pytest.fixture
def table():
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "batch": generator.choice(["1", "2", "3"], 60),
            "site": generator.choice(["A", "B"], 60),
            "age": generator.normal(65.0, 9.0, 60),
        }
    )


def test_planted_effects_are_removed(table):
    generator = np.random.default_rng(1)
    own = generator.standard_normal((60, 4))
    shifted = own + 3.0 * (table["batch"] == "2").to_numpy()[:, None] + 0.2 * table["age"].to_numpy()[:, None]
    model = covariates.fit_covariates(table, ("batch", "age"))
    design = model.design(table)
    left = covariates.remove_effects(design, covariates.fit_effects(design, shifted), shifted)
    np.testing.assert_allclose(design.T @ left, 0.0, atol=1e-9)
    expected = covariates.remove_effects(design, covariates.fit_effects(design, own), own)
    np.testing.assert_allclose(left, expected, atol=1e-9)


def test_unseen_levels_and_missing_numbers(table):
    model = covariates.fit_covariates(table, ("batch", "age"))
    strange = pd.DataFrame({"batch": ["9", "1"], "age": [np.nan, table["age"].mean()]})
    unseen, reference = model.design(strange)
    np.testing.assert_allclose(unseen, reference)
    np.testing.assert_allclose(model.average, model.design(table).mean(axis=0))


def test_unidentifiable_columns_are_dropped_with_a_warning(table, caplog):
    table["copy"] = table["site"].map({"A": "left", "B": "right"})
    table["constant"], table["nothing"] = "x", np.nan
    model = covariates.fit_covariates(table, ("site", "copy", "constant", "nothing", "age"))
    assert model.dropped == ("copy", "constant", "nothing")
    assert all(f"'{name}'" in caplog.text for name in model.dropped)
    assert model.design(table).shape == (60, 3)
    assert np.isfinite(model.design(table)).all()


def test_unknown_column_is_named(table):
    with pytest.raises(InputError, match="no covariate 'moon'.*batch, site, age"):
        covariates.fit_covariates(table, ("moon",))


def test_more_columns_than_patients(table):
    table["ward"] = [f"ward {number % 4}" for number in range(60)]
    with pytest.raises(InputError, match="4 training patients"):
        covariates.fit_covariates(table[:4], ("ward",))
