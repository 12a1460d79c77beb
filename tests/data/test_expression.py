import gzip
import tracemalloc

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies

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


@pytest.mark.parametrize("genes_in_rows", (True, False))
def test_patients_named_by_numbers_keep_their_zeros(tmp_path, genes_in_rows):
    frame = pd.DataFrame({"001": [1.0, 2.0], "010": [3.0, 4.0]}, index=["A", "B"])
    path = write(tmp_path / "t.csv", (frame if genes_in_rows else frame.T).to_csv())
    values = expression.read_expression(path, ["001", "010"]).values
    assert values.index.tolist() == ["001", "010"] and values["B"].tolist() == [2.0, 4.0]


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
    (",P1,P2\nA,1,inf\n", "holds the value inf; expected FPKM"),
    ("only one line", "not a CSV or TSV table"),
    ("", "not a CSV or TSV table"),
    (",P1,P2\n", "expected two rows"),
    (",P1,P2\nA,1,2\nB,3\n", "line 3 has 2 fields; expected 3 as in the first row"),
    (",P1,P2\nA,1,2\nB,3,4,5\n", "line 3 has 4 fields; expected 3"),
    (",P1,P2\nA,1," + "9" * 200_000 + "\n", "field larger than field limit"),
    ("," * 300_001 + "\n", "300,002 columns; expected at most 300,000"),
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


def test_rows_and_columns_without_a_name_are_left_out(tmp_path):
    read = expression.read_expression(write(tmp_path / "t.csv", ",P1,P2,\nA,1,2,\n,3,4,\n"), PATIENTS)
    assert read.values.to_dict() == {"A": {"P1": 1.0, "P2": 2.0}}
    assert read.warnings == ("2 rows or columns without a name left out of the expression table",)


