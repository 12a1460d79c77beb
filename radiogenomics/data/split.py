"""Patient-grouped, stratified folds: the one split that every later step reads."""

import logging

import pandas as pd
from sklearn.model_selection import StratifiedKFold

from radiogenomics.errors import InputError


def make_folds(covariates, stratify, count, seed):
    """Splits patients into `count` folds, balanced over the joint levels of the `stratify` columns.

    Args:
      covariates: DataFrame indexed by patient id.
      stratify: names of categorical columns; one that the table lacks is left out with a warning.
      count: number of folds.
      seed: integer seed of the shuffle.

    Returns:
      A list of lists of patient ids.

    Raises:
      InputError: with fewer than two folds, or two patients a fold.
    """
    if count < 2:
        raise InputError(f"data.folds: {count}; expected at least 2, because every patient is held out once.")
    if len(covariates) < 2 * count:
        raise InputError(
            f"data.folds: {count} folds of {len(covariates)} patients; expected at least two patients a fold."
        )
    splitter = StratifiedKFold(n_splits=count, shuffle=True, random_state=seed)
    strata = _strata(covariates, stratify, count)
    return [
        sorted(covariates.index[held_out]) for _, held_out in splitter.split(strata.to_frame(), strata)
    ]


def _strata(covariates, stratify, count):
    """One label a patient; levels too rare to reach every fold are pooled, coarsest column first."""
    labels = pd.Series("", index=covariates.index)
    for column in stratify:
        if column not in covariates:
            logging.warning("stratification: no covariate '%s' in this cohort, left out", column)
            continue
        refined = labels + "|" + covariates[column].astype(str)
        common = refined.map(refined.value_counts()) >= count
        labels = refined.where(common, labels + "|other")
    frequent = labels.map(labels.value_counts()) >= count
    return labels.where(frequent, "other") if frequent.any() and (~frequent).sum() >= count else labels.where(
        frequent, labels.mode().iloc[0]
    )
