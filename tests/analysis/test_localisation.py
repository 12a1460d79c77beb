"""Pixel maps of the tiny run and of the field's own way, and their scores."""

import numpy as np
import pytest
from scipy import stats

from radiogenomics.analysis import association, localisation, metagenes, synthesis
from radiogenomics.data import transform


@pytest.fixture(scope="module")
def weights(cohort):
    members = np.array([[gene in cohort.truth["modules"][name] for name in ("M01", "M02")] for gene in cohort.genes])
    return metagenes.average_members(members)


def test_strength_is_the_mean_square_of_finite_changes(run, weights):
    strength = localisation.pixel_strength(run, weights)
    assert strength.shape == (2, 16, 16)
    total = 0.0
    for fold in run.folds:
        draws = synthesis.make_draws(run, fold, run.config.map.backgrounds, run.config.map.noises)
        step = 0.5 * association.metagene_direction(fold, weights)[:, 1]
        for row in fold.held_out:
            ends = [synthesis.images_of(run, fold, fold.components[row] + sign * step, draws)[0] for sign in (-1, 1)]
            total = total + np.square(ends[1] - ends[0]).mean(axis=0) / len(run.cohort.patients)
    np.testing.assert_allclose(strength[1], np.sqrt(total), atol=1e-2 * np.sqrt(total).max())


@pytest.mark.parametrize("statistic", ["spearman", "distance"])
def test_pixels_that_follow_a_module_stand_out(cohort, config, weights, statistic):
    config.genes.adjust = ()
    found = localisation.voxelwise(cohort, weights, config, statistic)
    assert found.shape == (2, 16, 16) and np.isfinite(found).all()
    if statistic == "spearman":
        everybody = transform.standardise_everybody(cohort.expression, cohort.covariates, list(cohort.genes), config)[1]
        pixel = [cohort.nodules.image_hu[cohort.nodules.patient == row, 5, 9].mean() for row in range(24)]
        for module, scores in enumerate((everybody @ weights).T):
            assert found[module, 5, 9] == pytest.approx(abs(stats.spearmanr(scores, pixel).statistic), abs=1e-5)
    # Module M01 drives the diameter: pixels around the nodule follow it, those of the corners do not.
    middle, corners = found[0, 4:12, 4:12], found[0][[0, 0, -1, -1], [0, -1, 0, -1]]
    assert middle.max() > np.abs(corners).max()


def test_scores_of_a_map():
    change = np.zeros((6, 6))
    change[2:4, 2:4], change[0, 0] = 10.0, 4.0
    right = localisation.score_localisation(change + 1.0, change)
    assert right == {"average_precision": 1.0, "auroc": 1.0, "base_rate": pytest.approx(4 / 36)}
    assert localisation.score_localisation(np.ones((6, 6)), change)["auroc"] == 0.5
