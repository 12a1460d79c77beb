"""AIM annotations: what a radiologist ticked about a nodule, as a short list of text features by patient.

Read are the terms of the listed questions and the patient id. Names, birth dates, comments, UIDs, coordinates and
calculations of an annotation are never looked at.
"""

import os
import pathlib
import re
from xml.etree import ElementTree
from xml.parsers import expat

import pandas as pd

from radiogenomics.data import clinical
from radiogenomics.data.labels import is_term
from radiogenomics.errors import InputError

# Feature -> question (label) of the NSCLC Radiogenomics template, spelled as it spells them (Bakr et al. 2018).
SEMANTIC_COLUMNS = {
    "semantic_location": "Anatomic Location",
    "semantic_axial_location": "Axial Location",
    "semantic_attenuation": "Nodule Attenuation",
    "semantic_margins": "Nodule Margins-Primary Pattern",
    "semantic_margins_secondary": "Nodule Margins-Secondary Pattern",
    "semantic_shape": "Nodule Shape",
    "semantic_calcification": "Nodule Calcification",
    "semantic_associated_findings": "Nodule Associated Findings",
    "semantic_internal_features": "Nodule Internal Features",
    "semantic_periphery": "Nodule Periphery",
    "semantic_satellite_nodules": "Satellite Nodules in Primary Lesion Lobe (greater than 4mm noncalcified)",
    "semantic_nodules_same_lung": "Nodules in Non-Lesion Lobe Same Lung (greater than 4mm noncalcified)",
    "semantic_nodules_contralateral": "Nodules in Contralateral Lung (gretater than 4mm noncalcified)",
    "semantic_centrilobular_nodules": "Centrilobular Nodules - Diffuse (RB type nodules)",
    "semantic_parenchyma": "Lung Parencyma Features",
    "semantic_emphysema": "Emphysema",
    "semantic_emphysema_severity": "Overall Emmphysema Severity",
    "semantic_emphysema_pattern": "Primary Emphysema Pattern",
    "semantic_emphysema_distribution": "Primary Distribution",
    "semantic_emphysema_laterality": "Primary Emphysema Laterality",
    "semantic_emphysema_secondary_pattern": "Secondary Emmphysema Pattern",
    "semantic_emphysema_secondary_distribution": "Secondary Emhysema Distribution",
    "semantic_emphysema_secondary_laterality": "Secondary Emphysema Laterality",
    "semantic_fibrosis": "Fibrosis",
    "semantic_fibrosis_type": "Fibrosis Type",
    "semantic_fibrosis_distribution": "Anatomic Fibrosis Distribution",
    "semantic_fibrosis_axial_distribution": "Axial Fibrosis Distribution",
}
# Elements that answer a question: AIM 3 (attributes) and AIM 4 (child elements).
ANSWERS = {
    "AnatomicEntity", "AnatomicEntityCharacteristic", "ImagingPhysicalEntity", "ImagingPhysicalEntityCharacteristic",
    "ImagingObservation", "ImagingObservationEntity", "ImagingObservationCharacteristic", "Inference",
    "InferenceEntity", "NonQuantifiable",
}  # fmt: skip
# Words of the template's terms and of like ones; a term with another word may be a note or a name and is not read.
TERM_WORDS = frozenset(
    "abnormality absent adjacent air airway applicable area attachment basal benign bilateral both bronchial "
    "bronchiectasis bronchiolar bronchogram bronchovascular bronchus bubble bud bulla bullous bundle calcification "
    "calcified cavitary cavitated cavitation cavity central centrilobular complex concave consolidation convergence "
    "convex cyst cystic cysts defined dense determin determine diffuse distal eccentric ectasia emphysema entering fat "
    "fibrosis fissure fluid focal glass greaterthan greaterthanorequal ground groundglass halo heterogeneous high "
    "hilar hilum homogeneous honeycombing indeterminate infiltrating internal interstitial intermediate irregular "
    "laminated left lessorequal lessthan like lingula lobe lobulated low lower lucency lung lymphadenopathy mass "
    "medial mediastinum middle mild mixed moderate moderately mosaic necrosis no nodule nodules non none nonsolid "
    "nonspecific normal not oligemia other oval panacinar panlobular paraseptal part partially patchy peripheral "
    "plaque pleura pleural pneumonia polygonal poorly popcorn predominance predominant present "
    "prominence proximal pseudocavitation "
    "related reticulation retraction right rim round scar segment segmental septal severe severity sharp sign single "
    "smoking smooth solid spiculated stippled subpleural subsegmental subsolid tagging thickened thickening trace tree "
    "unable unilateral unknown upper usual vascular vessel wall well".split()
)
SHORT_WORD = r"[a-z]{1,2}|\d{1,2}(?:mm|cm)?|100"
PATIENT_COLUMNS = ("subject", "patient", "case id", "patient id", "patient_id")
HEAD_BYTES = 4096
LARGEST_BYTES = 2 * 2**20  # AIM files have some ten thousand
MISSPELT = (
    ("emmphysema", "emphysema"), ("emhysema", "emphysema"), ("parencyma", "parenchyma"), ("gretater", "greater"),
)  # fmt: skip
PATIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
FILE_PATIENT = re.compile(r"[A-Za-z]{1,8}\d{0,3}-\d{1,5}(?=[ _.]|$)")  # 'R01-001' at the start of a file name
# Possessive, and no '<' inside of a value, so that the time grows with the text and not with its square.
TAG = re.compile(r"""<(/?+)([A-Za-z_][\w:.-]*+)((?:[^<>"']|"[^"<]*+"|'[^'<]*+')*+)>""")
ATTRIBUTE = re.compile(r"""([A-Za-z_][\w:.-]*+)\s*+=\s*+(?:"([^"<]*+)"|'([^'<]*+)')""")
ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


