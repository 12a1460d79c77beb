import math
import os
import pathlib

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiogenomics.data import clinical, labels
from radiogenomics.errors import InputError

REAL = pathlib.Path(os.environ.get("RADIOGENOMICS_REAL_DATA", pathlib.Path(__file__).parents[3] / "shared/data/x"))
OFFICIAL_TABLE = sorted((REAL.parent / "real_tables").glob("*DATA_LABELS*.csv"))
HEADER = "Case ID,Patient affiliation,Histology ,Gender,Smoking status,Pack Years,%GG,EGFR mutation status,CT Date"
ROWS = (
    "P1,VA,Adenocarcinoma ,Male,Former,30,25 - 50%,Not collected,8/10/1994",
    "P2,Stanford,Squamous cell carcinoma,Female,Nonsmoker,N/A,Not Assessed,Mutant,8/10/1994",
    "P3,Stanford,Unknown,Female,Former,Not Collected,>0 - 25%,Wildtype,8/10/1994",
)


def write(tmp_path, *rows, header=HEADER):
    path = tmp_path / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_covariates_are_typed_and_whitelisted(tmp_path):
    table = clinical.read_clinical(write(tmp_path, *ROWS), "Case ID")
    first = clinical.covariates_of(table, "P1")
    assert first["site"] == "VA" and first["histology"] == "Adenocarcinoma" and first["egfr"] == "unknown"
    assert first["pack_years"] == 30 and first["ground_glass_percent"] == 37.5
    assert math.isnan(first["age"]) and first["stage_t"] == "unknown"  # Columns that the table lacks.
    assert "1994" not in str(table.to_dict())
    assert all(isinstance(value, str | float) for value in first.values())


def test_non_smokers_have_no_pack_years(tmp_path):
    table = clinical.read_clinical(write(tmp_path, *ROWS), "Case ID")
    assert table.loc["P2", "pack_years"] == 0 and math.isnan(table.loc["P3", "pack_years"])


def test_every_patient_has_the_same_keys(tmp_path):
    table = clinical.read_clinical(write(tmp_path, *ROWS), "Case ID")
    known, unknown, without = (
        clinical.covariates_of(*pair) for pair in ((table, "P1"), (table, "P9"), (None, "P1"))
    )
    assert known.keys() == unknown.keys() == without.keys()
    assert unknown["site"] == "unknown" and math.isnan(unknown["age"])


def test_a_column_with_the_covariates_name_goes_first(tmp_path):
    path = write(tmp_path, "P1,VA,b7,north", header="case id,Patient affiliation,sequencing_batch,Site")
    covariates = clinical.covariates_of(clinical.read_clinical(path, "Case ID"), "P1")
    assert covariates["sequencing_batch"] == "b7" and covariates["site"] == "north"


def test_repeated_patients_count_once(tmp_path):
    table = clinical.read_clinical(write(tmp_path, *ROWS, ROWS[0].replace("VA", "Stanford")), "Case ID")
    assert table.loc["P1", "site"] == "VA" and len(table) == 3


def test_a_missing_column_of_patients_is_told(tmp_path):
    with pytest.raises(InputError, match="labels.csv: no column 'Subject'"):
        clinical.read_clinical(write(tmp_path, *ROWS), "Subject")


@pytest.mark.parametrize("cell, number", (("0%", 0), (">0 - 25%", 12.5), ("75 - < 100%", 87.5), ("100%", 100)))
def test_classes_become_their_middle(cell, number):
    assert clinical.to_number(cell) == number


OFFICIAL = (
    "Case ID,Patient affiliation,Age at Histological Diagnosis,Weight (lbs),Gender,Ethnicity,"
    "Tumor Location (choice=RUL),Tumor Location (choice=RML),Tumor Location (choice=L Lingula),Histology ,"
    "Histopathological Grade,Date of Death,Days between CT and surgery"
)


def read(tmp_path, *rows, header=OFFICIAL, column="Case ID"):
    return clinical.read_clinical(write(tmp_path, *rows, header=header), column)


def test_official_columns_and_units(tmp_path):
    row = 'P1,VA,67,220.5,Male,Not Recorded In Database,Checked,Unchecked,Checked,Adenocarcinoma ,"Other, I: Well",,735'
    found = clinical.covariates_of(read(tmp_path, row), "P1")
    assert found["weight_kg"] == pytest.approx(100.017, abs=1e-3) and found["days_ct_to_surgery"] == 735
    assert found["lobe"] == "RUL|L Lingula" and found["ethnicity"] == "unknown" and found["grade"] == "Other, I: Well"


