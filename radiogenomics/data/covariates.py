"""Covariate models: what site, batch, histology and the like explain, fitted on training patients only."""

import dataclasses
import logging

import numpy as np
import pandas as pd

from radiogenomics.errors import InputError


@dataclasses.dataclass(frozen=True)
class CovariateModel:
    """How a table of covariates becomes a design matrix; fitted once, applied to anybody."""

    levels: dict  # categorical column -> list of levels that get an indicator (the first level is the reference)
    moments: dict  # numeric column -> [mean, SD] of the training patients
    dropped: tuple  # columns that the training patients cannot identify
    average: tuple  # design row of the average training patient

    def design(self, covariates):
        """The design matrix [patients, 1 + columns]; an unseen level counts as the reference, NaN as the mean."""
        columns = [np.ones(len(covariates))]
        for name, levels in self.levels.items():
            columns += [(covariates[name].astype(str) == level).to_numpy(float) for level in levels]
        for name, (mean, sd) in self.moments.items():
            columns.append((covariates[name].astype(float).fillna(mean).to_numpy() - mean) / sd)
        return np.stack(columns, axis=1)


def fit_covariates(covariates, names):
    """Fits a `CovariateModel` for the named columns.

    Args:
      covariates: DataFrame of the training patients.
      names: columns to adjust for; constant or collinear ones are dropped with a warning.

    Raises:
      InputError: for a column that the table does not have, or with as many columns as patients.
    """
    unknown = [name for name in names if name not in covariates]
    if unknown:
        raise InputError(
            f"genes.adjust: the cohort has no covariate '{unknown[0]}'; it has {', '.join(covariates.columns)}."
        )
    model = CovariateModel(levels={}, moments={}, dropped=(), average=())
    for name in names:
        candidate = _with_column(model, covariates, name)
        design = candidate.design(covariates)
        if np.linalg.matrix_rank(design) < design.shape[1] or design.shape[1] == model.design(covariates).shape[1]:
            logging.warning("covariate '%s' is constant or collinear among the training patients; dropped", name)
            candidate = dataclasses.replace(model, dropped=(*model.dropped, name))
        model = candidate
    if model.design(covariates).shape[1] >= len(covariates):
        raise InputError(
            f"genes.adjust: {model.design(covariates).shape[1] - 1} covariate columns for {len(covariates)} "
            "training patients; expected fewer columns than patients."
        )
    return dataclasses.replace(model, average=tuple(model.design(covariates).mean(axis=0)))


def _with_column(model, covariates, name):
    values = covariates[name]
    if pd.api.types.is_numeric_dtype(values):
        sd = float(values.std(ddof=0))
        moments = [float(values.mean()), sd] if sd > 0 else [0.0, 1.0]
        return dataclasses.replace(model, moments=model.moments | {name: moments})
    levels = sorted(values.astype(str).unique())
    return dataclasses.replace(model, levels=model.levels | {name: levels[1:]})


def fit_effects(design, values):
    """Least-squares effects [columns, values' columns] of the design on `values` [patients, ...]."""
    return np.linalg.lstsq(design, values, rcond=None)[0]


def remove_effects(design, effects, values):
    """`values` less what the design explains of them, the intercept included."""
    return values - design @ effects
