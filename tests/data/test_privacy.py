"""What identifies a person in the source files is nowhere in the cohort: every byte and every record is searched."""

import json

import numpy as np
import pandas as pd
import pydicom
from array_record.python import array_record_module

from radiogenomics.data import prepare

# One long word a field: a failure names the field that leaked, and no picture holds one by chance.
HEADER_SECRETS = {
    "PatientName": "ZQNAME^JANE", "PatientBirthDate": "19500304", "StudyDate": "19940813", "SeriesDate": "19940814",
    "AcquisitionDate": "19940815", "ContentDate": "19940816", "StudyTime": "101112.131415",
    "AccessionNumber": "ZQACCESSION",
    "StudyID": "ZQSTUDY", "InstitutionName": "ZQINSTITUTION", "InstitutionAddress": "ZQSTREET",
    "StationName": "ZQSTATION", "ReferringPhysicianName": "ZQREFERRING", "PerformingPhysicianName": "ZQPERFORMING",
    "OperatorsName": "ZQOPERATOR", "StudyDescription": "ZQSTUDYTEXT", "SeriesDescription": "ZQSERIESTEXT",
    "ImageComments": "ZQIMAGECOMMENT", "PatientComments": "ZQPATIENTCOMMENT", "PatientAddress": "ZQADDRESS",
    "OtherPatientIDs": "ZQOTHERID", "PatientTelephoneNumbers": "ZQ5550101", "DeviceSerialNumber": "ZQSERIAL",
    "ProtocolName": "ZQPROTOCOL", "AdditionalPatientHistory": "ZQHISTORY",
}  # fmt: skip
SEG_SECRETS = {"ContentDescription": "ZQDRAWNTEXT", "ContentCreatorName": "ZQCREATOR"}
TABLE_SECRETS = {
    "Patient Name": "ZQTABLENAME", "MRN": "ZQRECORD", "Date of Birth": "3/4/1950", "CT Date": "8/13/1994",
    "Date of Death": "9/14/1996", "Comments": "ZQTABLECOMMENT", "Postcode": "ZQ90210", "Physician": "ZQDOCTOR",
}  # fmt: skip
CELL_SECRETS = {"Age at Histological Diagnosis": "5/6/1951", "Histology ": "seen 1994-10-11", "Gender": "ZQSEXCELL"}
# Of P3 and P4, in fields that are read; the segment is one of two and the one wanted.
HISTOLOGY_SECRET, SEGMENT_SECRET = "Jane ZQDOE MRN 12345", "Neoplasm ZQSEG^JANE"
READ_SECRETS = {"ConvolutionKernel": "ZQKERNEL^JANE", "Manufacturer": "MRN ZQ12345678"}
DATED_KERNEL = "ZQ 1950-03-04"
AIM_SECRETS = ("ZQAIMNAME", "19510405", "ZQAIMCOMMENT", "1994-12-13", "ZQREADER", "1.2.826.0.1.777", "ZQCALCULATION")
AIM = """<ImageAnnotation aimVersion="3.0"{} comment="ZQAIMCOMMENT" dateTime="1994-12-13T10:00:00" name="ZQAIMNAME"
 uniqueIdentifier="1.2.826.0.1.777"><user><User loginName="ZQREADER"/></user>
<Calculation description="ZQCALCULATION"/>
<ImagingObservationCharacteristic codeMeaning="partially solid" label="Nodule Attenuation" comment="ZQAIMCOMMENT"/>
<ImagingObservationCharacteristic codeMeaning="ZQAIMNAME^X" label="Nodule Shape"/>
<ImagingObservationCharacteristic codeMeaning="Jane ZQAIMNAME" label="Nodule Calcification"/>
<Person birthDate="19510405" id="{}" name="ZQAIMNAME"/></ImageAnnotation>"""
PATIENTS, UNDRAWN, DAMAGED = ("P1", "P2", "P3", "P4", "P5", "P6"), "P5", "P6"
FOLDER, FILE, CELL = "ZQFOLDER_DOE_07-09-1993", "ZQFILE-1993-07-10", "ZQEXPRESSIONCELL"


def write_images(folder, study):
    """Four complete patients, one without segmentation and one with damaged pixels; returns the UIDs written."""
    volume, mask = study.make_chest((24, 80, 100), nodule_center=(12, 40, 30))
    uids = set()
    for patient in PATIENTS:
        place = folder / FOLDER / patient
        datasets = study.write_ct(place / FILE, patient, volume, **HEADER_SECRETS, **read_secrets(patient))
        for dataset in datasets:
            uids |= {dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID}
            uids.add(dataset.FrameOfReferenceUID)
        if patient != UNDRAWN:
            uids |= write_segmentation(place / f"{FILE}.dcm", datasets, mask, study)
        if patient == DAMAGED:
            for dataset in datasets:
                del dataset.PixelData
                dataset.save_as(dataset.filename)
    return {str(uid) for uid in uids}


