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
    assert abs(table["r_shuffled"][0]) < 0.6


def test_shuffled_genes_are_those_of_another_patient_of_the_fold():
    real, synthetic = draw()
    shifted = np.concatenate([np.roll(synthetic[rows], 1, axis=0) for rows in FOLDS])
    expected = statistics.cross_fitted_correlation(shifted, real, FOLDS)
    np.testing.assert_allclose(gate.score_gate(real, synthetic, FOLDS, 9, 9, 0)["r_shuffled"], expected, atol=1e-6)


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
