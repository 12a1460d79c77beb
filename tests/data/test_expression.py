import gzip

import numpy as np
import pandas as pd
import pytest

from radiogenomics.data import expression
from radiogenomics.errors import InputError

PATIENTS = ["P1", "P2", "P3"]


def table():
    return pd.DataFrame(
        {"P2": [1.0, np.nan, 3.0], "P1": [4.0, 5.0, 0.5], "P3": [7.0, 8.0, 9.0]}, index=["TP53", "3-Mar", "EGFR"]
    )


def write(path, text):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt") as file:
        file.write(text)
    return path


@pytest.mark.parametrize("name, separator", (("t.csv", ","), ("t.tsv", "\t"), ("t.txt.gz", "\t")))
@pytest.mark.parametrize("genes_in_rows", (True, False))
def test_both_orientations_and_all_formats(tmp_path, name, separator, genes_in_rows):
    frame = table() if genes_in_rows else table().T
    path = write(tmp_path / name, frame.to_csv(sep=separator, na_rep="NA"))
    read = expression.read_expression(path, PATIENTS)
    pd.testing.assert_frame_equal(read.values, table().T, check_names=False)
    assert read.warnings == ()


def test_tables_as_r_writes_them(tmp_path):
    path = write(tmp_path / "t.tsv", "P1\tP2\nTP53\t1\t2\nEGFR\t3\tNA\n")
    values = expression.read_expression(path, PATIENTS).values
    assert values.loc["P1"].tolist() == [1, 3] and np.isnan(values.loc["P2", "EGFR"])


def test_repeats_are_merged_and_told(tmp_path):
    text = ",P1,P2,P1,note\nA,NA,1,9,x\nB,2,2,9,x\nA,3,4,9,x\n"
    read = expression.read_expression(write(tmp_path / "t.csv", text), PATIENTS)
    assert read.values.index.tolist() == ["P1", "P2"] and read.values.columns.tolist() == ["B", "A"]
    assert read.values["A"].tolist() == [3, 4]
    assert read.warnings == (
        "text columns left out of the expression table: note",
        "1 samples repeated, first kept: P1",
        "1 gene symbols repeated, most detected row kept: A",
    )


@pytest.mark.parametrize("text, told", (
    (",P1,P2\nA,1,-2\n", "holds the value -2; expected FPKM"),
    (",P1,P2\nA,1,2\nB,low,2\n", "'low' at B, P1; expected a number"),
    (",X1,X2\nA,1,2\n", "neither its first row nor its first column names one of the 3 patients"),
    ("only one line", "not a CSV or TSV table"),
))
def test_bad_tables_are_refused(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        expression.read_expression(write(tmp_path / "t.csv", text), PATIENTS)


def test_symbols_that_became_dates():
    genes = ["3-Mar", "Sep-07", "2001-03-01", "MARCHF3", "HLA-A", "SEPT7", "7SK", "NKX2-1"]
    assert expression.mangled_symbols(genes) == ["3-Mar", "Sep-07", "2001-03-01"]


def test_absurd_values_are_flagged_and_high_ones_are_not():
    values = np.random.default_rng(0).lognormal(2, 0.8, (40, 5))
    values[3, 1] = 5e7
    values[:, 4] = np.where(np.arange(40) < 20, 0.1, 80.0)  # On in one sex.
    values[5, 2] = np.nan
    assert np.argwhere(expression.absurd(values)).tolist() == [[3, 1]]
    values[:25, 3] = 1e8
    assert expression.absurd(values)[:25, 3].all()  # Even where most are.


def test_detection_counts_neither_missing_nor_zero():
    assert expression.detection([[1.0, np.nan], [0.0, np.nan], [2.0, 3.0], [1.0, 1.0]]).tolist() == [0.75, 0.5]


def simulate(breaks_at, samples=60, genes=300):
    generator = np.random.default_rng(1)
    logged = generator.normal(5, 1, (samples, genes)) + generator.normal(0, 1, (samples, 1)) * generator.normal(
        0, 0.5, genes)
    logged[breaks_at:, : genes // 3] += generator.choice([-1.0, 1.0], genes // 3)
    values = 2**logged
    values[breaks_at:, -10:] = np.nan
    return values


def test_batches_are_found_at_their_break():
    labels, p = expression.detect_batches(simulate(38), 99, 0)
    assert labels.tolist() == ["1"] * 38 + ["2"] * 22 and p == 0.01


def test_no_batches_without_a_break_in_the_order():
    without = expression.detect_batches(simulate(60), 99, 0)
    mixed = expression.detect_batches(np.random.default_rng(2).permutation(simulate(38)), 99, 0)
    for labels, p in (without, mixed):
        assert set(labels) == {"1"} and p > 0.01


def test_few_samples_are_one_batch():
    assert expression.detect_batches(simulate(5, samples=10), 99, 0)[0].tolist() == ["1"] * 10
