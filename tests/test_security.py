"""Files from strangers cannot run code, and pages show their names as text."""

import ast
import contextlib
import json
import pathlib
import pickle
import shutil
import socket

import h5py
import numpy as np
import pytest

from radiogenomics.analysis import map_files
from radiogenomics.data import cohort as cohorts
from radiogenomics.data import parts, transform
from radiogenomics.errors import InputError

ROOT = pathlib.Path(__file__).parents[1]
TREES = {
    path: ast.parse(path.read_text())
    for room in ("radiogenomics", "launch", "configs") for path in sorted((ROOT / room).rglob("*.py"))
}
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "globals"}
FORBIDDEN_ATTRIBUTES = {"read_pickle", "to_pickle", "unsafe_load", "full_load", "system", "popen", "load_module"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_source_runs_what_it_reads(path):
    tree = TREES[path]
    assert not set(imported(tree)) & FORBIDDEN_MODULES
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            assert getattr(called, "id", "") not in FORBIDDEN_NAMES
            assert getattr(called, "attr", "") not in FORBIDDEN_ATTRIBUTES
            # PyTorch's loader unpickles.
            assert (getattr(called, "attr", ""), getattr(getattr(called, "value", None), "id", "")) != ("load", "torch")
            options = {option.arg: option.value for option in node.keywords}
            if getattr(called, "attr", "") in ("load", "open_memmap") and getattr(called.value, "id", "") == "np":
                assert getattr(options.get("allow_pickle"), "value", None) is False  # said, not left to a default
            for name in ("allow_pickle", "shell"):
                assert getattr(options.get(name), "value", False) is False


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return pathlib.Path.mkdir, (pathlib.Path(self.path),)


@pytest.fixture
def bomb(tmp_path):
    """An array whose unpickling would show; that it works is checked first."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "works")))
    assert (tmp_path / "works").is_dir()
    yield np.array([Bomb(tmp_path / "exploded")], dtype=object)
    assert not (tmp_path / "exploded").exists()


def test_object_arrays_in_a_transform_are_refused(workdir, bomb, tmp_path):
    copied = shutil.copytree(workdir / "fold_0" / "transform", tmp_path / "transform")
    np.savez(copied / "genes.npz", **{name: bomb for name in transform.ARRAYS})
    with pytest.raises(InputError, match="genes.npz: missing or damaged"):
        transform.load_transform(copied)
    (copied / "genes.npz").write_bytes(pickle.dumps(bomb))
    with pytest.raises(InputError, match="genes.npz: missing or damaged"):
        transform.load_transform(copied)


def test_object_arrays_in_a_kept_patient_are_no_patient(bomb, tmp_path):
    np.savez(tmp_path / "part.npz", told=bomb)
    assert parts.load_part(tmp_path / "part.npz") is None


def test_pickles_in_a_map_stay_bytes(bomb, tmp_path):
    """HDF5 has no pickles; an opaque or byte variable is data or is refused, and a pickle is no map."""
    with h5py.File(tmp_path / "map.nc", "w") as file:
        file["association"] = np.void(pickle.dumps(bomb))
        file.attrs["environment"] = np.void(pickle.dumps(bomb))
    try:
        map_files.read_map(tmp_path)
    except InputError as error:
        assert "map.nc: not a readable map" in str(error)
    (tmp_path / "map.nc").write_bytes(pickle.dumps(bomb))
    with pytest.raises(InputError, match="map.nc: not a readable map"):
        map_files.read_map(tmp_path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_cohort_cannot_name_modules_to_import(cohort_folder, tmp_path, monkeypatch, legacy):
    """TFDS imports the module of a class that a table's description names."""
    copied = shutil.copytree(cohort_folder, tmp_path / "cohort")
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    (path,) = (copied / "nodules").rglob("features.json")
    described = json.loads(path.read_text())
    described = {"type": "evil_module.Feature", "content": {}} if legacy else described | {
        "pythonClassName": "evil_module.Feature"
    }
    path.write_text(json.dumps(described))
    with pytest.raises(InputError, match="features.json: names the class 'evil_module.Feature'"):
        cohorts.load_cohort(copied)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "<script>alert(1)</script>"])
def test_a_split_names_patients_and_no_paths(cohort_folder, tmp_path, name):
    copied = shutil.copytree(cohort_folder, tmp_path / "cohort")
    split = json.loads((copied / "split.json").read_text())
    split["folds"][0][0] = name
    (copied / "split.json").write_text(json.dumps(split))
    with pytest.raises(InputError, match="split.json: the folds list"):
        cohorts.load_cohort(copied)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort"]


def test_every_page_escapes_what_it_shows():
    """All templates are rendered with escaping on, none opts out, and the one fragment that is markup escapes itself
    (tests/reports/test_interactive.py)."""
    texts = {path: path.read_text() for path in TREES}
    makers = [path.name for path, text in texts.items() if "jinja2.Environment(" in text]
    assert makers == [path.name for path, text in texts.items() if "autoescape=True" in text] and len(makers) == 2
    assert sum(text.count("markupsafe.Markup(") for text in texts.values()) == 1
    for template in (ROOT / "radiogenomics").rglob("*.html"):
        assert "|safe" not in template.read_text().replace(" ", "") and "autoescape" not in template.read_text()


def test_the_network_watch_sees(network_calls):
    """A datagram socket sends nothing when it connects."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, contextlib.suppress(OSError):
        one.connect(("192.0.2.1", 9))
    assert network_calls == ["192.0.2.1"]
    network_calls.clear()
