import pandas as pd
import pytest

from radiogenomics.benchmark import conformance
from radiogenomics.errors import InputError


def test_a_missing_reference_is_named(tmp_path):
    with pytest.raises(InputError, match="ibsi1_reference_values.csv: no such file"):
        conformance.compare(tmp_path)


def test_other_files_than_the_reference_are_named(tmp_path):
    for name in (conformance.VALUES, conformance.IMAGE, conformance.MASK):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="ibsi1_reference_values.csv: not the IBSI reference table"):
        conformance.compare(tmp_path)
    columns = "family,feature,code,dataset,aggregation,value_num,tol_num\n"
    (tmp_path / conformance.VALUES).write_text(columns + "stat,Mean,Q4LE,dig. phantom,,2.15,0\n")
    with pytest.raises(InputError, match="phantom.nii.gz: not a readable image"):
        conformance.compare(tmp_path)


def test_half_of_the_last_of_three_printed_digits():
    values = pd.Series([556.0, 0.698, -0.355, 1.2, 0.0])
    assert conformance._half_last_digit(values).tolist() == pytest.approx([0.5, 5e-4, 5e-4, 5e-3, 5e-3])


def test_counts_by_family_and_aggregation():
    families, aggregations = ["cm", "cm", "rlm"], ["2D", "2D", ""]
    table = pd.DataFrame({"family": families, "aggregation": aggregations, "passed": [True, False, True]})
    assert conformance.summarise(table).values.tolist() == [[2, 1], [1, 1]]
