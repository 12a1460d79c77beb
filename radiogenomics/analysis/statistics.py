"""Inference on patients: cross-fitted correlations, within-fold permutations, bootstraps, multiplicity."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Evidence(NamedTuple):
    """Result of `permutation_evidence`; arrays [M, F] but the last."""

    score: np.ndarray
    p: np.ndarray
    p_max: np.ndarray
    largest: np.ndarray  # [count] ascending; each permutation's largest score over the whole table


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

    Args:
      predictors: [patients, F, M]; predictor m of outcome f.
      outcomes: [patients, F].
      folds: list of row arrays.
      count: permutations.
      seed: integer.
      two_sided: test |score| (predictors without a direction) instead of score > 0.

    Returns:
      Evidence with score, p and p_max [M, F]; p = (1 + exceedances) / (1 + count); and the null of the largest score.
    """
    permuted = standardise_within(outcomes, folds)[within_fold_permutations(folds, count, seed)]  # [count, P, F]
    actual = standardise_within(outcomes, folds)
    shape = (predictors.shape[2], predictors.shape[1])
    score, exceeded = np.zeros(shape, np.float32), np.zeros(shape, np.int64)
    largest = np.full(count, -np.inf, np.float32)
    for feature in range(shape[1]):
        scaled = standardise_within(predictors[:, feature], folds) / len(folds)
        score[:, feature] = actual[:, feature] @ scaled
        observed = _extent(score[:, feature], two_sided)
        for begin in range(0, count, 500):
            null = _extent(permuted[begin : begin + 500, :, feature] @ scaled, two_sided)
            # The tolerance makes ties with the observed value count, whatever the order of summation.
            exceeded[:, feature] += (null >= observed - 1e-6).sum(axis=0)
            block = largest[begin : begin + 500]
            np.maximum(block, null.max(axis=1), out=block)
    largest = np.sort(largest)
    above = count - np.searchsorted(largest, _extent(score, two_sided) - 1e-6)
    return Evidence(score, (1 + exceeded) / (1 + count), (1 + above) / (1 + count), largest)


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


def bootstrap_interval(statistic, folds, count, seed, level=0.95):
    """Percentile interval (low, high) of `statistic(rows, folds)` over patients resampled within folds.

    `statistic` gets row numbers [patients] with repeats and the folds as positions in them.
    """
    generator = np.random.default_rng(seed)
    sizes = np.cumsum([0] + [len(rows) for rows in folds])
    positions = [np.arange(begin, end) for begin, end in zip(sizes, sizes[1:], strict=False)]
    values = [
        statistic(np.concatenate([generator.choice(rows, len(rows)) for rows in folds]), positions)
        for _ in range(count)
    ]
    tail = (1 - level) / 2
    return np.nanquantile(values, tail, axis=0), np.nanquantile(values, 1 - tail, axis=0)
