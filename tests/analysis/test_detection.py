"""The detection limit keeps what it promises: simulated links of that size pass in four of five studies."""

import numpy as np
import pytest

from radiogenomics.analysis import detection, statistics

FOLDS = np.split(np.arange(60), 3)


def test_a_link_at_the_limit_is_certified_with_the_stated_power():
    generator = np.random.default_rng(0)
    predictors, outcomes = generator.standard_normal((60, 1, 150)), generator.standard_normal((60, 1))
    largest = statistics.permutation_evidence(predictors, outcomes, FOLDS, 999, 0).largest
    threshold, limit = detection.detection_limit(largest, [20, 20, 20])
    assert threshold < limit < 1.0
    gene = generator.standard_normal((60, 2000))
    feature = limit * gene + np.sqrt(1 - limit**2) * generator.standard_normal((60, 2000))
    scores = statistics.cross_fitted_correlation(gene, feature, FOLDS)
    assert (scores > threshold).mean() == pytest.approx(0.8, abs=0.05)


def test_the_threshold_is_where_the_family_wise_p_ends():
    generator = np.random.default_rng(1)
    predictors, outcomes = generator.standard_normal((60, 1, 400)), generator.standard_normal((60, 1))
    predictors[:, 0] += np.linspace(0.0, 2.0, 400) * outcomes
    evidence = statistics.permutation_evidence(predictors, outcomes, FOLDS, 999, 0)
    threshold, _ = detection.detection_limit(evidence.largest, [20, 20, 20])
    certified = evidence.p_max[:, 0] <= 0.05
    assert 0 < certified.sum() < 400
    # The p is of the studentised score, which is not quite the score.
    assert (certified == (evidence.score[:, 0] >= threshold)).mean() > 0.9


def test_more_patients_see_weaker_links_and_tiny_folds_none():
    largest = np.linspace(0.2, 0.4, 100)
    limits = [detection.detection_limit(largest, [size] * 3)[1] for size in (10, 20, 40)]
    assert limits[0] > limits[1] > limits[2] > 0.39
    assert np.isnan(detection.detection_limit(largest, [20, 3])[1])


def test_no_limit_is_given_where_a_perfect_correlation_could_be_chance():
    threshold, limit = detection.detection_limit(np.linspace(0.9, 1.2, 100), [20, 20])
    assert threshold > 1.0 and np.isnan(limit)


def test_a_map_states_its_limit(mapped):
    threshold, limit = mapped.attrs["family_wise_threshold"], mapped.attrs["smallest_certifiable_correlation"]
    # Two folds of twelve patients: whether anything can be certified hangs on the training.
    assert threshold < limit < 1 if threshold < 1 else np.isnan(limit)
    certified = mapped["p_max"].values <= 0.05
    assert (certified == (mapped["score"].values >= threshold)).mean() > 0.9
