"""Clinical tables: a short list of typed covariates; nothing else of the table, and no date, goes on."""

import io
import logging
import pathlib
import re

import pandas as pd

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
LONGEST_LABEL = 64
MONTH = (
    "(?<![a-z])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])"
)
DATE = rf"\d+\s*[-/.]\s*\d+\s*[-/.]\s*\d|\d{{6}}|\d(?:st|nd|rd|th)?[\s.-]*{MONTH}|{MONTH}[\s.,-]*\d"
RECORD = r"(?<![a-z])(?:mrn|dob|ssn|pid|uid|accession|name|born)(?![a-z])"
# Dates, UIDs, long numbers, DICOM person names, addresses: no label of a class looks like one.
IDENTIFYING = re.compile(rf"{DATE}|{RECORD}|[\^@]|://", re.IGNORECASE)
# Of a code, '^' may stand before a strength ('I70f^3'), not between names.
IDENTIFYING_CODE = re.compile(rf"{DATE}|{RECORD}|\d{{5}}|\^(?!\d)", re.IGNORECASE)
CODE = re.compile(r"[\w +.^?-]{1,16}")
NUMBERED = ("site", "sequencing_batch")  # groups that are adjusted for, whatever they are called
MOST_DIGITS = 4  # of a code
CODE_WORDS = set(
    "batch body bone brain cell chest detail edge extra fine flow lane lung mediastinum medium plate plus pool run "
    "sharp smooth soft standard tissue ultra lesion mass neoplasm nodule primary secondary segment tumor tumour".split()
)
CLASS_CODE = re.compile(r"[A-Za-z]?\d{1,2}[a-d]?|[A-Za-z]")  # a whole cell such as 'A', '2' or 'G3'
ANSWERS = "yes no not true false present absent positive negative identified seen indeterminate equivocal other"
MUTATION = (
    "wildtype wild type wt mutant mutated mutation mut pos neg detected exon deletion del insertion ins amplified "
    "amplification substitution translocated translocation rearranged rearrangement fusion egfr kras alk eml4"
)
INVASION = "pleural lymphovascular lymphatic vascular venous invasion visceral parietal elastic focal extensive"
STAGE = "staged unstaged stage i ii iii iv a b c occult"
# Words that a text covariate may hold. A text of other words may be a note or a name, and becomes 'unknown'.
VOCABULARIES = {
    "site": (
        "site center centre clinic hospital institution institute university medical veterans affairs va health "
        "system cancer national general school of the and stanford palo alto nijmegen maastricht maastro moffitt "
        "michigan mayo memorial sloan kettering md anderson washington california harvard amc"
    ),
    "histology": (
        "adeno adenocarcinoma squamous cell carcinoma large small nsclc sclc nscc nos not otherwise specified non lung "
        "pulmonary cancer neuroendocrine carcinoid typical atypical tumor tumour adenosquamous sarcomatoid pleomorphic "
        "lepidic acinar papillary micropapillary solid mucinous nonmucinous invasive minimally in situ predominant "
        "bronchioloalveolar bronchoalveolar bac ais mia luad lusc scc lcnec lcc nec mixed combined undifferentiated "
        "differentiated well poorly moderately to type subtype with and or of component features "
        "lymphoepithelioma like mucoepidermoid adenoid cystic sarcoma carcinosarcoma blastoma "
        "keratinizing nonkeratinizing "
        "basaloid clear spindle giant metastatic metastasis primary benign malignant hamartoma granuloma lymphoma "
        "mesothelioma fetal "
        "colloid enteric nut thymoma epithelial salivary gland high low grade signet ring intermediate other"
    ),
    "grade": (
        "grade g1 g2 g3 g4 gx other type i ii iii iv well moderately poorly to and or differentiated undifferentiated "
        "moderate poor high low intermediate anaplastic cannot be assessed"
    ),
    "ethnicity": (
        "caucasian white asian african american black hispanic latino latina latinx native hawaiian pacific islander "
        "alaska alaskan indian east south southeast eastern middle european mixed multiracial other or and not non of "
        "more than one race two chinese japanese korean vietnamese filipino"
    ),
    "smoking": (
        "current former never nonsmoker non smoker smokers smoked smoking ex ever past passive light heavy reformed "
        "for years less than more or equal to yes no"
    ),
    "lobe": (
        "rul rml rll lul lll l lingula lingular left right upper middle lower lobe lung bronchus main hilum hilar "
        "central peripheral trachea mediastinum multiple bilateral and of other"
    ),
    "stage_t": STAGE,
    "stage_n": STAGE,
    "stage_m": STAGE,
    "pleural_invasion": f"{ANSWERS} {INVASION} pl0 pl1 pl2 pl3",
    "lymphovascular_invasion": f"{ANSWERS} {INVASION}",
    "egfr": f"{ANSWERS} {MUTATION}",
    "kras": f"{ANSWERS} {MUTATION}",
    "alk": f"{ANSWERS} {MUTATION}",
}  # fmt: skip
VOCABULARIES = {name: frozenset(words.split()) for name, words in VOCABULARIES.items()}
AMINO_CHANGE = r"[a-z]\d{2,3}[a-z]|1[89]|2[01]"  # 'L858R', and the exons 18 to 21
# Further words, by pattern: TNM stages, mutations, short numbers.
PATTERNS = {
    "site": r"[a-z]|\d{1,2}",
    "smoking": r"\d{1,2}",
    "stage_t": r"[cyrpa]{0,2}t(?:is|x|\d)(?:mi|[a-d])?",
    "stage_n": r"[cyrp]{0,2}n(?:x|\d)(?:mi|[a-c])?",
    "stage_m": r"[cyrp]{0,2}m(?:x|\d)[a-c]?",
    "egfr": AMINO_CHANGE,
    "kras": rf"{AMINO_CHANGE}|g1[23][a-z]",
}
NUMBER = r"[<>]?\s*=?\s*(\d{1,9}(?:\.\d{1,9})?)\s*"
OPEN_AGE = re.compile(r"(>=?|\u2265)?\s*(\d{1,3}(?:\.\d{1,3})?)\s*(\+|(?:and|or) (?:over|older|above))?", re.IGNORECASE)
NUMBER_OR_RANGE = re.compile(rf"{NUMBER}(?:(?:-|\u2013|to)\s*{NUMBER})?%?")