def test_a_weight_in_kg_stays_as_it_is(tmp_path):
    table = read(tmp_path, "P1,80,176", header="patient,weight_kg,Weight (lbs)", column="Patient")
    assert table.loc["P1", "weight_kg"] == 80


def test_cells_that_a_column_cannot_hold_become_unknown_and_are_told_without_their_content(tmp_path):
    rows = (
        "P1,VA,8/13/1994,49.1,Jane,Asian,Unchecked,,,seen 13 Aug 1994,G1,8/14/1994,-3",
        "P2,VA,Not Collected,,F,Asian,Unchecked,,,mail a@b.org,1.2.840.113619.2,8/14/1994,44 days or so",
        "P3,VA,200,unknown,female,1234567,Checked,,,Adenocarcinoma,G1,8/14/1994,1e400",
    )
    table = read(tmp_path, *rows)
    assert table["age"].isna().all() and table["weight_kg"].isna().all() and table["days_ct_to_surgery"].isna().all()
    assert list(table["sex"]) == ["unknown", "Female", "Female"]
    assert list(table["histology"]) == ["unknown", "unknown", "Adenocarcinoma"]
    assert list(table["grade"]) == ["G1", "unknown", "G1"] and table.loc["P3", "ethnicity"] == "unknown"
    told = " ".join(table.attrs["warnings"])
    assert "age: 2 cells without a number from 0 to 120, taken as unknown (patients P1, P3)." in told
    assert "weight_kg: 1 cells" in told and "sex: 1 cells" in told and "histology: 2 cells" in told
    assert not any(secret in told for secret in ("1994", "Jane", "a@b", "840", "1234567", "8/1"))


def test_ages_above_89_are_one_class(tmp_path):
    table = read(tmp_path, *(f"P{age},{age}" for age in (88, 89, 90, 101)), header="Case ID,age")
    assert list(table["age"]) == [88, 89, 90, 90]


@pytest.mark.parametrize("cell, age", (
    ("90+", 90), (">89", 90), ("> 89", 90), (">=90", 90), ("\u2265 90", 90), ("90 and over", 90), ("95 or older", 90),
    ("89", 89), ("89+", 89), (">=89", 89), (">88", 88), ("89.5", 90), ("80 - 84", 82), ("67", 67),
))  # fmt: skip
def test_open_classes_of_age(tmp_path, cell, age):
    assert list(read(tmp_path, f"P1,{cell}", header="Case ID,age")["age"]) == [age]


NAMES = ("Jane Doe MRN 12345", "Jane Doe", "Adenocarcinoma of Jane Doe", "MRN 12345678", "Doe J", "patient Doe 1950 03")


@pytest.mark.parametrize("name", clinical.TEXT_COLUMNS)
def test_names_are_no_term_of_any_covariate(tmp_path, name):
    rows = [f"P{number},{text}" for number, text in enumerate(NAMES)]
    table = read(tmp_path, *rows, "P9,unknown", header=f"Case ID,{name}")
    assert set(table[name]) == {"unknown"}
    told = " ".join(table.attrs["warnings"])
    assert f"{name}: {len(NAMES)} cells other than" in told and "Doe" not in told and "123" not in told


@pytest.mark.parametrize("name, text", (
    ("histology", "Large cell neuroendocrine carcinoma (LCNEC)"), ("histology", "NSCLC NOS (not otherwise specified)"),
    ("histology", "Adenocarcinoma, acinar-predominant"), ("histology", "A"), ("grade", "2"), ("stage_t", "pT1mi"),
    ("stage_t", "Tis"), ("stage_n", "N2b"), ("stage_m", "M1a"), ("smoking", "Current reformed smoker for > 15 years"),
    ("egfr", "exon 19 deletion"), ("egfr", "L858R"), ("kras", "G12C"), ("alk", "EML4-ALK fusion"),
    ("pleural_invasion", "PL1"), ("site", "Hospital 3"), ("site", "AMC"), ("sequencing_batch", "batch_2"),
    ("sequencing_batch", "HC7YTBBXX"), ("lobe", "Right upper lobe"), ("ethnicity", "Hispanic/Latino"),
))  # fmt: skip
def test_known_terms_stay(tmp_path, name, text):
    table = read(tmp_path, f'P1,"{text}"', header=f"Case ID,{name}")
    assert table.loc["P1", name] == text and not any("other than" in told for told in table.attrs["warnings"])