def read_semantics(folder):
    """Reads the semantic features of all AIM files (XML, AIM 3 or 4, told by content) anywhere below a folder.

    Well-formed files go through the XML parser, malformed ones (a doubled attribute, a cut end) are read tag by tag.
    Several terms of one feature are joined by '|', each once. A patient is the AIM person's id; a file without one
    counts by its name, such as 'R01-001.xml'. Of several files of a patient the first in path order is used.

    Args:
      folder: the folder, searched at all depths.

    Returns:
      DataFrame indexed by patient, one text column each of `SEMANTIC_COLUMNS`; 'unknown' where nothing was ticked. Its
      `attrs["warnings"]` (tuple of sentences, also logged) tells what was repaired or passed over.
    """
    rows, told = {}, {}
    for path in sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file()):
        try:
            if not _is_annotation(path):
                continue
            patient, row, malformed, refused = read_annotation(path)
        except InputError as error:
            told.setdefault(f"AIM files passed over: {error}", []).append("")
            continue
        if malformed:
            told.setdefault(f"malformed AIM files read tag by tag ({malformed})", []).append(patient)
        if patient in rows:
            told.setdefault("further AIM files of a patient left out", []).append(patient)
        elif refused:
            told.setdefault("AIM files with terms other than the known ones, not read", []).append(patient)
        rows.setdefault(patient, row)
    return clinical.tell(_frame(rows), [_sentence(what, patients) for what, patients in told.items()])


def read_annotation(path):
    """Reads one AIM file.

    Args:
      path: the file; its name is used only where the annotation has no patient id.

    Returns:
      (patient id, {feature: text}, what is malformed in it or '', number of terms that are not known and not read).

    Raises:
      InputError: where it cannot be read, is larger than 2 MiB, declares a document type (no AIM file needs one, and it
        can blow up or fetch other files), or names no patient or no known feature. No message repeats its content.
    """
    path = pathlib.Path(path)
    text = _read_text(path)
    events, malformed = _events(text)
    patient, answers = _collect(events)
    if not PATIENT_ID.fullmatch(patient):
        named = FILE_PATIENT.match(path.name)
        if not named:
            raise InputError("AIM annotation: no patient id in it; expected a person with an id.")
        patient = named.group()
    row, refused = _to_row(answers)
    if set(row.values()) == {"unknown"}:
        raise InputError("AIM annotation: holds none of the known features; expected such as 'Nodule Attenuation'.")
    return patient, row, malformed, refused


def read_semantic_table(path):
    """Reads semantic features from a table, one row a patient.

    Args:
      path: CSV or TSV with a column of patients ('subject', 'patient' or 'case id') and columns named as the questions
        of the template or as `SEMANTIC_COLUMNS`; '|' joins several terms. Other columns are not used.

    Returns:
      DataFrame as `read_semantics`.

    Raises:
      InputError: where it cannot be read, or has no column of patients or none of a feature.
    """
    path = pathlib.Path(path)
    columns, count = clinical.read_columns(path)
    patients = next((columns[name] for name in PATIENT_COLUMNS if name in columns), None)
    if patients is None:
        raise InputError(f"{path.name}: no column of patients; expected one of {', '.join(PATIENT_COLUMNS)}.")
    features = {_plain(name): values for name, values in columns.items() if _feature(name)}
    if not features:
        raise InputError(f"{path.name}: no column of a semantic feature; expected such as 'Nodule Attenuation'.")
    rows = {}
    for index in range(count):
        answers = [(name, term) for name, values in features.items() for term in values[index].split("|")]
        rows.setdefault(patients[index].strip(), _to_row(answers))
    rows.pop("", None)
    repeated, refused = count - len(rows), sum(number for _, number in rows.values())
    told = [f"semantic table: {repeated} rows of a repeated or no patient left out."] if repeated else []
    told += [f"semantic table: {refused} terms other than the known ones, not read."] if refused else []
    return clinical.tell(_frame({patient: row for patient, (row, _) in rows.items()}), told)


