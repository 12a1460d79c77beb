"""Inference on patients: cross-fitted correlations, within-fold permutations, bootstraps, multiplicity."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from radiogenomics.errors import InputError

PERMUTATIONS_AT_ONCE = 500  # bounds the memory


class Evidence(NamedTuple):
    """Result of `permutation_evidence`; arrays [M, F] but the last."""

    score: np.ndarray
    p: np.ndarray
    p_max: np.ndarray
    largest: np.ndarray  # [count] ascending; each permutation's largest score, or size of one, over the whole table


def number_patients(sizes):
    """Row arrays of folds of so many patients each, whose patients are numbered fold after fold."""
    return np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])


def standardise_within(values, folds):
    """Mean 0 and norm 1 over each fold's patients of values [patients, ...]; a constant column becomes zero.

    `folds` is a list of row arrays. A missing value (NaN) counts as the fold's mean and so says nothing.
    """
    result = np.zeros(values.shape, np.float32)
    for rows in folds:
        known = np.isfinite(values[rows])
        count = np.maximum(known.sum(axis=0), 1)
        centred = np.where(known, values[rows] - np.where(known, values[rows], 0).sum(axis=0) / count, 0.0)
        norm = np.sqrt(np.square(centred).sum(axis=0))
        tiny = 1e-6 * np.sqrt(count) * np.maximum(np.abs(np.nan_to_num(values[rows])).max(axis=0), 1e-30)
        result[rows] = np.where(norm > tiny, centred / np.where(norm > tiny, norm, 1.0), 0.0)
    return result


def cross_fitted_correlation(predicted, observed, folds):
    """Mean over folds of the within-fold correlation of two arrays [patients, ...].

    Pooling over folds instead would bias the null to about -0.17, because every fold has its own mean.
    """
    product = standardise_within(predicted, folds) * standardise_within(observed, folds)
    return product.sum(axis=0) / len(folds)


def within_fold_permutations(folds, count, seed):
    """Row permutations [count, patients] that move patients only within their fold."""
    generator = np.random.default_rng(seed)
    order = np.zeros((count, sum(len(rows) for rows in folds)), np.int32)
    for rows in folds:
        order[:, rows] = generator.permuted(np.tile(rows, (count, 1)), axis=1)
    return order


def permutation_evidence(predictors, outcomes, folds, count, seed, two_sided=False):
    """Cross-fitted correlation of predictors with outcomes, tested by permuting the outcomes' patients.

    Null: within a fold, the outcomes are exchangeable among patients given the predictors. Unit: the patient. One
    permutation serves all predictors and outcomes, so `p_max` controls the family-wise error over the whole table.

    What is permuted is the studentised correlation (after DiCiccio and Romano, JASA 2017), because predictors may be
    uncorrelated with the outcome and yet vary more where it is large: the effect of a gene on a link that is not linear
    holds the value of the link's driver. The plain correlation then has more than its permutations' variance.

    Args:
      predictors: [patients, F, M]; predictor m of outcome f.
      outcomes: [patients, F].
      folds: list of row arrays.
      count: permutations.
      seed: integer.
      two_sided: test |score| (predictors without a direction) instead of score > 0.

    Returns:
      Evidence with score (the correlation), p and p_max [M, F]; p = (1 + exceedances) / (1 + count); the null of the
      largest studentised correlation, which is the correlation itself where the variables are jointly normal.
    """
    permuted = standardise_within(outcomes, folds)[within_fold_permutations(folds, count, seed)]  # [count, P, F]
    actual = standardise_within(outcomes, folds)

    sizes, scores = [len(rows) for rows in folds], []

    def draw(feature):
        powers = _powers(predictors[:, feature], folds)
        scores.append(actual[:, feature] @ powers[0] / len(folds))
        yield _studentised_correlation(actual[:, feature], powers, sizes)
        for begin in range(0, count, PERMUTATIONS_AT_ONCE):
            yield _studentised_correlation(permuted[begin : begin + PERMUTATIONS_AT_ONCE, :, feature], powers, sizes)

    evidence = tally_permutations(draw, predictors.shape[1], count, two_sided)
    return evidence._replace(score=np.stack(scores, axis=1))


def studentised_scores(predictors, outcomes, folds):
    """The studentised correlations [M, F] that `permutation_evidence` compares with their permutations."""
    outcomes, sizes = standardise_within(outcomes, folds), [len(rows) for rows in folds]
    return np.stack([
        _studentised_correlation(outcomes[:, feature], _powers(predictors[:, feature], folds), sizes)
        for feature in range(predictors.shape[1])
    ], axis=1)


def _powers(predictors, folds):
    """First four powers [4, patients, M] of predictors of norm 1 in every fold."""
    return standardise_within(predictors, folds) ** np.arange(1, 5, dtype=np.float32)[:, None, None]


def _studentised_correlation(outcomes, powers, sizes):
    """Correlation over its standard error by products of predictor and residual, on the scale of correlations.

    Of outcomes [..., patients] with predictors of which `powers` [4, patients, M] holds the first four powers, both of
    norm 1 in every fold. The residual's error, not the outcome's, keeps the power of strong links.
    """
    product = outcomes @ powers[0]
    spread = (np.square(outcomes) @ powers[1], outcomes @ powers[2], powers[3].sum(axis=0))
    return studentise(product / len(sizes), spread, sizes)


def studentise(r, spread, sizes):
    """Correlations over their standard errors, on the scale of correlations.

    Args:
      r: [...] mean over folds of the within-fold correlations of predictors z with outcomes y, of norm 1 in every fold.
      spread: the sums over patients of y^2 z^2, y z^3 and z^4, each [...].
      sizes: patients of each fold.
    """
    square = spread[0] - 2.0 * r * spread[1] + np.square(r) * spread[2]
    t = r * np.sqrt(sum(1.0 / size for size in sizes) / (np.maximum(square, 0.0) + 1e-12))
    return t / np.sqrt(1.0 + np.square(t))


def tally_permutations(draw, features, count, two_sided=False):
    """Evidence of scores against their permutations, one permutation serving all pairs.

    Args:
      draw: for the number of a feature, yields its scores [M], then blocks of permuted scores [n, M], the permutations
        in the same order for every feature.
      features: number of features.
      count: permutations in all.
      two_sided: test |score| instead of score > 0.

    Returns:
      Evidence with score, p and p_max [M, features]; p = (1 + exceedances) / (1 + count).

    Raises:
      InputError: without a permutation.
    """
    if count < 1:
        raise InputError(f"map.permutations: {count}; expected at least 1.")
    scores, exceeded, largest = [], [], np.full(count, -np.inf, np.float32)
    for feature in range(features):
        blocks, begin = draw(feature), 0
        scores.append(next(blocks))
        observed = _extent(scores[-1], two_sided)
        exceeded.append(np.zeros(len(observed), np.int64))
        for block in blocks:
            null = _extent(block, two_sided)
            # The tolerance makes ties with the observed value count, whatever the order of summation.
            exceeded[-1] += (null >= observed - 1e-6).sum(axis=0)
            largest[begin : begin + len(null)] = np.maximum(largest[begin : begin + len(null)], null.max(axis=1))
            begin += len(null)
    score, largest = np.stack(scores, axis=1), np.sort(largest)
    above = count - np.searchsorted(largest, _extent(score, two_sided) - 1e-6)
    p = (1 + np.stack(exceeded, axis=1)) / (1 + count)
    return Evidence(score, p, (1 + above) / (1 + count), largest)


def _extent(values, two_sided):
    return np.abs(values) if two_sided else values


def benjamini_hochberg(p):
    """BH q-values over all entries of an array."""
    return stats.false_discovery_control(p, axis=None).reshape(p.shape)


def holm(p):
    """Holm's step-down adjusted p-values of a vector."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def bootstrap_weights(folds, count, seed):
    """Patient weights [count, patients] of bootstrap samples drawn within folds, each row summing to 1."""
    generator = np.random.default_rng(seed)
    weights = np.zeros((count, sum(len(rows) for rows in folds)), np.float32)
    for rows in folds:
        weights[:, rows] = generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), count)
    return weights / weights.sum(axis=1, keepdims=True)


def bootstrap_variance(weights, values):
    """Variance [I, ...] of the mean of values [patients, I, ...] over samples of `bootstrap_weights`."""
    return np.stack([(weights @ values[:, place]).var(axis=0) for place in range(values.shape[1])])


def bootstrap_interval(statistic, folds, count, seed, level=0.95):
    """Percentile interval (low, high) of `statistic(rows, folds)` over patients resampled within folds.

    `statistic` gets row numbers [patients] with repeats and the folds as positions in them.
    """
    generator = np.random.default_rng(seed)
    positions = number_patients([len(rows) for rows in folds])
    values = [
        statistic(np.concatenate([generator.choice(rows, len(rows)) for rows in folds]), positions)
        for _ in range(count)
    ]
    tail = (1 - level) / 2
    return np.nanquantile(values, tail, axis=0), np.nanquantile(values, 1 - tail, axis=0)