@pytest.mark.skipif(not OFFICIAL_TABLE, reason="the official table of the collection is not at hand")
def test_the_official_table_loses_no_text():
    raw = pd.read_csv(OFFICIAL_TABLE[0], dtype=str, keep_default_na=False).rename(columns=str.strip)
    table = clinical.read_clinical(OFFICIAL_TABLE[0], "Case ID")
    assert len(table) == len(raw) == 211 and list(table.index) == list(raw["Case ID"])
    for name, column in clinical.TEXT_COLUMNS.items():
        if column in raw:
            assert list(table[name]) == [clinical.to_text(text) for text in raw[column]], name
    assert not any("other than" in told for told in table.attrs["warnings"])


def test_repeated_and_nameless_rows_are_told(tmp_path):
    table = read(tmp_path, "P1,VA", "P1,Stanford", " ,VA", header="Case ID,site")
    assert list(table.index) == ["P1"] and table.loc["P1", "site"] == "VA"
    assert any("1 rows without a patient id" in told for told in table.attrs["warnings"])
    assert any("1 patients with several rows, the first used (P1)" in told for told in table.attrs["warnings"])


@pytest.mark.parametrize("separator, coding", (("\t", "utf-16"), (";", "utf-8-sig"), (",", "latin-1")))
def test_separators_and_encodings(tmp_path, separator, coding):
    path = tmp_path / "table.txt"
    path.write_bytes(separator.join(["Case ID", "site\nP1", "Zürich\n"]).encode(coding))
    assert clinical.read_clinical(path, "Case ID").loc["P1", "site"] == "Zürich"


@pytest.mark.parametrize("cell", ("", "-5", "8/13/1994", "67 years", "1e5", "one", "9" * 40, "5-5-5"))
def test_what_is_not_a_number_is_none(cell):
    assert math.isnan(clinical.to_number(cell))


def test_a_row_longer_than_the_header_is_refused(tmp_path):
    with pytest.raises(InputError, match="labels.csv: not a CSV or TSV table"):
        read(tmp_path, "P1,VA,extra", header="Case ID,site")


def test_a_huge_table_is_refused_unread(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(clinical.LARGEST_BYTES + 1)
    with pytest.raises(InputError, match="larger than 64 MiB"):
        clinical.read_clinical(path, "Case ID")


@settings(max_examples=150, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda text: f"Case ID,age,Histology,Gender\nP1,{text}\n".encode()),
        st.builds(lambda cut, place, byte: bytearray_with("\n".join([HEADER, *ROWS]).encode()[:cut], place, byte),
                  st.integers(0, 400), st.integers(0, 399), st.integers(0, 255)),
    )
)
def test_damaged_tables_give_an_error_or_typed_covariates(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "table.csv"
    path.write_bytes(data)
    try:
        table = clinical.read_clinical(path, "Case ID")
    except InputError as error:
        assert str(error).startswith("table.csv: ") and "\n" not in str(error)
        return
    for patient in [*table.index, "P1"]:
        for name, value in clinical.covariates_of(table, patient).items():
            if name in clinical.NUMBER_COLUMNS:
                assert math.isnan(value) or clinical.PLAUSIBLE[name][0] <= value <= clinical.PLAUSIBLE[name][1]
            else:
                assert labels.is_label(value)


def bytearray_with(data, place, byte):
    changed = bytearray(data)
    if place < len(changed):
        changed[place] = byte
    return bytes(changed)


def test_groups_of_unknown_name_stay_groups(tmp_path):
    sites = ["General Hospital Smithville", "Stanford", "General Hospital Smithville", "Dr Jane Doe", "Doe-Clinic"]
    rows = "".join(f"P{number},{site},batch 2019031{number % 2}\n" for number, site in enumerate(sites))
    (tmp_path / "table.csv").write_text("Case ID,Patient affiliation,sequencing_batch\n" + rows)
    frame = clinical.read_clinical(tmp_path / "table.csv", "Case ID")
    assert list(frame["site"]) == ["site 1", "Stanford", "site 1", "unknown", "unknown"]
    assert frame["sequencing_batch"].nunique() == 2 and (frame["sequencing_batch"] != "unknown").all()
    told = " ".join(frame.attrs["warnings"])
    assert "replaced by numbers" in told and "Smithville" not in told and "Doe" not in told
