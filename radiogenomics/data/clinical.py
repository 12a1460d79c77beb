"""Clinical tables: a short list of typed covariates; nothing else of the table, and no date, goes on."""

import io
import logging
import pathlib
import re

import pandas as pd

from radiogenomics.data.clinical_terms import CLASS_CODE, PATTERNS, VOCABULARIES
from radiogenomics.data.labels import is_code, is_label, is_term
from radiogenomics.errors import InputError

# Covariate -> column of the TCIA "NSCLC Radiogenomics" table. A column with the covariate's own name goes first.
TEXT_COLUMNS = {
    "site": "Patient affiliation",
    "histology": "Histology",
    "grade": "Histopathological Grade",
    "sex": "Gender",
    "ethnicity": "Ethnicity",
    "smoking": "Smoking status",
    "lobe": "Tumor Location",  # one column a lobe: 'Tumor Location (choice=RUL)'
    "stage_t": "Pathological T stage",
    "stage_n": "Pathological N stage",
    "stage_m": "Pathological M stage",
    "pleural_invasion": "Pleural invasion (elastic, visceral, or parietal)",
    "lymphovascular_invasion": "Lymphovascular invasion",
    "egfr": "EGFR mutation status",
    "kras": "KRAS mutation status",
    "alk": "ALK translocation status",
    "sequencing_batch": None,
}
NUMBER_COLUMNS = {
    "age": "Age at Histological Diagnosis",  # years
    "weight_kg": "Weight (lbs)",
    "pack_years": "Pack Years",
    "ground_glass_percent": "%GG",  # the middle of the class
    "days_ct_to_surgery": "Days between CT and surgery",
}
# What an adult can have; the collection holds a weight of 49.1 lbs, most likely typed in kg.
PLAUSIBLE = {
    "age": (0, 120),
    "weight_kg": (25, 350),
    "pack_years": (0, 400),
    "ground_glass_percent": (0, 100),
    "days_ct_to_surgery": (0, 3650),
}
KG_PER_POUND = 0.45359237
OLDEST_AGE = 89  # higher ages identify (45 CFR 164.514(b)(2)(i)(C)); all of them become 90
LOBES = ("RUL", "RML", "RLL", "LUL", "L Lingula", "LLL")
SEXES = {"m": "Male", "male": "Male", "f": "Female", "female": "Female"}
NEVER = ("nonsmoker", "non-smoker", "never", "never smoker")
MISSING = {
    "", "-", ".", "?", "n/a", "n.a.", "na", "nan", "none", "null", "missing", "unknown", "unk", "not applicable",
    "not assessed", "not available", "not collected", "not known", "not recorded", "not recorded in database",
    "not reported",
}  # fmt: skip
LARGEST_BYTES = 64 * 2**20
NUMBERED = ("site", "sequencing_batch")  # groups that are adjusted for, whatever they are called
NUMBER = r"[<>]?\s*=?\s*(\d{1,9}(?:\.\d{1,9})?)\s*"
OPEN_AGE = re.compile(r"(>=?|\u2265)?\s*(\d{1,3}(?:\.\d{1,3})?)\s*(\+|(?:and|or) (?:over|older|above))?", re.IGNORECASE)
NUMBER_OR_RANGE = re.compile(rf"{NUMBER}(?:(?:-|\u2013|to)\s*{NUMBER})?%?")


def read_clinical(path, patient_column):
    """Reads the covariates of a clinical table (CSV or TSV; comma, semicolon or tab).

    Text: spaces stripped, 'Not Collected' and the like become 'unknown', and so does what is not among the known terms
    of the covariate (`clinical_terms.VOCABULARIES`; a batch or a site may be any code, `is_code`), for it may name a
    person; batches and sites that several patients share become 'site 1' and so on instead. `lobe` joins the checked
    lobes by '|'. Numbers: age in years (90 for all above 89, '>89' and '90+' too), weight in kg
    (an official 'Weight (lbs)' is converted), pack-years (0 for a non-smoker without any), percent of ground glass
    ('25 - 50%' becomes 37.5) and days from CT to surgery; missing, unreadable and implausible ones become NaN.
    Column names are matched without regard to case and outer spaces. `sequencing_batch` is there only where the table
    has it.

    Args:
      path: the table.
      patient_column: name of the column of patient ids.

    Returns:
      DataFrame indexed by patient, the first row of each. Its `attrs["warnings"]` (tuple of sentences, also logged)
      tells cells that were lost, by column and patient and never by content.

    Raises:
      InputError: where the table cannot be read or lacks the column of patients.
    """
    path = pathlib.Path(path)
    columns, count = read_columns(path)
    wanted = patient_column.strip().casefold()
    if wanted not in columns:
        raise InputError(f"{path.name}: no column '{patient_column}' (files.patient_column); it has {len(columns)}.")
    patients = columns[wanted].str.strip()
    columns = _lobes(columns) | columns
    warnings, table = _absent(columns), {}
    for name, column in TEXT_COLUMNS.items():
        values = _find(columns, name, column)
        if values is not None or column is not None:
            table[name] = "unknown" if values is None else _to_texts(name, values, patients, warnings)
    for name, column in NUMBER_COLUMNS.items():
        values = _find(columns, name, column)
        table[name] = float("nan") if values is None else _to_numbers(name, values, patients, columns, warnings)
    frame = pd.DataFrame(table, index=range(count)).set_axis(pd.Index(patients, name="patient"))
    never = frame["smoking"].str.casefold().isin(NEVER)
    frame.loc[never & frame["pack_years"].isna(), "pack_years"] = 0.0
    return tell(_one_row_each(frame, warnings), [f"clinical table: {warning}" for warning in warnings])