def read_secrets(patient):
    return {"P3": READ_SECRETS, "P4": {"ConvolutionKernel": DATED_KERNEL}}.get(patient, {})


def write_segmentation(path, datasets, mask, study):
    labelled = datasets[0].PatientID == "P3"
    if labelled:
        study.write_seg(path, datasets, [mask, mask], labels=[SEGMENT_SECRET, "Body"])
    else:
        study.write_seg(path, datasets, [mask])
    dataset = pydicom.dcmread(path)
    for tag, value in (HEADER_SECRETS | SEG_SECRETS).items():
        setattr(dataset, tag, value)
    dataset.save_as(path)
    return {dataset.SOPInstanceUID, dataset.SeriesInstanceUID}


def write_tables(folder):
    values = pd.DataFrame(np.random.default_rng(0).lognormal(2, 1, (6, 6)), index=list("ABCDEF"), columns=PATIENTS)
    values.insert(0, "note", CELL)
    values.to_csv(folder / "GSE103584_test_RNAseq.txt", sep="\t")
    clinical = pd.DataFrame({"Case ID": PATIENTS, "Histology ": "Adenocarcinoma", "Gender": "Male"} | TABLE_SECRETS)
    clinical["Age at Histological Diagnosis"] = "67"
    for column, secret in CELL_SECRETS.items():
        clinical.loc[1, column] = secret  # P2: in a column that is read.
    clinical.loc[2, "Histology "] = HISTOLOGY_SECRET
    clinical.to_csv(folder / f"{FILE}_DATA_LABELS_1.csv", index=False)
    (folder / FOLDER / f"{FILE}.xml").write_text(AIM.format("", "P1"))
    (folder / FOLDER / f"{FILE}b.xml").write_text(AIM.format(' aimVersion="3.0"', "P2"))


def prepare_cohort(folder, study, config):
    """(source folder, cohort folder, UIDs of the source)."""
    source = folder / "download"
    source.mkdir()
    uids = write_images(source, study)
    write_tables(source)
    config.data.folds = 2
    prepare.prepare(config, folder / "cohort", source)
    return source, folder / "cohort", uids


def contents(folder):
    """{file: its bytes, followed by those of its records}; the names of files and folders themselves too."""
    found = {"names": "\n".join(str(path.relative_to(folder)) for path in folder.rglob("*")).encode()}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found[path.name] = found.get(path.name, b"") + path.read_bytes()
        if "array_record" in path.name:
            reader = array_record_module.ArrayRecordReader(str(path))
            found[path.name] += b"".join(reader.read_all())
            reader.close()
    return found


def holding(text, files):
    """Names of the files that hold a text, in UTF-8 or UTF-16."""
    return [name for name, data in files.items() if text.encode() in data or text.encode("utf-16-le") in data]


def test_nothing_identifying_reaches_the_cohort(tmp_path, study, files_config):
    source, cohort, uids = prepare_cohort(tmp_path, study, files_config)
    secrets = {*HEADER_SECRETS.values(), *SEG_SECRETS.values(), *TABLE_SECRETS.values(), *CELL_SECRETS.values()}
    secrets |= {*READ_SECRETS.values(), DATED_KERNEL, HISTOLOGY_SECRET, SEGMENT_SECRET}
    secrets |= {*AIM_SECRETS, FOLDER, FILE, CELL, *uids}
    before, after = contents(source), contents(cohort)
    assert len(uids) > 50 and [secret for secret in secrets if not holding(secret, before)] == []
    assert {secret: holding(secret, after) for secret in secrets if holding(secret, after)} == {}
    check_that_the_search_sees(cohort, after)


def check_that_the_search_sees(cohort, found):
    """What may be in the cohort is found by the same search: ids and covariates, in records, JSON and HTML."""
    rows = {row["patient"]: row for row in json.loads((cohort / "qc.json").read_text())["patients"]}
    told = {patient: " ".join(rows[patient]["warnings"]) for patient in ("P3", "P4")}
    assert all("kernel of" in sentence for sentence in told.values()) and "segment 1 used of" in told["P3"]
    assert {patient for patient in PATIENTS if not rows[patient]["kept"]} == {UNDRAWN, DAMAGED}
    records = {name for name in found if "array_record" in name}
    assert records & set(holding("Adenocarcinoma", found)) and records & set(holding("P2", found))
    assert "qc.html" in holding(UNDRAWN, found)
