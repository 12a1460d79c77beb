import math

import pytest

from radiogenomics.data import clinical
from radiogenomics.errors import InputError

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
