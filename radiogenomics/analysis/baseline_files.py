"""The classical map from files to files: a cohort, or plain tables."""

import logging

import ml_collections
import numpy as np
import pandas as pd

from radiogenomics import outputs, provenance, settings
from radiogenomics.analysis import baseline, baseline_predictors, map_files
from radiogenomics.data import cohort as cohorts
from radiogenomics.data import expression as expressions
from radiogenomics.errors import InputError

LARGEST = 1e30  # of a table's numbers; the map is float32


def map_cohort(directory, out, config=None, statistic="spearman", predictors=True):
    """Writes the classical map of a cohort into `out`; by default with the settings the cohort was made with.

    Statistic and predictors as for `map_tables`, on the folds of the cohort.
    """
    cohort = cohorts.load_cohort(directory)
    config = config or _config_of_cohort(directory)
    tables, names = baseline.tables_of_cohort(cohort, config), list(cohort.patients)
    rows = [np.array([names.index(name) for name in fold]) for fold in cohort.folds] if predictors else None
    _write(tables, out, config, statistic, rows, cohort_fingerprint=cohort.fingerprint)


def _config_of_cohort(directory):
    stored = outputs.read_json(directory / "config.json")["config"]
    # Settings of the map say nothing about how a cohort was made: one from before a setting existed has its default.
    return ml_collections.ConfigDict(stored | {"map": settings.map_settings() | stored.get("map", {})})


def map_tables(
    expression, features, covariates, out, config=None, statistic="spearman", standardised=False, predictors=True
):
    """Writes the classical map of plain tables into `out`.

    Args:
      expression: path; genes x patients or patients x genes, as published.
      features: path; CSV, first column the patient id, one numeric column a feature.
      covariates: path or None; CSV as `features`, text or numeric columns. All of them are adjusted for.
      out: folder to write.
      config: the configuration; the defaults if None.
      statistic: one of `dependence.STATISTICS`.
      standardised: the expression is z-scored or logged already (`expression.from_standardised`).
      predictors: also write `predictors.csv` (`baseline_predictors.predictor_table`).

    Raises:
      InputError: where a table cannot be read, or fewer than ten patients are in all of them.
    """
    tables, config = read_tables(expression, features, covariates, config or settings.default_config(), standardised)
    rows = baseline_predictors.fold_rows(tables, config) if predictors else None
    given = "z-scores or logged values" if standardised else "as published"
    files = [path for path in (expression, features, covariates) if path]
    fingerprint = provenance.digest_files(files)
    _write(tables, out, config, statistic, rows, expression=given, cohort_fingerprint=fingerprint)


def read_tables(expression, features, covariates, config, standardised=False):
    """(`baseline.Tables` of the patients that are in all tables, config that adjusts for all covariates).

    Arguments and errors as for `map_tables`.
    """
    table = read_table(features)
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        raise InputError(f"{features}: column '{text[0]}' holds text; expected numbers in every feature column.")
    read = expressions.read_expression(expression, list(table.index), standardised)
    for warning in read.warnings:
        logging.warning("%s", warning)
    design = read_table(covariates) if covariates else pd.DataFrame(index=table.index)
    shared = [name for name in table.index if name in read.values.index and name in design.index]
    if len(shared) < baseline.LEAST_PATIENTS:
        raise InputError(
            f"{len(shared)} patients are in all tables (such as '{table.index[0]}' of {features}); "
            f"expected at least {baseline.LEAST_PATIENTS}."
        )
    config = ml_collections.ConfigDict(config.to_dict())
    config.genes.adjust = tuple(design.columns)
    values = read.values.loc[shared]
    detected = values.notna().mean() >= config.genes.min_detection
    values = expressions.from_standardised(values) if standardised else values
    logging.info("%d patients in all tables; %d of %d genes detected", len(shared), detected.sum(), len(detected))
    return baseline.Tables(values.loc[:, detected], _drop_unusable(table.loc[shared]), design.loc[shared]), config


def read_table(path):
    """A CSV or TSV table indexed by its first column as text, numbers where a whole column is; empty text is 'unknown'.

    Raises InputError where it cannot be read, names a patient twice, or holds a number that is infinite or absurd.
    """
    try:
        with open(path, encoding="utf-8-sig") as lines:
            separator = max(",;\t", key=lines.readline().count)
        raw = pd.read_csv(path, sep=separator, dtype=str)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a readable table ({str(error).splitlines()[0]}).") from error
    raw = raw.set_index(raw.columns[0])
    raw.index = raw.index.astype(str).str.strip()
    if raw.index.has_duplicates:
        raise InputError(f"{path}: patient '{raw.index[raw.index.duplicated()][0]}' has more than one row.")
    if raw.columns.empty:
        raise InputError(f"{path}: has no column beside the patient ids.")
    return pd.DataFrame({name: _numbers_or_text(raw[name], path) for name in raw}, index=raw.index)


def _numbers_or_text(column, path):
    numbers = pd.to_numeric(column, errors="coerce")
    if (numbers.isna() & column.notna()).any():
        return column.astype(object).fillna("unknown")
    absurd = numbers.abs() > LARGEST
    if absurd.any():
        patient = absurd.idxmax()
        raise InputError(
            f"{path}: column '{column.name}' is {column[patient]} for patient '{patient}'; expected a finite number."
        )
    return numbers


def _drop_unusable(table):
    """Features that vary and are known in enough patients; a full radiomic table has some that are not."""
    few = [name for name in table if table[name].notna().sum() < baseline.LEAST_PATIENTS]
    constant = [name for name in table if name not in few and not table[name].std() > 0]
    if few:
        logging.warning("left out, known in fewer than %d patients: %s", baseline.LEAST_PATIENTS, ", ".join(few))
    if constant:
        logging.warning("left out, the same for all: %s", ", ".join(constant))
    usable = table.drop(columns=few + constant)
    if usable.columns.empty:
        raise InputError(f"features: none of the {table.shape[1]} columns varies among the patients in all tables.")
    return usable


def _write(tables, out, config, statistic, rows, **attributes):
    dataset = baseline.classical_map(tables, config, statistic).assign_attrs(attributes)
    predicted = None if rows is None else baseline_predictors.predictor_table(tables, rows, config)
    (out / "predictors.csv").unlink(missing_ok=True)
    map_files.write_map(out, dataset, config.map.fdr)
    if predicted is not None:
        with outputs.new_file(out / "predictors.csv") as aside:
            predicted.to_csv(aside, index=False, float_format="%.5g")
    logging.info("%s: map of %d genes x %d features", out, dataset.sizes["gene"], dataset.sizes["feature"])
