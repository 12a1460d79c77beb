"""The house: which room imports which, who imports what, and how long a function is."""

import ast
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

from radiogenomics.data import pipeline

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = ("radiomics", "data", "models", "train", "analysis", "reports", "benchmark")
TREES = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "radiogenomics").rglob("*.py"))}
# One file each: the rest of the package does not know these libraries.
OWNERS = {"orbax": "train/checkpoint.py", "grain": "data/pipeline.py", "tensorflow_datasets": "data/cohort.py",
          "tensorboardX": "train/writers.py"}


def imported(tree):
    """Dotted names of everything that a file imports, functions included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def relative(path):
    return path.relative_to(ROOT / "radiogenomics").as_posix()


@pytest.mark.parametrize("path", TREES, ids=relative)
def test_no_room_imports_one_to_its_right(path):
    room = path.relative_to(ROOT / "radiogenomics").parts[0]
    ours = {name.split(".")[1] for name in imported(TREES[path]) if name.startswith("radiogenomics.")}
    allowed = ROOMS[: ROOMS.index(room) + 1] if room in ROOMS else ()
    assert not (ours & set(ROOMS)) - set(allowed)
    if room == "radiomics":
        assert ours <= {"errors", "radiomics"}


@pytest.mark.parametrize("library, owner", OWNERS.items())
def test_one_file_for_each_outer_library(library, owner):
    users = {relative(path) for path, tree in TREES.items() for name in imported(tree) if name.split(".")[0] == library}
    assert users == {owner}


def test_the_package_reads_no_flags_and_knows_no_launcher():
    for path, tree in TREES.items():
        assert not {name.split(".")[0] for name in imported(tree)} & {"absl", "launch", "entry", "tensorflow"}, path


def test_one_file_builds_the_mesh():
    users = [relative(path) for path in TREES if "jax.make_mesh(" in path.read_text()]
    assert users == ["train/sharding.py"]


def test_training_imports_no_dicom_library():
    script = "import sys, radiogenomics.train.loop; print({'pydicom', 'highdicom'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_importing_starts_no_device():
    """Hosts must connect before, and a fork after it hangs."""
    code = "import radiogenomics.train.loop, radiogenomics.analysis.map_files, radiogenomics.benchmark.speed\n"
    code += "import jax\njax.config.update('jax_num_cpu_devices', 3)"  # refused once devices are in use
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def functions():
    """{file and name: node} of every function and method."""
    return {
        f"{relative(path)}:{node.name}": node
        for path, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }


def test_functions_are_short():
    lengths = {name: node.end_lineno - node.lineno + 1 for name, node in functions().items()}
    assert np.quantile(list(lengths.values()), 0.9) <= 30
    assert {name: length for name, length in lengths.items() if length > 60} == {}


def test_public_functions_say_what_they_do():
    silent = []
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                silent += [] if ast.get_docstring(node) else [f"{relative(path)}:{node.name}"]
    assert silent == []


def test_use_without_parsed_flags(cohort, run):
    """As in a notebook: reading, loading and input work although nobody parsed absl flags."""
    assert not flags.FLAGS.is_parsed()
    assert len(run.folds) == 2
    assert next(pipeline.index_batches(cohort, np.arange(12), 4, 0))["patient"].shape == (4,)
