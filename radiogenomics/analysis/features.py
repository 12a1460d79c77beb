"""Exact image features of real nodules, patient by patient, and what covariates explain of them."""

import numpy as np
import pandas as pd

from radiogenomics.data import covariates
from radiogenomics.radiomics import exact_table, ibsi, resolve


def feature_list(config):
    """The map's feature names, in the words of the cohort's dimension."""
    return tuple(resolve(config.map.features, config.data.ndim))


def real_patches(cohort, names):
    """Exact features [N, F] of every real nodule patch, NaN where undefined, and the reasons for NaN."""
    owners = [cohort.patients[row] for row in cohort.nodules.patient]
    return exact_table(cohort.nodules.image_hu, cohort.nodules.mask, cohort.spacing_mm, names, owners)


def real_ibsi_patches(cohort, settings):
    """Exact IBSI features of every real nodule patch, a DataFrame [N, F] with NaN where undefined, and the reasons."""
    owners = [cohort.patients[row] for row in cohort.nodules.patient]
    return ibsi.extract_table(cohort.nodules.image_hu, cohort.nodules.mask, cohort.spacing_mm, owners, settings)


def real_features(cohort, names):
    """A DataFrame [patients, F]: equal-weight mean over each patient's patches, NaN where no patch has the feature."""
    return patient_means(cohort, real_patches(cohort, names)[0], names)


def patient_means(cohort, values, names):
    """Features of nodule patches [N, F] as a DataFrame of patients' means, NaN where no patch has the feature."""
    frame = pd.DataFrame(np.asarray(values), columns=list(names)).groupby(cohort.nodules.patient).mean()
    return frame.reindex(range(len(cohort.patients))).set_index(pd.Index(cohort.patients, name="patient"))


def mean_of_known(values):
    """Mean over the first axis of [n, F], leaving out NaN; NaN where nothing is known."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def adjust_features(run, values, adjust=None):
    """Real features [patients, F] less what the covariates explain, each patient by the fold that never saw it.

    `adjust` names the covariates, those of the run by default; InputError for an unknown one, or too many of them.
    """
    adjusted = np.full_like(values, np.nan, dtype=np.float64)
    for fold in run.folds:
        adjusted[fold.held_out] = adjust_by_fold(run, fold, values, fold.held_out, adjust)
    return adjusted


def adjust_by_fold(run, fold, values, rows, adjust=None):
    """Features of the patients in `rows` less what the covariates explain among the fold's training patients."""
    table, model = run.cohort.covariates, fold.transform.covariates
    if adjust is not None:
        model = covariates.fit_covariates(table.iloc[fold.training], adjust)
    return adjust_rows(model.design(table), values, fold.training, rows)


def adjust_rows(design, values, training, rows):
    """Features [patients, F] in `rows` less what the design [patients, 1 + Q] explains in the rows `training`.

    Each feature is fitted on the patients in whom it is known: a stand-in for the others would shrink the effects.
    """
    columns = []
    for column in values.T:
        known = training[np.isfinite(column[training])]
        effects = covariates.fit_effects(design[known], column[known])
        columns.append(covariates.remove_effects(design[rows], effects, column[rows]))
    return np.stack(columns, axis=1)
