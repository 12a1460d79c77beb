"""Checkpoints: the whole train state and the input position, kept by Orbax (the one file that imports it)."""

import contextlib
import pathlib

import jax
from orbax.checkpoint import v1 as ocp

from radiogenomics.errors import InputError


@contextlib.contextmanager
def open_checkpoints(directory, keep):
    """Yields an Orbax checkpointer that keeps the last `keep` checkpoints of a fold."""
    policy = ocp.training.preservation_policies.LatestN(n=keep)
    checkpointer = ocp.training.Checkpointer(pathlib.Path(directory).absolute(), preservation_policy=policy)
    try:
        yield checkpointer
    finally:
        checkpointer.close()


def latest_step(directory):
    """The step of the latest checkpoint below `directory`, 0 where there is none."""
    if not pathlib.Path(directory).is_dir():  # Opening would make it.
        return 0
    with open_checkpoints(directory, keep=None) as checkpointer:
        return checkpointer.latest.step if checkpointer.latest else 0


def save(checkpointer, state, batches):
    """Saves state and input iterator under the state's step; overwrites a checkpoint of the same step."""
    checkpointer.save_checkpointables(int(state.step), {"state": state, "input": batches}, overwrite=True)


def restore(checkpointer, state, batches):
    """The latest saved state, on the devices of the given one, with `batches` moved to its position; or `state`."""
    if checkpointer.latest is None:
        return state
    try:
        loaded = checkpointer.load_checkpointables(checkpointer.latest, {"state": _shape(state), "input": batches})
    except (ValueError, KeyError, FileNotFoundError) as error:
        raise _unreadable(checkpointer.directory, error) from error
    return loaded["state"]


def load_state(directory, state):
    """The latest saved state below `directory`, in the shape of `state`; InputError where there is none."""
    missing = InputError(f"{directory}: holds no checkpoint; train this fold first with launch/train.py.")
    if not pathlib.Path(directory).is_dir():  # Opening would make it.
        raise missing
    with open_checkpoints(directory, keep=None) as checkpointer:
        if checkpointer.latest is None:
            raise missing
        try:
            return checkpointer.load_checkpointables(checkpointer.latest, {"state": _shape(state)})["state"]
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise _unreadable(directory, error) from error


def _shape(state):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state)


def _unreadable(directory, error):
    return InputError(f"{directory}: the checkpoint cannot be read ({str(error).splitlines()[0]}).")
