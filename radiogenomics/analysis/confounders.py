"""What a map owes to adjustment and to single groups: scores without adjustment, and without one site or batch."""

import logging

import numpy as np
import xarray

GROUPINGS = ("site", "sequencing_batch")
UNKNOWN = ("", "nan", "none", "unknown")
LEAST_LEFT = 5  # patients of every fold; a correlation over fewer says nothing


def confounder_table(unadjusted, summary, groups):
    """Scores of unadjusted features, and the range of scores when one site or one sequencing batch is left out.

    Args:
      unadjusted: the `Evidence` [G, F] for the real features as measured; the generators stay as they are.
      summary: `gene_effects.GeneSummary`, of which the range is.
      groups: of `find_groups`, who was left out for it.

    Returns:
      An `xarray.Dataset` [gene, feature] of `score_unadjusted`, `p_unadjusted`, `score_range_low`, `score_range_high`;
      the range is NaN where no group can be left out.
    """
    logging.info("map: scored again without %s", ", ".join(name for name, _ in groups) or "nobody (no group to leave)")
    told = {
        "unadjusted": "same generator, real features as measured; its genes stay residualised as in training",
        "range": "smallest and largest score over the held-out patients without one group, "
        f"which fewer patients alone widen: {'; '.join(name for name, _ in groups) or 'no group could be left out'}",
    }
    table = {
        "score_unadjusted": (unadjusted.score, told["unadjusted"]), "p_unadjusted": (unadjusted.p, told["unadjusted"]),
        "score_range_low": (summary.low, told["range"]), "score_range_high": (summary.high, told["range"]),
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
