"""Profiles find nodules so that chosen modules follow chosen properties, and nothing but the pairing is made up."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from radiogenomics.data import plasmode
from radiogenomics.errors import InputError


def draw(strengths, seed=0, patients=60, profiles=90):
    generator = np.random.default_rng(seed)
    scores, properties = generator.standard_normal((profiles, 2)), generator.standard_normal((patients, 2))
    order = plasmode.assign_profiles(scores, properties, strengths, generator)
    assert len(set(order)) == patients
    return [stats.spearmanr(scores[order, place], properties[:, place]).statistic for place in range(2)]


def test_correlations_are_those_asked_for():
    found = np.mean([draw((0.9, -0.5), seed) for seed in range(8)], axis=0)
    np.testing.assert_allclose(found, (0.9, -0.5), atol=0.1)
    assert np.abs(np.mean([draw((0.0, 0.0), seed) for seed in range(8)], axis=0)).max() < 0.15


def test_what_cannot_be_assigned_is_told():
    with pytest.raises(InputError, match="20 profiles for 60 nodules"):
        draw((0.5, 0.5), profiles=20)
    with pytest.raises(InputError, match="strength: 1.5"):
        draw((1.5, 0.5))


@pytest.fixture(scope="module")
def profiles():
    """Thirty profiles; A0 to A4 share a latent, T goes with them."""
    generator = np.random.default_rng(3)
    latent, values = generator.standard_normal(30), generator.standard_normal((30, 12))
    values[:, :6] += 2.0 * latent[:, None]
    columns = [*(f"A{number}" for number in range(5)), "T", *(f"N{number}" for number in range(6))]
    return pd.DataFrame(values, columns=columns, index=[f"S{number}" for number in range(30)])


def test_a_plasmode_is_real_nodules_with_other_profiles(cohort, profiles):
    properties = pd.DataFrame({"size": np.arange(24.0)}, index=list(cohort.patients))
    links = [plasmode.Link("A", "size", 0.9)]
    modules = {"A": [f"A{number}" for number in range(5)], "N": ["N0", "N1"]}
    made = plasmode.make_plasmode(cohort, properties, profiles, modules, links, np.random.default_rng(0))
    assert made.genes == list(profiles.columns) and len(made.patients) == 24
    truth = made.truth
    assert len(set(truth["profiles"].values())) == 24 and truth["achieved"]["size"] > 0.7
    assert truth["decoys"]["T"] == "A" and "A0" not in truth["decoys"]
    for row, patient in enumerate(made.patients):
        own = cohort.nodules.patient == row
        np.testing.assert_array_equal(patient.nodule_image_hu, cohort.nodules.image_hu[own])
        given = profiles.loc[truth["profiles"][patient.patient]]
        np.testing.assert_allclose(np.log2(patient.expression + 1), given - profiles.min(), atol=1e-4)
        assert "sequencing_batch" not in patient.covariates and "site" in patient.covariates
    with pytest.raises(InputError, match="module 'B'"):
        plasmode.make_plasmode(cohort, properties, profiles, modules, [plasmode.Link("B", "size", 0.9)], None)
    with pytest.raises(InputError, match="feature 'weight'"):
        plasmode.make_plasmode(cohort, properties, profiles, modules, [plasmode.Link("A", "weight", 0.9)], None)
