"""Rank, partial rank and distance correlation against libraries and formulas, and their permutation p-values."""

import numpy as np
import pytest
from scipy import stats

from radiogenomics.analysis import dependence


@pytest.fixture(scope="module")
def dcor():
    """The library; imported where it is used, because it first compiles itself, which takes a minute."""
    return pytest.importorskip("dcor")


@pytest.fixture
def values():
    """Forty patients: predictors [40, 3] and a covariate's design; the first outcome is U-shaped, one value missing."""
    generator = np.random.default_rng(0)
    predictors = generator.standard_normal((40, 3))
    outcomes = generator.standard_normal((40, 2))
    outcomes[:, 0] = predictors[:, 0] ** 2 + 0.3 * outcomes[:, 0]
    return predictors, outcomes, np.column_stack([np.ones(40), generator.standard_normal(40)])


def u_centre(values):
    """Distances between all pairs of values [n], U-centred (Szekely and Rizzo, Annals of Statistics 2014)."""
    count, distances = len(values), np.abs(values[:, None] - values)
    rows = distances.sum(axis=0) / (count - 2)
    centred = distances - rows[:, None] - rows + distances.sum() / ((count - 1) * (count - 2))
    return centred - np.diag(np.diag(centred))


def test_distance_correlation_is_the_textbook_formula(values):
    predictors, outcomes, _ = values
    found = dependence.depend_by_distances(*values, 19, 0)
    for gene, feature in np.ndindex(3, 2):
        x, y = u_centre(predictors[:, gene]), u_centre(outcomes[:, feature])
        expected = (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())
        score = found.score[gene, feature]
        assert np.sign(score) * score**2 == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(found.direction[0, 0], stats.spearmanr(predictors[:, 0], outcomes[:, 0])[0], atol=1e-6)


@pytest.mark.long
def test_distance_correlation_is_that_of_the_library(values, dcor):
    predictors, outcomes, _ = values
    found = dependence.depend_by_distances(*values, 19, 0)
    expected = [[dcor.u_distance_correlation_sqr(x, y) for y in outcomes.T] for x in predictors.T]
    np.testing.assert_allclose(np.sign(found.score) * found.score**2, expected, atol=1e-6)


def test_distances_of_permuted_patients_are_those_of_the_formula(values):
    predictors, outcomes, _ = values
    order = np.random.default_rng(1).permutation(40)
    moved = dependence._distances(outcomes[:, 0])[np.ix_(order, order)]
    score = (dependence._distances(predictors[:, 0]) * moved).sum() / 2
    x, y = u_centre(predictors[:, 0]), u_centre(outcomes[order, 0])
    assert score == pytest.approx((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()), abs=1e-6)


def test_only_distances_see_a_u_shape(values):
    found = {name: depend(*values, 999, 0) for name, depend in dependence.STATISTICS.items()}
    assert found["distance"].p_max[0, 0] < 0.05
    assert found["spearman"].p[0, 0] > 0.05 and found["partial_spearman"].p[0, 0] > 0.05


def test_partial_ranks_are_the_textbook_formula(values):
    predictors, outcomes, design = values
    x, y, z = predictors[:, 1], outcomes[:, 1], design[:, 1]
    xy, xz, yz = (stats.spearmanr(*pair)[0] for pair in ((x, y), (x, z), (y, z)))
    ranked = np.column_stack([np.ones(40), stats.rankdata(z)])
    found = dependence.depend_by_partial_ranks(predictors, outcomes, ranked, 19, 0)
    assert found.direction[1, 1] == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)), abs=1e-6)


def test_partial_ranks_remove_what_a_covariate_alone_explains():
    generator = np.random.default_rng(0)
    batch = np.arange(80) % 2
    predictors = (4 * batch + generator.standard_normal(80))[:, None]
    outcomes = np.column_stack([4 * batch + generator.standard_normal(80), batch])
    design = np.column_stack([np.ones(80), batch])
    raw = dependence.depend_by_ranks(predictors, outcomes, design, 199, 0)
    freed = dependence.depend_by_partial_ranks(predictors, outcomes, design, 199, 0)
    assert raw.score[0, 0] > 0.6 > 0.3 > freed.score[0, 0]
    assert freed.score[0, 1] == 0.0 and freed.p[0, 1] == 1.0  # the batch itself leaves nothing, not its rounding errors


@pytest.mark.parametrize("name", dependence.STATISTICS)
def test_under_the_null_p_is_not_too_small(name):
    """Five covariates for thirty patients: adjusted ranks permuted as if free would be too sure of themselves."""
    generator = np.random.default_rng(0)
    predictors, outcomes = generator.standard_normal((30, 40)), generator.standard_normal((30, 12))
    design = np.column_stack([np.ones(30), generator.standard_normal((30, 5))])
    p = dependence.STATISTICS[name](predictors, outcomes, design, 199, 0).p
    assert 0.02 < (p < 0.05).mean() < 0.08


@pytest.mark.parametrize("name", dependence.STATISTICS)
def test_missing_and_constant_values_are_survived(name, values):
    predictors, outcomes, design = values
    outcomes[:4, 0] = np.nan
    predictors[:, 2] = 7.0
    found = dependence.STATISTICS[name](predictors, outcomes, design, 99, 0)
    assert all(np.isfinite(part).all() for part in found)
    assert (found.score[2] == 0).all() and (found.p[2] == 1).all()
