"""The cohort of a report as plain rows: patients dropped, covariates by fold."""

import pandas as pd

from radiogenomics.reports.formatting import feature_label, number

LEVELS_SHOWN = 6


def drop_rows(quality):
    """Reasons for dropping patients with their counts, most frequent first, from qc.json."""
    reasons = pd.Series([row.get("reason") or "no reason recorded" for row in quality["patients"] if not row["kept"]])
    return [{"reason": reason, "count": int(count)} for reason, count in reasons.value_counts().items()]


def covariate_rows(covariates, folds):
    """Covariates of all patients and of each fold as text: mean (SD) of numbers, counts of levels.

    Args:
      covariates: DataFrame indexed by patient.
      folds: lists of patient ids.
    """
    groups = [covariates, *(covariates.loc[list(fold)] for fold in folds)]
    rows = []
    for name in covariates:
        if pd.api.types.is_numeric_dtype(covariates[name]):
            cells = [f"{number(group[name].mean())} ({number(group[name].std(), 2)})" for group in groups]
            label = feature_label(name, "mm" if name.endswith("_mm") else "")
            rows.append({"name": label, "level": "mean (SD)", "cells": cells})
            continue
        levels = list(covariates[name].value_counts().index)
        for position, level in enumerate(levels[:LEVELS_SHOWN]):
            cells = [str(int((group[name] == level).sum())) for group in groups]
            rows.append({"name": "" if position else name.replace("_", " "), "level": str(level), "cells": cells})
        if levels[LEVELS_SHOWN:]:
            cells = [str(int(group[name].isin(levels[LEVELS_SHOWN:]).sum())) for group in groups]
            rows.append({"name": "", "level": f"{len(levels) - LEVELS_SHOWN} other levels", "cells": cells})
    return rows
