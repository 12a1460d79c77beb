"""Clinical tables: a short list of typed covariates; nothing else of the table, and no date, goes on."""

import pathlib
import re

import pandas as pd

from radiogenomics.errors import InputError

# Covariate -> column of the TCIA "NSCLC Radiogenomics" table. A column with the covariate's own name goes first.
TEXT_COLUMNS = {
    "site": "Patient affiliation",
    "histology": "Histology",
    "sex": "Gender",
    "smoking": "Smoking status",
    "stage_t": "Pathological T stage",
    "stage_n": "Pathological N stage",
    "stage_m": "Pathological M stage",
    "egfr": "EGFR mutation status",
    "kras": "KRAS mutation status",
    "sequencing_batch": None,
}
NUMBER_COLUMNS = {
    "age": "Age at Histological Diagnosis",  # years
    "pack_years": "Pack Years",
    "ground_glass_percent": "%GG",  # the middle of the class
}
MISSING = {
    "", "n/a", "na", "nan", "none", "unknown", "not collected", "not assessed", "not recorded",
    "not recorded in database",
}  # fmt: skip


def read_clinical(path, patient_column):
    """Reads the covariates of a clinical table (CSV or TSV).

    Text: spaces stripped, 'Not Collected' and the like become 'unknown'. Numbers: years, pack-years (0 for a
    non-smoker without any) and percent of ground glass ('25 - 50%' becomes 37.5); missing becomes NaN. Column names
    are matched without regard to case and outer spaces. `sequencing_batch` is there only where the table has it.

    Args:
      path: the table.
      patient_column: name of the column of patient ids.

    Returns:
      DataFrame indexed by patient, the first row of each.

    Raises:
      InputError: where the table cannot be read or lacks the column of patients.
    """
    path = pathlib.Path(path)
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, sep=None, engine="python", encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path.name}: not a CSV or TSV table ({error}).") from error
    columns = {str(name).strip().casefold(): raw[name] for name in raw}
    if patient_column.strip().casefold() not in columns:
        raise InputError(f"{path.name}: no column '{patient_column}' (files.patient_column); it has {len(columns)}.")
    patients = columns[patient_column.strip().casefold()].str.strip()
    table = {}
    for name, column in TEXT_COLUMNS.items():
        values = _find(columns, name, column)
        if values is not None or column is not None:
            table[name] = "unknown" if values is None else values.map(to_text)
    for name, column in NUMBER_COLUMNS.items():
        values = _find(columns, name, column)
        table[name] = float("nan") if values is None else values.map(to_number).astype(float)
    frame = pd.DataFrame(table, index=patients.index).set_axis(pd.Index(patients, name="patient"))
    never = frame["smoking"].str.casefold().isin(["nonsmoker", "never", "never smoker"])
    frame.loc[never & frame["pack_years"].isna(), "pack_years"] = 0.0
    return frame[~frame.index.duplicated()]


def covariates_of(table, patient):
    """Covariates {name: text or number} of a patient; 'unknown' and NaN for one that the table does not have.

    Args:
      table: from `read_clinical`, or None without a clinical table.
      patient: id.
    """
    texts = [name for name, column in TEXT_COLUMNS.items() if column or (table is not None and name in table)]
    empty = dict.fromkeys(texts, "unknown") | dict.fromkeys(NUMBER_COLUMNS, float("nan"))
    if table is None or patient not in table.index:
        return empty
    row = table.loc[patient]
    return {name: row[name] if name in texts else float(row[name]) for name in empty}


def to_text(value):
    """A label without outer spaces, 'unknown' for 'Not Collected' and its kin."""
    value = " ".join(str(value).split())
    return "unknown" if value.casefold() in MISSING else value


def to_number(value):
    """The number in a cell, the middle of a range ('>0 - 25%' is 12.5), NaN where there is none."""
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", str(value))]
    return sum(numbers) / len(numbers) if numbers else float("nan")


def _find(columns, name, column):
    for wanted in (name, column):
        if wanted is not None and wanted.casefold() in columns:
            return columns[wanted.casefold()]
    return None
