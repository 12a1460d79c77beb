"""The benchmark of preparation measures our reader and SimpleITK's on the same files."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest

from radiogenomics.benchmark import preparation
from radiogenomics.data import dicom, files, images
from radiogenomics.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def studies():
    """The writers of synthetic studies, which belong to the tests of the data room."""
    spec = importlib.util.spec_from_file_location("studies", ROOT / "tests" / "data" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path, studies):
    folder = tmp_path / "download"
    volume, mask = studies.make_chest((24, 80, 100), nodule_center=(12, 40, 30))
    for patient in ("P1", "P2"):
        datasets = studies.write_ct(folder / patient, patient, volume)
        studies.write_seg(folder / patient / "seg.dcm", datasets, [mask])
    studies.write_ct(folder / "P2" / "scout", "P2", volume[:3])
    (folder / "GSE103584_RNAseq.txt").write_text("gene\tP1\tP2\nA\t1.0\t2.0\n")
    return folder


@pytest.mark.long
def test_the_table_holds_time_and_memory_of_every_reader(source, tmp_path, full_config):
    table = preparation.run_suite(source, tmp_path / "out", full_config("nsclc"))
    assert list(table.index) == ["P1", "P2", "all"] and (table["slices"] == 24).all()
    seconds = table[["ours_s", "simpleitk_s", "patient_s"]]
    assert (seconds > 0).all(axis=None) and (table["patient_s"] >= table["ours_s"])[:2].all()
    np.testing.assert_allclose(table["ratio"][:2], (table["ours_s"] / table["simpleitk_s"])[:2])
    assert (table[["ours_mib", "patient_mib"]].isna() | (table[["ours_mib", "patient_mib"]] > 0)).all(axis=None)
    written = json.loads((tmp_path / "out" / "preparation.json").read_text())
    assert [row["patient"] for row in written["rows"]] == ["P1", "P2", "all"]
    assert (tmp_path / "out" / "preparation.csv").exists()


def test_both_readers_see_the_same_volume(source, full_config, monkeypatch):
    """Times of readers that give something else would say nothing."""
    config = full_config("nsclc")
    task = files.make_plan(config, source).tasks[0]
    headers = preparation.largest_series(task)
    seen = []
    monkeypatch.setattr(preparation.SimpleITK, "GetArrayFromImage", spy(preparation.SimpleITK.GetArrayFromImage, seen))
    preparation._read_simpleitk([str(header.path) for header in headers])
    ours = dicom.read_ct(headers, frozenset(), config).volume_hu
    measured = seen[0] >= -1024  # What lies below is padding, which only our reader puts right.
    assert measured.mean() > 0.99
    np.testing.assert_array_equal(seen[0][measured], ours[measured])


def spy(function, seen):
    def wrapped(*arguments):
        seen.append(function(*arguments))
        return seen[-1]

    return wrapped


def test_what_is_refused_is_nan(tmp_path):
    (tmp_path / "x.dcm").write_bytes(b"no image")
    assert np.isnan(preparation._measure(preparation._read_simpleitk, [str(tmp_path / "x.dcm")])).all()


def test_nothing_to_measure_is_told(source, tmp_path, full_config, monkeypatch):
    task = images.Task("P1", (), None, True, full_config("nsclc"))
    monkeypatch.setattr(files, "make_plan", lambda config, source: files.Plan((task,), None, None, None))
    with pytest.raises(InputError, match="no patient with a CT series"):
        preparation.run_suite(source, tmp_path / "out", full_config("nsclc"))