def test_what_is_gzip_is_told_by_content(tmp_path):
    text = ",P1\nA,1\n"
    plain, packed = tmp_path / "plain.txt.gz", tmp_path / "packed.txt"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (plain, packed):
        assert expression.read_expression(path, PATIENTS).values.loc["P1", "A"] == 1


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(expression, "LARGEST_BYTES", 2**22)
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(bytes(2**26)))
    tracemalloc.start()
    with pytest.raises(InputError, match="more than 4,194,304 bytes once decompressed"):
        expression.read_expression(tmp_path / "t.txt.gz", PATIENTS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_ceiling_is_that_of_its_definition():
    logged = np.array([[4.1, 1.1, 17.1, 1.1]] * 4 + [[5.1, 1.1, 17.1, 1.1]] * 4 + [[6.1, 1.1, 17.1, 1.1]] * 4)
    values = np.exp2(logged) - 1
    values[0, 1], values[:5, 3] = np.nan, 0.0  # The last gene is detected in 7.
    expected = [2**5.1 * max(1000, 2 ** (6 * 1.4826)) - 1, 2**1.1 * 1000 - 1, 1e6, 1e6]
    np.testing.assert_allclose(expression.ceiling(values), expected)


@pytest.mark.parametrize("off", (0.0, np.nan))
def test_genes_that_are_off_in_most_are_no_artefacts_where_they_are_on(off):
    values = np.random.default_rng(0).lognormal(2, 0.8, (100, 40))
    values[:, 0] = np.where(np.arange(100) < 45, values[:, 0] * 800, off)
    values[:, 1] = np.where(np.arange(100) < 5, 6000.0 + np.arange(100), off)
    values[7, 0] = 5e8
    assert np.argwhere(expression.absurd(values)).tolist() == [[7, 0]]


@pytest.mark.parametrize("whole", (True, False))
def test_counts_have_no_sum_of_all_genes(whole):
    """Whole reads, or the expected counts of an aligner that shares reads out; an artefact is one there too."""
    values = np.random.default_rng(0).lognormal(8, 1, (30, 1000))
    values[:, 0] *= 1000.0  # Millions of reads of one gene.
    values[4, 1] = 1e8
    values = np.round(values) if whole else values
    assert (values[:, 0] > 1e6).any()
    assert np.argwhere(expression.absurd(values)).tolist() == [[4, 1]]


def made_up_cohort():
    generator = np.random.default_rng(0)
    values = np.exp2(generator.normal(4, 2, (20, 400)))
    values[generator.random(values.shape) < 0.05] = np.nan
    return pd.DataFrame(values, index=[f"S{number:02d}" for number in range(20)])


def test_quality_of_like_samples():
    quality = expression.sample_quality(made_up_cohort())
    assert (quality["outlier"] == "").all() and (quality["implausible_values"] == 0).all()
    np.testing.assert_allclose(quality["detected_share"], 0.95, atol=0.05)
    np.testing.assert_allclose(quality["median_log2"], np.log2(1 + 16), atol=0.5)
    assert (quality["quantile_distance"] < 0.5).all()


def test_samples_that_stand_out_are_named_with_the_reason():
    values = made_up_cohort()
    values.iloc[3, :200] = np.nan  # Half of the genes lost.
    values.iloc[5] *= 50.0  # Another unit.
    values.iloc[7] = 0.0
    values.iloc[9, 0] = 2e6
    quality = expression.sample_quality(values)
    assert set(quality.index[quality["outlier"] != ""]) == {"S03", "S05", "S07"}
    assert quality.loc["S03", "outlier"].startswith("detected_share 0.4")
    assert "median_log2" in quality.loc["S05", "outlier"] and "quantile_distance" in quality.loc["S05", "outlier"]
    assert quality.loc["S07", "outlier"].startswith("detects no gene") and np.isnan(quality.loc["S07", "median_log2"])
    assert quality.loc["S05", "quantile_distance"] == pytest.approx(np.log2(50), abs=0.5)
    assert quality["implausible_values"].to_dict()["S09"] == 1


def test_few_samples_have_no_outliers():
    values = made_up_cohort().iloc[:4]
    values.iloc[3] *= 1000.0
    assert (expression.sample_quality(values)["outlier"] == "").all()


WHOLE = b"gene\tP1\tP2\tP3\nTP53\t1.5\tNA\t3\nEGFR\t4\t5e2\t0\nTP53\t7\t8\t9\n"
SPLICES = strategies.sampled_from(
    [b"\x00", b'"', b"\t", b"\n", b"\r", b"-", b"1e999", b"\xff\xfe", b"\xef\xbb\xbf", b"9" * 140_000, b",,,", b"inf"]
)
DAMAGE = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(["cut", "flip", "splice"]), strategies.integers(0, 2**16), SPLICES
    ), min_size=1, max_size=4,
)


def damage(content, changes):
    for kind, place, splice in changes:
        place %= len(content) + 1
        if kind == "cut":
            content = content[:place]
        elif kind == "splice":
            content = content[:place] + splice + content[place:]
        elif place < len(content):
            content = content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :]
    return content


def check_reading(path):
    """Refused in one sentence, or read into a table that keeps its promises."""
    try:
        values = expression.read_expression(path, PATIENTS).values
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith(path.name)
        return
    assert values.index.is_unique and values.columns.is_unique and "" not in {*values.index, *values.columns}
    array = values.to_numpy()
    assert array.dtype == np.float64 and not np.isinf(array).any() and not (array < 0).any()


@hypothesis.settings(max_examples=250, deadline=None, derandomize=True, database=None)
@hypothesis.given(changes=DAMAGE, compressed=strategies.booleans(), inside=strategies.booleans())
def test_damaged_tables_are_refused_or_read_whole(tmp_path_factory, changes, compressed, inside):
    path = tmp_path_factory.getbasetemp() / "damaged.txt"
    content = damage(WHOLE, changes) if inside or not compressed else WHOLE
    content = gzip.compress(content, mtime=0) if compressed else content
    path.write_bytes(content if inside or not compressed else damage(content, changes))
    check_reading(path)


@hypothesis.settings(max_examples=150, deadline=None, derandomize=True, database=None)
@hypothesis.given(content=strategies.one_of(strategies.binary(max_size=200), strategies.text(max_size=200)))
def test_anything_else_is_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "anything.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check_reading(path)
