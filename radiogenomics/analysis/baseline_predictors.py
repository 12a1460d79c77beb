"""Direct predictors of image features from genes for plain tables: ridge, elastic net and PLS over patient folds."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from radiogenomics.analysis import direct, features, gate
from radiogenomics.data import split
from radiogenomics.data import transform as gene_transform

METHODS = ("ridge", "elastic net", "PLS")


class Fold(NamedTuple):
    """What the predictors of a fold see; rows are patients."""

    genes: np.ndarray  # [patients, G] standardised by the fold's training patients
    components: np.ndarray  # as `genes`: a table has no front end
    design: np.ndarray  # [patients, 1 + Q] of the covariates
    training: np.ndarray  # rows
    held_out: np.ndarray  # rows


def fold_rows(tables, config):
    """Rows of each fold's patients: `data.folds` folds, stratified by the categorical covariates."""
    classes = [name for name, values in tables.covariates.items() if not pd.api.types.is_numeric_dtype(values)]
    names = list(tables.expression.index)
    folds = split.make_folds(tables.covariates.set_axis(names), classes, config.data.folds, config.seed)
    return [np.sort([names.index(name) for name in fold]) for fold in folds]


def predictor_table(tables, rows, config):
    """How well genes predict every feature of patients that the predictor never saw.

    Genes and features are freed of what `genes.adjust` explains among the training patients of each fold. r is the mean
    of the within-fold correlations over held-out patients, its interval a patient bootstrap of the fixed predictions,
    p one-sided by permuting patients within folds, p_holm over the features of a method.

    Args:
      tables: `baseline.Tables`.
      rows: list of row arrays, one a fold, each patient in one of them.
      config: the configuration; reads `genes`, `evaluate` and `seed`.

    Returns:
      DataFrame with a row a feature and method: feature, method, r, r_low, r_high (95 %), p, p_holm.

    Raises:
      InputError: with as many covariate columns as training patients.
    """
    values = tables.features.to_numpy(float)
    folds = [_fit_fold(tables, held_out, config) for held_out in rows]
    known = [features.adjust_rows(fold.design, values, fold.training, fold.training) for fold in folds]
    adjusted = np.full(values.shape, np.nan)
    for fold in folds:
        adjusted[fold.held_out] = features.adjust_rows(fold.design, values, fold.training, fold.held_out)
    predictions = direct.predict_by_fold(folds, known, len(values), config.seed, METHODS)
    settings, parts = config.evaluate, []
    for method, predicted in predictions.items():
        found = gate.score_gate(adjusted, predicted, rows, settings.permutations, settings.bootstraps, config.seed)
        columns = {name: found[name] for name in ("r", "r_low", "r_high", "p", "p_holm")}
        parts.append(pd.DataFrame({"feature": list(tables.features.columns), "method": method} | columns))
    return pd.concat(parts, ignore_index=True).sort_values("feature", kind="stable", ignore_index=True)


def _fit_fold(tables, held_out, config):
    training = np.setdiff1d(np.arange(len(tables.expression)), held_out)
    expression = tables.expression.to_numpy()
    plain = config.copy_and_resolve_references()
    plain.genes.front_end = "none"
    transform = gene_transform.fit_transform(
        expression[training], tables.covariates.iloc[training], list(tables.expression.columns), plain
    )
    genes = transform.standardise(expression, tables.covariates)
    return Fold(genes, genes, transform.covariates.design(tables.covariates), training, held_out)
