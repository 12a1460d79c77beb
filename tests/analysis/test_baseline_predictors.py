"""Predictors of plain tables: patients held out, a linear link found, chance not."""

import numpy as np
import pandas as pd
import pytest

from radiogenomics import settings
from radiogenomics.analysis import baseline, baseline_predictors


@pytest.fixture(scope="module")
def tables():
    """Sixty patients; G0 drives `size`, a batch moves G1 and `noise`, `luck` is chance."""
    generator = np.random.default_rng(0)
    latent = generator.standard_normal((60, 20))
    batch = np.arange(60) % 2
    latent[:, 1] += 4 * batch
    features = {
        "size": latent[:, 0] + 0.3 * generator.standard_normal(60),
        "noise": 4 * batch + generator.standard_normal(60),
        "luck": generator.standard_normal(60),
    }
    names = [f"P{number:02d}" for number in range(60)]
    return baseline.Tables(
        pd.DataFrame(2.0 ** (latent + 6), index=names, columns=[f"G{number}" for number in range(20)]),
        pd.DataFrame(features, index=names),
        pd.DataFrame({"batch": np.where(batch, "b", "a")}, index=names),
    )


@pytest.fixture
def config():
    config = settings.default_config()
    config.data.folds = 3
    config.evaluate.permutations, config.evaluate.bootstraps = 199, 50
    return config


def test_a_linear_link_is_predicted_and_a_batch_is_not_once_adjusted_for(tables, config):
    rows = baseline_predictors.fold_rows(tables, config)
    config.genes.adjust = ("batch",)
    found = baseline_predictors.predictor_table(tables, rows, config).set_index(["feature", "method"])
    assert set(found.index.get_level_values("method")) == set(baseline_predictors.METHODS)
    assert (found.loc["size", "r"] > 0.7).all() and (found.loc["size", "p"] < 0.01).all()
    assert (found.loc["noise", "r"] < 0.5).all() and (found.loc["luck", "p"] > 0.05).all()
    assert (found["r_low"] <= found["r"]).all() and (found["r"] <= found["r_high"] + 1e-6).all()
    config.genes.adjust = ()
    raw = baseline_predictors.predictor_table(tables, rows, config).set_index(["feature", "method"])
    assert (raw.loc["noise", "r"] > 0.6).all()


def test_folds_hold_out_every_patient_once_and_balance_the_classes(tables, config):
    rows = baseline_predictors.fold_rows(tables, config)
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(60))
    assert all((tables.covariates["batch"].iloc[fold] == "a").sum() == 10 for fold in rows)