def _is_annotation(path):
    """By the first bytes only, for a collection holds a hundred thousand images and a few hundred annotations."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES).replace(b"\0", b"")
    except OSError as error:
        raise InputError(f"AIM annotation: cannot be read ({error.strerror}).") from error
    return b"ImageAnnotation" in head and head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def _read_text(path):
    if os.path.getsize(path) > LARGEST_BYTES:
        raise InputError(f"AIM annotation: larger than {LARGEST_BYTES >> 20} MiB; expected some kilobytes.")
    data = path.read_bytes()
    coding = "utf-16" if b"\0" in data[:4] or data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = data.decode(coding, errors="replace")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError("AIM annotation: declares a document type, which is refused; expected plain AIM XML.")
    return text


def _events(text):
    """Starts and ends of elements, (name, attributes) and (name, None) without namespaces, and what is malformed."""
    parser = ElementTree.XMLPullParser(["start", "end"])
    try:
        parser.feed(text)
        parser.close()
        found = [
            (_local(element.tag), {_local(key): value for key, value in element.attrib.items()} if start else None)
            for event, element in parser.read_events()
            for start in [event == "start"]
        ]
    except ElementTree.ParseError as error:
        return list(_tags(text)), expat.ErrorString(error.code)
    return found, ""


def _tags(text):
    """The events of `_events`, found tag by tag in a text that is not XML."""
    for end, name, inside in TAG.findall(_without_comments(text)):
        if end:
            yield _local(name), None
            continue
        attributes = {}
        for key, double, single in ATTRIBUTE.findall(inside):
            attributes.setdefault(_local(key), _unescape(double or single))
        yield _local(name), attributes
        if inside.endswith("/"):
            yield _local(name), None


def _without_comments(text):
    """A comment without an end stays: no pattern is used, because it would look for that end again and again."""
    kept, *commented = text.split("<!--")
    closed = [part.partition("-->") for part in commented]
    return kept + "".join(after if end else before for before, end, after in closed)


def _collect(events):
    """Patient id ('' without one) and answers [(question, term)] of an annotation, in its order."""
    patient, in_person, open_answers, answers = "", 0, [], []
    for name, attributes in events:
        lower = name.casefold()
        if attributes is None:
            in_person -= lower in ("person", "patient") and in_person > 0
            if open_answers and open_answers[-1]["element"] == name:
                open_answers.pop()
            continue
        if lower in ("person", "patient"):
            in_person += 1
            patient = patient or attributes.get("id") or attributes.get("patientID") or ""
        elif lower in ("id", "patientid") and in_person:
            patient = patient or attributes.get("value", "")
        elif name in ANSWERS:
            parent = open_answers[-1]["question"] if open_answers else ""
            answer = {"element": name, "question": attributes.get("label") or "", "term": attributes.get("codeMeaning")}
            answers.append(answer | {"parent": parent, "present": attributes.get("isPresent", "true") != "false"})
            open_answers.append(answers[-1])
        elif open_answers:
            _complete(open_answers[-1], lower, attributes.get("value"))
    return patient.strip(), [(answer["question"] or answer["parent"], answer["term"] or "")
                             for answer in answers if answer["present"]]


def _complete(answer, element, value):
    """AIM 4 tells question and term in child elements; the first of each kind is the answer's own."""
    if value is None:
        return
    if element == "label":
        answer["question"] = answer["question"] or value
    elif element == "displayname":
        answer["term"] = answer["term"] or value
    elif element == "ispresent":
        answer["present"] = value.strip().casefold() != "false"


def _to_row(answers):
    """({feature: its terms}, number of terms of a feature that are not known)."""
    terms, refused = {name: [] for name in SEMANTIC_COLUMNS}, 0
    for question, term in answers:
        name, term = _feature(question), " ".join(str(term).split())
        if not name or not term:
            continue
        known = is_term(term, TERM_WORDS, SHORT_WORD)
        refused += not known
        if known and term not in terms[name]:
            terms[name].append(term)
    return {name: "|".join(found) or "unknown" for name, found in terms.items()}, refused


def _frame(rows):
    index = pd.Index(sorted(rows), name="patient", dtype=object)
    return pd.DataFrame([rows[patient] for patient in index], index=index, columns=list(SEMANTIC_COLUMNS), dtype=object)


def _sentence(what, patients):
    named = [patient for patient in patients if patient]
    return f"{len(patients)} {what}" + (f": {', '.join(named[:5])}" if named else "")


def _feature(question):
    return _FEATURES.get(_plain(question))


def _plain(question):
    """A question without case, signs and the template's misspellings, which other copies of it put right."""
    plain = re.sub(r"[^a-z0-9]", "", question.casefold())
    for wrong, right in MISSPELT:
        plain = plain.replace(wrong, right)
    return plain


_FEATURES = {_plain(question): name for name, question in SEMANTIC_COLUMNS.items()} | {
    _plain(name): name for name in SEMANTIC_COLUMNS
}


def _local(name):
    return name.rpartition("}")[2].rpartition(":")[2]


def _unescape(text):
    for entity, character in ENTITIES:
        text = text.replace(entity, character)
    return text
