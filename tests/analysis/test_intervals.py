"""Weights of patients and the intervals made with them."""

import numpy as np
import pytest

from radiogenomics.analysis import intervals


def test_first_weights_are_equal_and_folds_keep_their_share():
    folds = [np.array([0, 2, 4]), np.array([1, 3])]
    weights = intervals.patient_weights(folds, 50, 0)
    np.testing.assert_allclose(weights[0], 0.2)
    np.testing.assert_allclose(weights[:, folds[0]].sum(axis=1), 0.6, rtol=1e-6)
    assert len(np.unique(weights[1:], axis=0)) > 10


def test_renormalised_weights_sum_to_one_even_where_nobody_was_drawn():
    weights = np.array([[0.25, 0.25, 0.5], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(intervals.renormalise(weights, [1, 2]), [[1 / 3, 2 / 3], [0.5, 0.5]])


def test_interval_of_a_mean_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    weights, covered = intervals.patient_weights([np.arange(50)], 200, 0), 0
    for _ in range(200):
        value, low, high = intervals.summarise(intervals.mean_of_known(generator.standard_normal(50), weights))
        assert low < value < high
        covered += low < 0.0 < high
    assert 0.87 < covered / 200 < 0.99


def test_unknown_patients_do_not_count_and_nothing_known_is_nothing():
    weights = intervals.patient_weights([np.arange(4)], 20, 0)
    assert intervals.mean_of_known(np.array([1.0, np.nan, 3.0, np.nan]), weights)[0] == pytest.approx(2.0)
    assert np.isnan(intervals.summarise(intervals.mean_of_known(np.full(4, np.nan), weights))).all()


def test_bounds_hold():
    value, low, high = intervals.summarise(np.array([0.99, 0.9, 1.0, 1.0]), (0.0, 1.0))
    assert value == 0.99 and low < high == 1.0
