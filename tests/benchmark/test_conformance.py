import pandas as pd
import pytest

from radiogenomics.benchmark import conformance
from radiogenomics.errors import InputError


def test_a_missing_reference_is_named(tmp_path):
    with pytest.raises(InputError, match="ibsi1_reference_values.csv: no such file"):
        conformance.compare(tmp_path)


def test_half_of_the_last_of_three_printed_digits():
    values = pd.Series([556.0, 0.698, -0.355, 1.2, 0.0])
    assert conformance._half_last_digit(values).tolist() == pytest.approx([0.5, 5e-4, 5e-4, 5e-3, 5e-3])


def test_counts_by_family_and_aggregation():
    families, aggregations = ["cm", "cm", "rlm"], ["2D", "2D", ""]
    table = pd.DataFrame({"family": families, "aggregation": aggregations, "passed": [True, False, True]})
    assert conformance.summarise(table).values.tolist() == [[2, 1], [1, 1]]
