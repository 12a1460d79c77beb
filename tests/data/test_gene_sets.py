import gzip

import hypothesis
import pytest
from hypothesis import strategies

from radiogenomics.data import gene_sets
from radiogenomics.errors import InputError


def write(folder, text):
    path = folder / "sets.gmt"
    path.write_text(text)
    return path


@pytest.mark.parametrize("pack", (bytes, gzip.compress))
def test_sets_are_read_in_order(tmp_path, pack):
    path = tmp_path / "sets.gmt"
    path.write_bytes(pack(b"B\tabout B\tTP53\tEGFR\tTP53\t\r\n\r\nA\t\tKRAS\r\n"))
    assert list(gene_sets.read_gene_sets(path).items()) == [("B", ("TP53", "EGFR")), ("A", ("KRAS",))]


@pytest.mark.parametrize("text, told", (
    ("", "holds no gene set"),
    ("A\tx\tTP53\nB\tx\n", "line 2 starts with 'B\tx'; expected a set's name, a description and at least one gene"),
    ("A TP53 EGFR\n", "line 1 starts with 'A TP53 EGFR'; expected .* separated by tabs"),
    ("\tx\tTP53\n", "line 1 starts with"),
    ("A\tx\tTP53\nA\ty\tEGFR\n", "line 2 repeats the set 'A'"),
))
def test_bad_files_are_refused(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        gene_sets.read_gene_sets(write(tmp_path, text))


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.gmt", tmp_path):
        with pytest.raises(InputError, match=f"{path.name}: cannot be read"):
            gene_sets.read_gene_sets(path)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(gene_sets, "LARGEST_BYTES", 2**21)
    (tmp_path / "sets.gmt").write_bytes(gzip.compress(b"A\tx\tTP53\n" * 2**20))
    with pytest.raises(InputError, match="more than 2,097,152 bytes"):
        gene_sets.read_gene_sets(tmp_path / "sets.gmt")


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True, database=None)
@hypothesis.given(
    content=strategies.one_of(
        strategies.binary(max_size=100),
        strategies.lists(strategies.sampled_from(["A", "B", "TP53", "\t", "\n", " ", "\0", "é"]), max_size=30)
        .map(lambda parts: "".join(parts).encode()),
        strategies.integers(0, 60).map(lambda size: gzip.compress(b"A\tx\tTP53\nB\tx\tEGFR\n", mtime=0)[:size]),
    )
)
def test_anything_else_is_refused_or_read(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.gmt"
    path.write_bytes(content)
    try:
        sets = gene_sets.read_gene_sets(path)
    except InputError as error:
        assert str(error).startswith("fuzzed.gmt: ")
        return
    assert sets and all(name and genes and all(genes) for name, genes in sets.items())
    assert all(len(set(genes)) == len(genes) for genes in sets.values())
