"""Checkpoints: state and input position come back together; damage is told."""

import gc
import itertools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.data import pipeline
from radiogenomics.errors import InputError
from radiogenomics.train import checkpoint
from radiogenomics.train.state import TrainState


@pytest.fixture
def state():
    parameters = {"kernel": jnp.arange(6.0).reshape(2, 3)}
    variables = {"params": parameters}
    return TrainState(jnp.int32(7), variables, variables, variables, (parameters,), (parameters,))


def test_state_and_input_come_back_together(state, cohort, tmp_path):
    rows = np.arange(12)
    batches = pipeline.index_batches(cohort, rows, 4, 0)
    for _ in range(7):
        next(batches)
    with checkpoint.open_checkpoints(tmp_path, keep=2) as checkpointer:
        checkpoint.save(checkpointer, state, batches)
    expected = list(itertools.islice(batches, 3))
    fresh = pipeline.index_batches(cohort, rows, 4, 0)
    with checkpoint.open_checkpoints(tmp_path, keep=2) as checkpointer:
        restored = checkpoint.restore(checkpointer, jax.tree.map(jnp.zeros_like, state), fresh)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    for batch in expected:
        jax.tree.map(np.testing.assert_array_equal, next(fresh), batch)


def test_without_a_checkpoint_the_given_state_is_returned(state, tmp_path):
    with checkpoint.open_checkpoints(tmp_path / "new", keep=2) as checkpointer:
        assert checkpoint.restore(checkpointer, state, None) is state


def test_only_the_last_are_kept(state, cohort, tmp_path):
    batches = pipeline.index_batches(cohort, np.arange(12), 4, 0)
    with checkpoint.open_checkpoints(tmp_path, keep=2) as checkpointer:
        for step in (1, 2, 3):
            checkpoint.save(checkpointer, state.replace(step=jnp.int32(step)), batches)
        checkpoint.save(checkpointer, state.replace(step=jnp.int32(3)), batches)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.isdigit()) == ["2", "3"]
    assert int(checkpoint.load_state(tmp_path, state).step) == 3


def test_missing_checkpoints_are_told_and_nothing_is_made(state, tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint"):
        checkpoint.load_state(tmp_path / "nowhere", state)
    assert not (tmp_path / "nowhere").exists()


def test_state_of_another_shape(state, workdir, tmp_path):
    copied = shutil.copytree(workdir / "fold_0" / "checkpoints", tmp_path / "checkpoints")
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint.load_state(copied, state)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")  # Orbax drops what it was about to load.
@pytest.mark.parametrize("part", ["state", "input"])
def test_damaged_checkpoint(workdir, trainer, cohort, config, tmp_path, part):
    copied = shutil.copytree(workdir / "fold_0" / "checkpoints", tmp_path / "checkpoints")
    for path in (copied / "4" / part).rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    batches = pipeline.index_batches(cohort, np.arange(12), config.train.batch_size, 0)
    template = trainer.create(jax.random.key(0))
    with checkpoint.open_checkpoints(copied, keep=2) as checkpointer:
        with pytest.raises(InputError, match="cannot be read"):
            checkpoint.restore(checkpointer, template, batches)
    gc.collect()