def read_clinical(path, patient_column):
    """Reads the covariates of a clinical table (CSV or TSV; comma, semicolon or tab).

    Text: spaces stripped, 'Not Collected' and the like become 'unknown', and so does what is not among the known terms
    of the covariate (`VOCABULARIES`; a batch or a site may be any code, `is_code`), for it may name a person; batches
    and sites that several patients share become 'site 1' and so on instead. `lobe`
    joins the checked lobes by '|'. Numbers: age in years (90 for all above 89, '>89' and '90+' too), weight in kg
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


def is_label(text):
    """Whether a text can be the name of a class: up to 64 printable characters, no date, identifier or address."""
    return len(text) <= LONGEST_LABEL and text.isprintable() and not IDENTIFYING.search(text)


def is_code(text):
    """Whether a text can be a code, as of a kernel, a batch or a segment, and no name, date or record number.

    It holds up to 16 letters, digits, spaces and signs of _-+.^?, and up to 4 digits. A word of two letters or more
    that is not in `CODE_WORDS` stands alone, for 'Doe J' is a name.
    """
    if not CODE.fullmatch(text) or IDENTIFYING_CODE.search(text) or sum(map(str.isdigit, text)) > MOST_DIGITS:
        return False
    words = [word for word in re.split(r"[\s_.^?+-]+", text.casefold()) if any(map(str.isalpha, word))]
    return len(words) <= 1 or all(len(word) < 2 or not word.isalpha() or word in CODE_WORDS for word in words)


def is_segment(text):
    """Whether the label of a segment can be shown: a code (`is_code`), or known words such as 'Neoplasm, primary'."""
    return is_code(text) or is_term(text, CODE_WORDS)


def is_term(text, words, pattern=""):
    """Whether every word of a label is in a set of lower-case words or fits a pattern; outside them are only signs.

    Args:
      text: the label, judged without case.
      words: set of words in lower case.
      pattern: regular expression of further words.
    """
    found = re.findall(r"[^\W_]+", text.casefold())
    return is_label(text) and bool(found) and all(word in words or re.fullmatch(pattern, word) for word in found)


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
