"""What a map can see: the smallest correlation that its patients can certify over all the pairs that it tests."""

import numpy as np
from scipy import stats

FAMILY_WISE = 0.05
POWER = 0.8


def detection_limit(largest, fold_sizes, family_wise=FAMILY_WISE, power=POWER):
    """Threshold of the score and the smallest correlation that passes it with the wanted power.

    The threshold is the 1 - `family_wise` quantile of the permutation null of the largest score over all tested pairs.
    A score is the mean over folds of within-fold correlations, each with SD 1 / sqrt(n - 3) on Fisher's scale (Fisher,
    Metron 1921), so the limit is tanh(atanh(threshold) + z_power sqrt(sum 1 / (n_f - 3)) / folds). It holds for
    roughly normal values.

    Args:
      largest: [permutations] largest score of each, `Evidence.largest`.
      fold_sizes: patients of each fold.
      family_wise: chance of even one false entry.
      power: chance that a correlation of that size is certified.

    Returns:
      (threshold, limit); the limit is NaN where a fold has fewer than four patients or no correlation passes.
    """
    threshold = float(np.quantile(largest, 1.0 - family_wise, method="higher"))
    sizes = np.asarray(fold_sizes, float)
    if sizes.min() <= 3.0 or threshold >= 1.0:
        return threshold, np.nan
    error = np.sqrt((1.0 / (sizes - 3.0)).sum()) / len(sizes)
    return threshold, float(np.tanh(np.arctanh(threshold) + stats.norm.ppf(power) * error))


def describe_limit(largest, fold_sizes):
    """`detection_limit` as attributes of a map."""
    threshold, limit = detection_limit(largest, fold_sizes)
    return {
        "family_wise_threshold": threshold,
        "smallest_certifiable_correlation": limit,
        "detection": f"family-wise {FAMILY_WISE:g} over all gene-feature pairs, power {POWER:g}; the threshold is from "
        "the permutation null of the largest score, the power by Fisher's z",
    }
