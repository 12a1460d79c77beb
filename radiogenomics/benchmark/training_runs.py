"""Runs that a suite trains itself: variants of one configuration on one cohort, each in a folder of its own.

What is finished is used again, so that a suite that was stopped goes on where it was.
"""

import contextlib
import json
import re

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from radiogenomics import outputs
from radiogenomics.analysis import direct, features
from radiogenomics.analysis.run import load_run
from radiogenomics.data import prepare
from radiogenomics.data.cohort import load_cohort
from radiogenomics.errors import InputError
from radiogenomics.train import folds, loop, rundir


def open_cohort(config, out, cohort=None):
    """The `Cohort` of the folder `cohort`, or of the phantom that the configuration describes, made below `out`.

    Raises:
      InputError: without a folder where the configuration describes no phantom.
    """
    if cohort is None:
        if config.data.source != "phantom":
            raise InputError(f"--cohort: not given; data.source '{config.data.source}' needs a prepared cohort.")
        cohort = out / "cohort"
        prepare.prepare(config, cohort)
    return load_cohort(cohort)


def vary(config, changes):
    """A copy of the configuration with `changes`, {"section.field": value}; training refuses unknown fields."""
    varied = config.copy_and_resolve_references()
    varied.update_from_flattened_dict(changes)
    return varied


def train_run(config, cohort, workdir):
    """The `Run` in `workdir`, trained to the end; InputError where the folder holds one with other settings."""
    check_run(config, cohort, workdir)
    # Training itself would first fit every fold's response surface again, which takes minutes.
    if not all((workdir / name / "TRAIN_DONE").exists() for name in folds.fold_names(config, cohort)):
        loop.train(config, cohort, workdir)
    return load_run(workdir, cohort)


def check_run(config, cohort, workdir):
    """InputError where `workdir` holds a run with other settings or of another cohort."""
    rundir.check_run(folds.limit_components(config, cohort), cohort, workdir)


@contextlib.contextmanager
def compiled_once(folder):
    """Keeps in `folder` what JAX compiles meanwhile, so that runs which differ in data or seed compile once.

    A cache that was configured already serves as well and is left alone.
    """
    if jax.config.jax_compilation_cache_dir:
        yield
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    compilation_cache.reset_cache()  # JAX looks at the setting once, with the first thing it compiles.
    try:
        yield
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        compilation_cache.reset_cache()


def predict_once(path, run, names):
    """{method: [patients, F]} of the direct predictors, from the JSON file `path` where it exists, else written to it.

    One yardstick for all runs of a cohort, whatever genes each of them sees.
    """
    if not path.exists():
        real = features.real_features(run.cohort, names).to_numpy()
        outputs.write_json(path, direct.predict_directly(run, real, run.config.seed))
    return {method: np.array(values, np.float64) for method, values in outputs.read_json(path).items()}


def training_cost(workdir):
    """{"seconds_per_step", "training_seconds"} from the logs of a run.

    The first is the median over log intervals, the second the sum over all folds, compilation included, checkpoints and
    pictures not.
    """
    seconds, total = [], 0.0
    for path in sorted(workdir.glob("fold_*/metrics.jsonl")):
        before = 0
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            seconds.append(1.0 / row["steps_per_second"])
            total += (row["step"] - before) * seconds[-1]
            before = row["step"]
    return {"seconds_per_step": float(np.median(seconds)), "training_seconds": total}


def count_parameters(run):
    """Number of trained parameters of a run's generator."""
    return sum(leaf.size for leaf in jax.tree.leaves(run.folds[0].variables["params"]))


def folder_name(name):
    """A name for people as the name of a folder."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
