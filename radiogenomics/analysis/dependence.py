"""How an image feature depends on a gene: three statistics, each tested by permuting patients.

Null of all: given the covariates, features are exchangeable among patients given the genes. Unit: the patient. One
permutation serves all genes and features, so that `p_max` controls the family-wise error over the whole table.
A missing feature counts as average and so says nothing; it weakens its score.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from radiogenomics.analysis import statistics

FEWEST = 4  # patients with a feature, for its distances to have a bias-corrected covariance


class Dependence(NamedTuple):
    """Evidence for M genes and F features; arrays [M, F] but the last."""

    score: np.ndarray  # strength, without a direction
    direction: np.ndarray  # signed, -1..1
    p: np.ndarray
    p_max: np.ndarray
    largest: np.ndarray  # [count] of `statistics.Evidence`


def depend_by_ranks(predictors, outcomes, design, count, seed):
    """Spearman's rho of predictors [patients, M] with outcomes [patients, F], both already free of the covariates.

    Args:
      predictors: [patients, M].
      outcomes: [patients, F], NaN = missing.
      design: not used.
      count: permutations.
      seed: integer.

    Returns:
      `Dependence`; `direction` is rho, `score` its absolute value, p two-sided.
    """
    return _rank_dependence(predictors, outcomes, np.zeros((len(design), 1)), count, seed)


def depend_by_partial_ranks(predictors, outcomes, design, count, seed):
    """Partial Spearman correlation given the covariates, of predictors [patients, M] with outcomes [patients, F].

    Ranks less what the design explains of them are correlated. Null distribution after Freedman and Lane (1983): the
    residual ranks of the outcome are permuted and freed of the design anew, so that a permutation has as few degrees of
    freedom as the data.

    Args:
      predictors: [patients, M], not adjusted.
      outcomes: [patients, F], not adjusted, NaN = missing.
      design: [patients, 1 + Q] of full column rank, the intercept first.
      count: permutations.
      seed: integer.

    Returns:
      `Dependence`; `direction` is the partial rho, `score` its absolute value, p two-sided.
    """
    return _rank_dependence(predictors, outcomes, np.linalg.qr(design)[0], count, seed)


def _rank_dependence(predictors, outcomes, basis, count, seed):
    """`basis` [patients, Q]: orthonormal columns that ranks and permuted ranks are freed of, or zeros."""
    x = _unit(_freed(_centred_ranks(predictors), basis), len(predictors))
    y = np.where(np.isfinite(outcomes), _freed(_centred_ranks(outcomes), basis), 0.0)
    orders = _permutations(len(x), count, seed)

    def draw(feature):
        yield _unit(y[:, feature], len(y)) @ x
        for order in orders:
            moved = _freed(y[order, feature].T, basis)  # [patients, n]
            yield _unit(moved, len(y)).T @ x

    evidence = statistics.tally_permutations(draw, outcomes.shape[1], count, two_sided=True)
    return Dependence(np.abs(evidence.score), evidence.score, evidence.p, evidence.p_max, evidence.largest)


def depend_by_distances(predictors, outcomes, design, count, seed):
    """Bias-corrected distance correlation of predictors [patients, M] with outcomes [patients, F], adjusted before.

    It sees dependence of any shape, U-shaped too (Szekely and Rizzo 2014: inner products of U-centred matrices of
    distances between patients). Needs 2 M patients^2 bytes of memory.

    Args:
      predictors: [patients, M].
      outcomes: [patients, F], NaN = missing.
      design: not used.
      count: permutations.
      seed: integer.

    Returns:
      `Dependence`; `score` is the square root of the squared distance correlation, with its sign, which is negative
      where the patients show less dependence than chance lets expect; `direction` is Spearman's rho, because a distance
      has none; p is one-sided.
    """
    pairs = np.triu_indices(len(predictors), 1)
    x = np.stack([_distances(values)[pairs] for values in predictors.T]).T  # [pairs, M]
    orders = _permutations(len(predictors), count, seed)

    def draw(feature):
        y = _distances(outcomes[:, feature])
        yield y[pairs] @ x
        for order in orders:
            yield y[order[:, pairs[0]], order[:, pairs[1]]] @ x

    evidence = statistics.tally_permutations(draw, outcomes.shape[1], count)
    gene_ranks, feature_ranks = (_unit(_centred_ranks(values), len(values)) for values in (predictors, outcomes))
    score = np.sign(evidence.score) * np.sqrt(np.abs(evidence.score))
    return Dependence(score, gene_ranks.T @ feature_ranks, evidence.p, evidence.p_max, evidence.largest)


STATISTICS = {
    "spearman": depend_by_ranks,
    "partial_spearman": depend_by_partial_ranks,
    "distance": depend_by_distances,
}


def _permutations(patients, count, seed):
    """Row permutations [n, patients] of all patients, block by block."""
    orders = statistics.within_fold_permutations([np.arange(patients)], count, seed)
    return [
        orders[begin : begin + statistics.PERMUTATIONS_AT_ONCE]
        for begin in range(0, count, statistics.PERMUTATIONS_AT_ONCE)
    ]


def _centred_ranks(values):
    """Ranks [patients, n] as shares of the patients, mean 0; a missing value has the mean rank."""
    known = np.isfinite(values)
    # Infinity ranks last and so leaves the known ones alone; SciPy's own way with NaN takes seconds for 5,000 genes.
    ranks = stats.rankdata(np.where(known, values, np.inf), axis=0) / len(values)
    return np.where(known, ranks - np.where(known, ranks, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), 0.0)


def _freed(values, basis):
    """Values [patients, ...] less their projection on the basis."""
    return values - basis @ (basis.T @ values)


def _unit(values, patients):
    """Columns of norm 1 of values [n, ...] of order 1 or less, float32; rounding errors become zero."""
    norm = np.sqrt(np.square(values).sum(axis=0))
    real = norm > 1e-6 * np.sqrt(patients)
    return np.where(real, values / np.where(real, norm, 1.0), 0.0).astype(np.float32)


def _distances(values):
    """U-centred distances [patients, patients] between values [patients], their upper triangle of norm 1.

    Zero where a value is missing: the matrix of part of the patients, filled up with zeros, is as orthogonal to row
    sums as that of all, so that products with it need no other treatment. Zero altogether for a constant.
    """
    known = np.isfinite(values)
    result, n = np.zeros((len(values), len(values)), np.float32), int(known.sum())
    if n < FEWEST or not np.ptp(values[known]) > 0:
        return result
    distance = np.abs(values[known][:, None] - values[known]).astype(np.float64)
    rows = distance.sum(axis=0)
    centred = distance - (rows[:, None] + rows) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0.0)
    result[np.ix_(known, known)] = centred * np.sqrt(2.0) / np.linalg.norm(centred)
    return result
