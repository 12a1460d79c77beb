"""What a map owes to adjustment and to single groups: scores without adjustment, and without one site or batch."""

import logging

import numpy as np
import xarray

from radiogenomics.analysis import statistics

GROUPINGS = ("site", "sequencing_batch")
UNKNOWN = ("", "nan", "none", "unknown")
LEAST_LEFT = 5  # patients of every fold; a correlation over fewer says nothing


def confounder_table(run, unadjusted, predicted, adjusted, rows, folds):
    """Scores of unadjusted features, and the range of scores when one site or one sequencing batch is left out.

    Args:
      run: a `Run`; its generators stay as they are.
      unadjusted: the `Evidence` [G, F] for the real features as measured.
      predicted: [patients, F, G] effect predicted from each gene.
      adjusted: [patients, F] real features less what the covariates explain.
      rows: [patients] rows of the cohort.
      folds: positions of each fold's patients.

    Returns:
      An `xarray.Dataset` [gene, feature] of `score_unadjusted`, `p_unadjusted`, `score_range_low`, `score_range_high`;
      the range is NaN where no group can be left out.
    """
    groups = find_groups(run.cohort.covariates.iloc[rows], folds)
    low, high = score_range(predicted, adjusted, [kept for _, kept in groups])
    logging.info("map: scored again without %s", ", ".join(name for name, _ in groups) or "nobody (no group to leave)")
    told = {
        "unadjusted": "same generator, real features as measured; its genes stay residualised as in training",
        "range": "smallest and largest score over the held-out patients without one group, "
        f"which fewer patients alone widen: {'; '.join(name for name, _ in groups) or 'no group could be left out'}",
    }
    table = {
        "score_unadjusted": (unadjusted.score, told["unadjusted"]), "p_unadjusted": (unadjusted.p, told["unadjusted"]),
        "score_range_low": (low, told["range"]), "score_range_high": (high, told["range"]),
    }
    return xarray.Dataset({
        name: (("gene", "feature"), values.astype(np.float32), {"note": note}) for name, (values, note) in table.items()
    })


def find_groups(covariates, folds):
    """[(name, folds without it)] of the sites and sequencing batches that can be left out.

    Every fold must keep `LEAST_LEFT` patients. Who has no known site or batch forms no group.

    Args:
      covariates: DataFrame of the patients; columns that it does not have are passed over.
      folds: positions of each fold's patients in it.
    """
    found = []
    for column in (name for name in GROUPINGS if name in covariates):
        labels = covariates[column].astype(str).to_numpy()
        for level in sorted(set(labels)):
            kept = [fold[labels[fold] != level] for fold in folds]
            if level.strip().lower() not in UNKNOWN and min(map(len, kept)) >= LEAST_LEFT:
                name = f"{column.replace('_', ' ')} {level} ({(labels == level).sum()} of {len(labels)} patients)"
                found.append((name, kept))
    return found


def score_range(predicted, outcomes, splits):
    """Smallest and largest cross-fitted correlation [G, F] over several lists of folds; NaN where there is none.

    Args:
      predicted: [patients, F, G].
      outcomes: [patients, F].
      splits: a list of lists of row arrays.
    """
    low, high = np.full((2, predicted.shape[2], predicted.shape[1]), np.nan, np.float32)
    for folds in splits:
        for feature in range(predicted.shape[1]):
            score = statistics.cross_fitted_correlation(predicted[:, feature], outcomes[:, [feature]], folds)
            low[:, feature] = np.fmin(low[:, feature], score)
            high[:, feature] = np.fmax(high[:, feature], score)
    return low, high