def tell(frame, warnings):
    """The frame with its warnings in `attrs["warnings"]`, each of them logged."""
    for warning in warnings:
        logging.warning("%s", warning)
    frame.attrs["warnings"] = tuple(warnings)
    return frame


def read_columns(path):
    """Cells of a CSV or TSV as text.

    Args:
      path: the table, UTF-8, UTF-16 with its mark, or Latin-1; comma, semicolon or tab, by the first line.

    Returns:
      ({name in lower case without outer spaces: Series of text}, number of rows); of equal names the first.

    Raises:
      InputError: where it cannot be read, is empty, is larger than 64 MiB or has rows longer than its header.
    """
    path = pathlib.Path(path)
    text = _read_text(path)
    first = text.lstrip().split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    try:
        raw = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, header=None)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path.name}: not a CSV or TSV table ({' '.join(str(error).split())}).") from error
    header, rows = raw.iloc[0], raw.iloc[1:].fillna("").reset_index(drop=True)
    columns = {}
    for position, name in enumerate(header):
        columns.setdefault(str(name).strip().casefold(), rows[position])
    return columns, len(rows)


def _read_text(path):
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{path.name}: larger than {LARGEST_BYTES >> 20} MiB; expected a table of patients.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror}).") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


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


def to_age(value):
    """Age in years in a cell: as `to_number`, 90 for '>89', and the lower end of an open class ('90+' is 90)."""
    found = OPEN_AGE.fullmatch(str(value).strip())
    if not found:
        return to_number(value)
    above, number = found[1] == ">", float(found[2])
    return OLDEST_AGE + 1.0 if above and number >= OLDEST_AGE else number


def to_number(value):
    """The number in a cell, the middle of a range ('>0 - 25%' is 12.5), NaN for anything else."""
    found = NUMBER_OR_RANGE.fullmatch(str(value).strip())
    numbers = [float(number) for number in found.groups() if number] if found else []
    return sum(numbers) / len(numbers) if numbers else float("nan")


def _to_texts(name, values, patients, warnings):
    texts = values.map(to_text)
    if name == "sex":
        lost = (texts != "unknown") & ~texts.str.casefold().isin(SEXES)
        texts = texts.map(lambda text: SEXES.get(text.casefold(), "unknown"))
        _tell_lost(name, lost, patients, "other than male or female", warnings)
        return texts
    lost = ~texts.map(lambda text: _is_class(name, text)).astype(bool)
    if name in NUMBERED:
        numbers = _number_labels(name, texts[lost])
        if numbers:
            warnings.append(f"{name}: {len(numbers)} labels replaced by numbers, because they may name a person")
        lost &= ~texts.isin(numbers)
        texts = texts.replace(numbers)
    _tell_lost(name, lost, patients, "other than the known terms", warnings)
    return texts.mask(lost, "unknown")


def _number_labels(name, labels):
    """{label: 'site 1', ...} of the labels that several patients share: who is in one group still counts."""
    counts = labels.value_counts()
    shared = [label for label in labels.unique() if counts[label] > 1]
    return {label: f"{name.replace('_', ' ')} {number}" for number, label in enumerate(shared, start=1)}


def _is_class(name, text):
    """Whether a text can stand in a covariate: 'unknown', a short code, or known words; for some any code."""
    if text == "unknown" or CLASS_CODE.fullmatch(text):
        return True
    if name in NUMBERED and is_label(text) and is_code(text):
        return True
    return name in VOCABULARIES and is_term(text, VOCABULARIES[name], PATTERNS.get(name, ""))


def _to_numbers(name, values, patients, columns, warnings):
    numbers = values.map(to_age if name == "age" else to_number).astype(float)
    if name == "weight_kg" and "weight_kg" not in columns:
        numbers = numbers * KG_PER_POUND
    low, high = PLAUSIBLE[name]
    lost = ~numbers.between(low, high) & (values.map(to_text) != "unknown")
    _tell_lost(name, lost, patients, f"without a number from {low} to {high}", warnings)
    numbers = numbers.where(numbers.between(low, high))
    return numbers.mask(numbers > OLDEST_AGE, OLDEST_AGE + 1.0) if name == "age" else numbers


def _tell_lost(name, lost, patients, what, warnings):
    if lost.any():
        listed = ", ".join(patients[lost][:5])
        warnings.append(f"{name}: {int(lost.sum())} cells {what}, taken as unknown (patients {listed}).")


def _lobes(columns):
    """{"lobe": checked lobes of each row, joined by '|'}, nothing where the table has no check marks of lobes."""
    found = {lobe: columns.get(f"tumor location (choice={lobe.casefold()})") for lobe in LOBES}
    found = {lobe: cells.str.strip().str.casefold() == "checked" for lobe, cells in found.items() if cells is not None}
    rows = zip(*found.values(), strict=True)
    texts = ["|".join(lobe for lobe, checked in zip(found, row, strict=True) if checked) for row in rows]
    return {"lobe": pd.Series(texts, dtype=object)} if found else {}


def _absent(columns):
    names = TEXT_COLUMNS | NUMBER_COLUMNS
    absent = [name for name, column in names.items() if column and _find(columns, name, column) is None]
    return [f"no column for {', '.join(absent)}; taken as unknown."] if absent else []


def _one_row_each(frame, warnings):
    nameless = frame.index == ""
    if nameless.any():
        warnings.append(f"{int(nameless.sum())} rows without a patient id left out.")
    frame = frame[~nameless]
    repeated = frame.index[frame.index.duplicated()].unique()
    if len(repeated):
        warnings.append(f"{len(repeated)} patients with several rows, the first used ({', '.join(repeated[:5])}).")
    return frame[~frame.index.duplicated()]


def _find(columns, name, column):
    for wanted in (name, column):
        if wanted is not None and wanted.casefold() in columns:
            return columns[wanted.casefold()]
    return None
