"""The gate: does a nodule synthesised from an unseen patient's genes look like that patient's nodule? (design 5.5)

Per feature, r is the mean over folds of the within-fold correlation between real and synthesised feature over patients
whose fold's generator never saw them. A feature that fails the gate is stamped 'not supported' wherever it appears.
"""

import numpy as np

from radiogenomics.analysis import statistics


def score_gate(real, synthetic, folds, permutations, bootstraps, seed):
    """Gate statistics of every feature.

    Args:
      real: [patients, F] real features.
      synthetic: [patients, F] features synthesised from the patient's genes, backgrounds and noises alike for all.
      folds: list of row arrays of held-out patients.
      permutations: number of within-fold permutations of the genes. Null: which patient's genes made the nodule does
        not matter. Backgrounds and noises being the same, permuting the genes is permuting the synthesised features.
      bootstraps: number of patient bootstrap samples of the interval.
      seed: integer.

    Returns:
      A dict of arrays [F]: r, r_low, r_high (95 %), p, p_holm, r_shuffled (the same generator fed other patients'
      genes, a cyclic shift within the fold), supported (one-sided Holm p < 0.05).
    """
    evidence = statistics.permutation_evidence(synthetic[:, :, None], real, folds, permutations, seed)

    def correlation(rows, positions):
        return statistics.cross_fitted_correlation(synthetic[rows], real[rows], positions)

    low, high = statistics.bootstrap_interval(correlation, folds, bootstraps, seed)
    shuffled = np.empty_like(synthetic)
    for rows in folds:
        shuffled[rows] = synthetic[np.roll(rows, 1)]
    p = evidence.p[0]
    return {
        "r": evidence.score[0],
        "r_low": low,
        "r_high": high,
        "p": p,
        "p_holm": statistics.holm(p),
        "r_shuffled": statistics.cross_fitted_correlation(shuffled, real, folds),
        "supported": statistics.holm(p) < 0.05,
    }


def retrieval(real, synthetic, folds, permutations, seed):
    """How often the real patient is found among the held-out ones from the synthesised features.

    Distances are Euclidean between features standardised within the fold. Null: as in `score_gate`. Returns R@1 and
    R@5 with chance, permutation p and the mean percentile rank (0: always first).
    """
    real = statistics.standardise_within(real, folds)
    synthetic = statistics.standardise_within(synthetic, folds)
    observed = _ranks(real, synthetic, folds)
    orders = statistics.within_fold_permutations(folds, permutations, seed)
    shuffled = _permuted_ranks(real, synthetic, folds, orders)
    null = np.array([[(ranks == 0).mean(), (ranks < 5).mean()] for ranks in shuffled])
    sizes = np.array([len(rows) for rows in folds])
    result = {"mean_rank_share": float(np.mean(observed / np.repeat(np.maximum(sizes - 1, 1), sizes)[_order(folds)]))}
    for column, within in enumerate((1, 5)):
        hit = float((observed < within).mean())
        result[f"r_at_{within}"] = hit
        result[f"chance_at_{within}"] = float(np.average(np.minimum(within / sizes, 1.0), weights=sizes))
        result[f"p_at_{within}"] = float((1 + (null[:, column] >= hit - 1e-9).sum()) / (1 + permutations))
    return result


def _order(folds):
    """Positions that take values listed fold by fold back to row order."""
    return np.argsort(np.concatenate(folds))


def _ranks(real, synthetic, folds):
    """Rank (0 = first) [patients] of the true patient by distance, within the fold."""
    ranks = np.zeros(len(real), int)
    for rows in folds:
        distance = _distances(synthetic[rows], real[rows])
        ranks[rows] = (distance < np.diag(distance)[:, None]).sum(axis=1)
    return ranks


def _permuted_ranks(real, synthetic, folds, orders):
    """Ranks [patients] for each row of `orders`: the true patient is taken to be another of the fold."""
    distances = [_distances(synthetic[rows], real[rows]) for rows in folds]
    position = np.zeros(len(real), int)
    for rows in folds:
        position[rows] = np.arange(len(rows))
    for order in orders:
        ranks = np.zeros(len(real), int)
        for rows, distance in zip(folds, distances, strict=True):
            claimed = distance[np.arange(len(rows)), position[order[rows]]]
            ranks[rows] = (distance < claimed[:, None]).sum(axis=1)
        yield ranks


def _distances(a, b):
    return np.linalg.norm(a[:, None] - b[None], axis=-1)
