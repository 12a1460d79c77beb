"""A tiny phantom cohort and a tiny trained run that the tests share, because compiling takes most of their time."""

import atexit
import importlib.util
import os
import pathlib
import shutil
import socket
import sys
import tempfile
from importlib import metadata

# Before JAX is imported anywhere: what one test or subprocess compiled, the others read from disk.
_CACHE = tempfile.mkdtemp(prefix="radiogenomics-compiled-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _CACHE)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)
# Networks as small as the tests' take far longer to optimise than to run.
_HASTE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if metadata.version("jaxlib") < "0.11":  # Newer ones may not know it. Halves compilation.
    _HASTE += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_HASTE}".strip()

import pytest  # noqa: E402 (after the environment is set)

from radiogenomics.analysis import evaluation, map_files  # noqa: E402
from radiogenomics.analysis.run import load_run  # noqa: E402
from radiogenomics.data import cohort as cohorts  # noqa: E402
from radiogenomics.data import prepare  # noqa: E402
from radiogenomics.train import loop  # noqa: E402

ROOT = pathlib.Path(__file__).parents[1]
HOST = socket.gethostname()
FIRST = "test_confounders.py"
ROOMS = ("data", "radiomics", "models", "launch", "train", "benchmark", "analysis", "reports")
CALLED = []  # machines other than this one that anything has asked for
TINY = {
    "data": {"size": 16, "extent_mm": 32.0, "slices_per_patient": 2, "backgrounds_per_patient": 2, "folds": 2},
    "genes": {"components": 5},
    "model": {
        "width": 4, "scales": 2, "code_size": 12, "encoder_hidden": 5, "noise_size": 10, "discriminator_width": 4,
    },
    # Logging and saving fall on different steps.
    "train": {"steps": 4, "batch_size": 8, "log_every": 3, "checkpoint_every": 2, "sample_every": 4},
    "evaluate": {"backgrounds": 2, "noises": 2, "permutations": 99, "bootstraps": 20},
    "map": {"backgrounds": 2, "noises": 1, "metagenes": 5, "permutations": 99, "bootstraps": 20},
    "phantom": {
        "patients": 24, "genes": 200, "modules": 9, "module_size": (8, 10), "outliers": 4, "outlier_genes": 2,
        "decoys_per_driver": 3, "vessel_trees": 8, "diameter_mm": (9.0, 20.0),
    },
}


def read_config(name):
    """The configuration of configs/NAME.py."""
    spec = importlib.util.spec_from_file_location(f"{name}_config", ROOT / "configs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def make_tiny_config(name="phantom", **changes):
    """configs/NAME.py shrunk; `changes` are fields by section, such as train={"steps": 1}."""
    config = read_config(name)
    for overrides in (TINY, changes):
        config.update({section: values for section, values in overrides.items() if section in config})
    return config


def _note_network(event, arguments):
    if event == "socket.connect":
        host = arguments[1][0] if isinstance(arguments[1], tuple) else None  # else a path: a socket of this machine
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is not None and host not in ("localhost", "::1", "0.0.0.0", HOST) and not host.startswith("127."):
        CALLED.append(host)


sys.addaudithook(_note_network)


def pytest_collection_modifyitems(items):
    """One worker makes the shared run for the first file, while the other begins with rooms that do without and later
    finds the run's programs compiled. Then what takes longest, so that both end together."""
    def place(item):
        room = item.nodeid.removeprefix("tests/").split("/")[0]
        return item.path.name != FIRST, ROOMS.index(room) if room in ROOMS else len(ROOMS)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def network_calls():
    """Fails a test in whose course anything asked for another machine; the list of what was asked for."""
    yield CALLED
    called = CALLED[:]
    CALLED.clear()
    assert called == []


@pytest.fixture(scope="session")
def root():
    """The top folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def full_config():
    """`full_config(name)` is configs/NAME.py as it is."""
    return read_config


@pytest.fixture(scope="session")
def make_config():
    """`make_config(name="phantom", section={field: value})` is a tiny configuration."""
    return make_tiny_config


@pytest.fixture
def config():
    """A fresh tiny configuration, that of the shared cohort and run."""
    return make_tiny_config()


@pytest.fixture(scope="session")
def cohort_folder(tmp_path_factory):
    """A tiny phantom cohort on disk; copy it before you change it."""
    folder = tmp_path_factory.mktemp("cohort") / "phantom"
    prepare.prepare(make_tiny_config(), folder)
    return folder


@pytest.fixture(scope="session")
def cohort(cohort_folder):
    """The tiny cohort in memory; nobody may change its arrays."""
    return cohorts.load_cohort(cohort_folder)


@pytest.fixture(scope="session")
def trainer(cohort):
    """Compiled functions for the tiny configuration."""
    return loop.make_trainer(make_tiny_config(), cohort)


@pytest.fixture(scope="session")
def train_tiny(trainer, cohort):
    """`train_tiny(workdir)` is `loop.train` of the tiny configuration and cohort, compiled once for all tests."""

    def train(workdir):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "make_trainer", lambda config, cohort: trainer)
            loop.train(make_tiny_config(), cohort, workdir)

    return train


@pytest.fixture(scope="session")
def workdir(train_tiny, tmp_path_factory):
    """The folder of a run that was trained without interruption."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    train_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def run(workdir, cohort):
    """The tiny trained run in memory."""
    return load_run(workdir, cohort)


@pytest.fixture(scope="session")
def evaluated(run):
    """evaluation.json of the tiny run."""
    return evaluation.evaluate(run)


@pytest.fixture(scope="session")
def mapped(run, evaluated):
    """The map of the tiny run."""
    return map_files.map_run(run)
