"""Checkpoints: the whole train state and the input position, kept by Orbax (the one file that imports it).

A checkpoint is a folder named by its step. It is written aside, sealed (see integrity.py) and then renamed, so that one
that is there is whole, and damage that comes later is found.
"""

import contextlib
import logging
import pathlib
import shutil

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from radiogenomics import outputs
from radiogenomics.errors import InputError, OutputError
from radiogenomics.train import hosts, integrity

ASIDE = ".unfinished-"  # what a killed process left; so does what is being removed
DAMAGED = "damaged-"  # checkpoints that failed their check, kept to be looked at
UNLOGGED = "unlogged.json"  # metrics of the steps since the last line of metrics.jsonl


def latest_step(directory):
    """The step of the latest whole checkpoint below `directory`, 0 where there is none.

    Damaged ones that are later are told and renamed to `damaged-STEP`.

    Raises:
      InputError: where there are checkpoints and none is whole.
    """
    directory = pathlib.Path(directory)
    found, damaged = 0, []
    for step in reversed(_steps(directory)):
        damage = integrity.find_damage(directory / str(step))
        if damage is None:
            found = step
            break
        logging.warning("%s: the checkpoint of step %d is damaged (%s)", directory, step, damage)
        damaged.append(step)
    if damaged and not found:
        raise InputError(
            f"{directory}: every checkpoint is damaged; delete this folder to train the fold from the beginning."
        )
    hosts.wait_for_all(f"looked for damage in {directory}")  # Nothing is moved before all have looked.
    if hosts.is_first():
        for step in damaged:
            _put_by(directory, step)
    hosts.wait_for_all(f"put damage by in {directory}")
    return found


def save(directory, keep, state, batches, unlogged):
    """Saves a checkpoint and removes those before the last `keep`; replaces one of the same step.

    Args:
      directory: folder of the checkpoints.
      keep: number to keep.
      state: a `TrainState`; its step names the checkpoint.
      batches: the input iterator.
      unlogged: {metric: values [n]} of the steps that no line of metrics.jsonl holds yet.

    Raises:
      OutputError: where it cannot be written; the checkpoints that are there stay.
    """
    directory = pathlib.Path(directory).absolute()
    step = int(state.step)
    aside = directory / f"{ASIDE}{step}"
    if hosts.is_first():
        # First, because Orbax would wait for a minute for a folder that it cannot make.
        outputs.write_json(directory / f"{ASIDE}{UNLOGGED}", unlogged)
    _save_aside(aside, {"state": state, "input": batches})
    if hosts.is_first():
        with outputs.tell_failed_writes(directory):
            (directory / f"{ASIDE}{UNLOGGED}").rename(aside / UNLOGGED)
            integrity.seal(aside)
            _remove(directory, str(step))
            aside.rename(directory / str(step))
            for old in _steps(directory)[:-keep]:
                _remove(directory, str(old))
    hosts.wait_for_all(f"saved {directory} {step}")


def restore(directory, state, batches):
    """(state, unlogged metrics) of the latest whole checkpoint; (`state`, {}) where there is none.

    The state comes on the devices of the given one, `batches` is moved to its position, and what a killed process
    left aside is removed. InputError where no checkpoint is whole, or it does not fit the given state.
    """
    directory = pathlib.Path(directory).absolute()
    step = latest_step(directory)
    if hosts.is_first():
        for left in directory.glob(f"*{ASIDE}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    if not step:
        return state, {}
    state = _load(directory / str(step), {"state": _shape(state), "input": batches})["state"]
    unlogged = outputs.read_json(directory / str(step) / UNLOGGED)
    return state, {name: np.asarray(values, np.float32) for name, values in unlogged.items()}


def load_state(directory, state):
    """The latest saved state below `directory`, in the shape of `state`; InputError where there is none.

    A damaged one is an error too: what is evaluated must not silently be an earlier state than the one trained.
    """
    directory = pathlib.Path(directory).absolute()
    steps = _steps(directory)
    if not steps:
        raise InputError(f"{directory}: holds no checkpoint; train this fold first with launch/train.py.")
    latest = directory / str(steps[-1])
    damage = integrity.find_damage(latest)
    if damage:
        raise InputError(
            f"{latest}: the checkpoint is damaged ({damage}); delete {directory.parent / 'TRAIN_DONE'} and run "
            "launch/train.py again, which goes on from the checkpoint before."
        )
    return _load(latest, {"state": _shape(state)})["state"]


def _steps(directory):
    """Steps of the checkpoints below a folder, ascending."""
    if not directory.is_dir():
        return []
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())


def _save_aside(aside, parts):
    with _quiet_absl():
        try:
            ocp.save_checkpointables(aside, parts, overwrite=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise OutputError(
                f"{aside.parent}: the checkpoint of step {aside.name.removeprefix(ASIDE)} cannot be written "
                f"({outputs.tell_reason(error)}); those before it are intact."
            ) from error


@contextlib.contextmanager
def _quiet_absl():
    """Keeps back the tracebacks that Orbax's threads log; the error that they lead to is raised."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _remove(directory, name):
    """Removes a checkpoint if it is there; renamed first, because half a checkpoint must not look like one."""
    if (directory / name).exists():
        (directory / name).rename(directory / f"{ASIDE}removed-{name}")
        shutil.rmtree(directory / f"{ASIDE}removed-{name}")


def _put_by(directory, step):
    shutil.rmtree(directory / f"{DAMAGED}{step}", ignore_errors=True)
    (directory / str(step)).rename(directory / f"{DAMAGED}{step}")


def _load(path, parts):
    try:
        return ocp.load_checkpointables(path, parts)
    except (ValueError, KeyError, FileNotFoundError) as error:
        raise InputError(
            f"{path}: the checkpoint does not fit this configuration ({str(error).splitlines()[0]})."
        ) from error


def _shape(state):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state)
