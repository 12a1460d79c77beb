"""The gate: does a nodule synthesised from an unseen patient's genes look like that patient's nodule? (design 5.5)

Per feature, r is the mean over folds of the within-fold correlation between real and synthesised feature over patients
whose fold's generator never saw them. A feature that fails the gate is stamped 'not supported' wherever it appears.
"""

import itertools

import numpy as np

from radiogenomics.analysis import statistics

DERANGEMENTS = 20
LEAST_DIRECT_R = 0.1  # below, a ratio to the direct predictor would divide by noise


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
      A dict of arrays [F]: r, r_low, r_high (95 %), p, p_holm, r_shuffled (see `shuffled_control`) with its interval,
      supported (one-sided Holm p < 0.05).
    """
    evidence = statistics.permutation_evidence(synthetic[:, :, None], real, folds, permutations, seed)

    def correlation(rows, positions):
        return statistics.cross_fitted_correlation(synthetic[rows], real[rows], positions)

    low, high = statistics.bootstrap_interval(correlation, folds, bootstraps, seed)
    shuffled, shuffled_low, shuffled_high = shuffled_control(real, synthetic, folds, bootstraps, seed)
    p = evidence.p[0]
    return {
        "r": evidence.score[0],
        "r_low": low,
        "r_high": high,
        "p": p,
        "p_holm": statistics.holm(p),
        "r_shuffled": shuffled,
        "r_shuffled_low": shuffled_low,
        "r_shuffled_high": shuffled_high,
        "supported": statistics.holm(p) < 0.05,
    }


def shuffled_control(real, synthetic, folds, bootstraps, seed):
    """The same generator fed the genes of another patient of the fold: (r [F], low [F], high [F]).

    r is the mean over DERANGEMENTS random assignments in which nobody keeps their own genes; about -r / (n - 1) of a
    fold of n is expected, because a patient's own value is left out. The interval is as wide as that of a single
    assignment, and so can be held against the interval of r: patients are resampled, each resample takes the next
    assignment, and what it departs from that assignment's r is laid around the mean.
    """
    generator = np.random.default_rng(seed)
    assignments = [_derange(folds, generator) for _ in range(DERANGEMENTS)]
    each = [statistics.cross_fitted_correlation(synthetic[order], real, folds) for order in assignments]
    following = itertools.cycle(zip(assignments, each, strict=True))

    def departure(rows, positions):
        order, r = next(following)
        return statistics.cross_fitted_correlation(synthetic[order[rows]], real[rows], positions) - r

    mean = np.mean(each, axis=0)
    low, high = statistics.bootstrap_interval(departure, folds, bootstraps, seed)
    return mean, mean + low, mean + high


def _derange(folds, generator):
    """Rows [patients]: for each patient another one of the fold (the same where the fold has no other)."""
    order = np.zeros(sum(len(rows) for rows in folds), int)
    for rows in folds:
        mixed = generator.permutation(rows)
        order[mixed] = np.roll(mixed, 1)
    return order


def score_ratios(real, synthetic, predicted, folds, chosen, bootstraps, seed):
    """How much of the best direct predictor's correlation synthesis reaches.

    Args:
      real: [patients, F] real features.
      synthetic: [patients, F] features synthesised from the patient's genes.
      predicted: [patients, F] cross-fitted predictions of each feature's best direct method.
      folds: list of row arrays of held-out patients.
      chosen: [F] bool, the features whose mean ratio is asked for.
      bootstraps: number of patient bootstrap samples; both correlations are taken on the same one.
      seed: integer.

    Returns:
      A dict: ratio, ratio_low, ratio_high (95 %) arrays [F], NaN where the direct r is below LEAST_DIRECT_R; mean,
      mean_low, mean_high over the chosen features. A resample with a direct r of 0 or less says nothing of the ratio.
    """
    judged = statistics.cross_fitted_correlation(predicted, real, folds) >= LEAST_DIRECT_R
    averaged = judged & chosen

    def ratios(rows, positions):
        r = statistics.cross_fitted_correlation(synthetic[rows], real[rows], positions)
        direct = statistics.cross_fitted_correlation(predicted[rows], real[rows], positions)
        ratio = np.where(direct > 0, r / np.where(direct > 0, direct, 1.0), np.nan)
        known = ratio[averaged][np.isfinite(ratio[averaged])]
        return np.append(ratio, known.mean() if len(known) else np.nan)[said]

    said = np.append(judged, averaged.any())
    table = np.full((3, len(said)), np.nan)
    if said.any():
        table[0, said] = ratios(np.concatenate(folds), statistics.number_patients([len(rows) for rows in folds]))
        table[1:, said] = statistics.bootstrap_interval(ratios, folds, bootstraps, seed)
    names = ("ratio", "ratio_low", "ratio_high")
    result = dict(zip(names, table[:, :-1], strict=True))
    return result | dict(zip(("mean", "mean_low", "mean_high"), table[:, -1], strict=True))


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
