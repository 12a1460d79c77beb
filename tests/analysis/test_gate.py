"""The gate lets gene control pass and nothing else."""

import numpy as np
import pytest

from radiogenomics.analysis import gate, statistics

FOLDS = [np.arange(0, 20), np.arange(20, 40)]


def draw(seed=0):
    """Real and synthesised features [40, 3]: controlled, not controlled, reversed."""
    generator = np.random.default_rng(seed)
    real = generator.standard_normal((40, 3))
    synthetic = generator.standard_normal((40, 3))
    synthetic[:, 0] = 4.0 * real[:, 0] + generator.standard_normal(40)
    synthetic[:, 2] = -real[:, 2]
    return real, synthetic


def test_only_the_controlled_feature_is_supported():
    table = gate.score_gate(*draw(), FOLDS, 999, 200, 0)
    np.testing.assert_array_equal(table["supported"], [True, False, False])
    assert table["r"][0] > 0.9 and table["r"][2] == pytest.approx(-1.0, abs=1e-5)
    assert table["p"][0] == 0.001 and table["p"][2] > 0.9
    np.testing.assert_allclose(table["p_holm"], statistics.holm(table["p"]))
    assert (table["r_low"] <= table["r"]).all() and (table["r"] <= table["r_high"] + 1e-6).all()
    assert (table["r_shuffled_low"] < 0.0).all() and (table["r_shuffled_high"] > 0.0).all()


def test_shuffled_genes_are_those_of_another_patient_of_the_fold():
    """With patients' own values as both sides, an assignment that kept one patient's genes would show."""
    for seed in range(20):
        order = gate._derange(FOLDS, np.random.default_rng(seed))
        assert sorted(order) == list(range(40)) and (order != np.arange(40)).all()
        assert all(set(order[rows]) == set(rows) for rows in FOLDS)


def test_shuffled_control_of_a_perfect_generator_is_what_chance_gives():
    """The mean of r over every derangement is -1 / (n - 1); single ones scatter as r without gene control does."""
    real, _ = draw()
    r, low, high = gate.shuffled_control(real, real.copy(), FOLDS, 400, 0)
    np.testing.assert_allclose(r, -1 / 19, atol=4 / np.sqrt(38 * gate.DERANGEMENTS))
    assert (low < r).all() and (r < high).all()
    np.testing.assert_allclose(high - low, 2 * 1.96 / np.sqrt(38), rtol=0.3)


def test_ratio_to_the_direct_predictor_against_its_definition():
    real, synthetic = draw()
    predicted = real + np.array([1.0, 0.5, 30.0]) * np.random.default_rng(1).standard_normal((40, 3))
    predicted[:, 2] = -real[:, 2] ** 3
    result = gate.score_ratios(real, synthetic, predicted, FOLDS, np.array([True, True, True]), 200, 0)
    r = statistics.cross_fitted_correlation(synthetic, real, FOLDS)
    direct = statistics.cross_fitted_correlation(predicted, real, FOLDS)
    np.testing.assert_allclose(result["ratio"][:2], (r / direct)[:2], rtol=1e-5)
    assert np.isnan([result[key][2] for key in ("ratio", "ratio_low", "ratio_high")]).all()
    assert result["mean"] == pytest.approx(np.mean((r / direct)[:2]), rel=1e-5)
    assert result["ratio_low"][0] < result["ratio"][0] < result["ratio_high"][0]
    assert result["mean_low"] < result["mean"] < result["mean_high"]


def test_ratio_of_a_predictor_to_itself_is_one_in_every_resample():
    """Both correlations are taken on the same patients."""
    real, _ = draw()
    predicted = real + np.random.default_rng(2).standard_normal((40, 3))
    result = gate.score_ratios(real, predicted, predicted, FOLDS, np.array([True, False, False]), 50, 0)
    for key in ("ratio", "ratio_low", "ratio_high", "mean", "mean_low", "mean_high"):
        np.testing.assert_allclose(result[key], 1.0, rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_no_ratio_where_nothing_can_be_predicted_directly():
    real, synthetic = draw()
    result = gate.score_ratios(real, synthetic, np.zeros((40, 3)), FOLDS, np.array([True, False, False]), 10, 0)
    assert all(np.isnan(value).all() for value in result.values())
    only_second = np.zeros((40, 3))
    only_second[:, 1] = real[:, 1]
    result = gate.score_ratios(real, synthetic, only_second, FOLDS, np.array([True, False, False]), 10, 0)
    assert np.isfinite(result["ratio"][1]) and np.isnan(result["mean"])


def test_under_the_null_no_more_than_the_level_is_supported():
    supported = []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        real, synthetic = generator.standard_normal((2, 40, 4))
        supported.append(gate.score_gate(real, synthetic, FOLDS, 199, 2, seed)["supported"].any())
    assert np.mean(supported) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 100)


def test_retrieval_of_a_perfect_and_of_a_blind_generator():
    generator = np.random.default_rng(0)
    real, blind = generator.standard_normal((2, 40, 5))
    perfect = gate.retrieval(real, real.copy(), FOLDS, 99, 0)
    assert perfect["r_at_1"] == 1.0 and perfect["p_at_1"] == 0.01 and perfect["mean_rank_share"] == 0.0
    assert perfect["chance_at_1"] == pytest.approx(1 / 20) and perfect["chance_at_5"] == pytest.approx(1 / 4)
    chance = gate.retrieval(real, blind, FOLDS, 99, 0)
    assert chance["r_at_1"] < 0.25 and chance["p_at_5"] > 0.01
    assert 0.3 < chance["mean_rank_share"] < 0.7


def test_retrieval_in_folds_of_different_size_against_a_plain_loop():
    generator = np.random.default_rng(1)
    folds = [np.array([0, 2, 4, 6, 8, 10, 12]), np.array([1, 3, 5, 7, 9, 11, 13, 14, 15])]
    real = generator.standard_normal((16, 3))
    synthetic = real + 0.8 * generator.standard_normal((16, 3))
    a, b = (statistics.standardise_within(values, folds) for values in (real, synthetic))
    ranks, shares = np.zeros(16), np.zeros(16)
    for rows in folds:
        for row in rows:
            distance = {other: np.linalg.norm(b[row] - a[other]) for other in rows}
            ranks[row] = sum(distance[other] < distance[row] for other in rows)
            shares[row] = ranks[row] / (len(rows) - 1)
    result = gate.retrieval(real, synthetic, folds, 49, 0)
    assert result["r_at_1"] == pytest.approx((ranks == 0).mean())
    assert result["mean_rank_share"] == pytest.approx(shares.mean())
