"""Checkpoints: state, input and unlogged metrics come back together; damage is told, and the one before is used."""

import errno
import gc
import itertools
import logging
import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics import outputs
from radiogenomics.data import pipeline
from radiogenomics.errors import InputError, OutputError
from radiogenomics.train import checkpoint, integrity
from radiogenomics.train.state import TrainState

UNLOGGED = {"loss": np.array([0.1, 1 / 3], np.float32)}


@pytest.fixture
def state():
    parameters = {"kernel": jnp.arange(6.0).reshape(2, 3)}
    variables = {"params": parameters}
    return TrainState(jnp.int32(7), variables, variables, variables, (parameters,), (parameters,))


@pytest.fixture
def batches(cohort):
    return pipeline.index_batches(cohort, np.arange(12), 4, 0)


@pytest.fixture
def two_saved(state, batches, tmp_path):
    """A folder with the checkpoints of steps 1 and 2, three batches apart."""
    for step in (1, 2):
        checkpoint.save(tmp_path / "two", 2, state.replace(step=jnp.int32(step)), batches, {})
        for _ in range(3):
            next(batches)
    return tmp_path / "two"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_state_input_and_unlogged_metrics_come_back_together(state, batches, cohort, tmp_path):
    for _ in range(7):
        next(batches)
    checkpoint.save(tmp_path, 2, state, batches, UNLOGGED)
    expected = list(itertools.islice(batches, 3))
    fresh = pipeline.index_batches(cohort, np.arange(12), 4, 0)
    restored, unlogged = checkpoint.restore(tmp_path, jax.tree.map(jnp.zeros_like, state), fresh)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    for batch in expected:
        jax.tree.map(np.testing.assert_array_equal, next(fresh), batch)
    assert unlogged["loss"].dtype == np.float32
    np.testing.assert_array_equal(unlogged["loss"], UNLOGGED["loss"])


def test_without_a_checkpoint_the_given_state_is_returned(state, tmp_path):
    assert checkpoint.restore(tmp_path / "new", state, None) == (state, {})
    assert checkpoint.latest_step(tmp_path / "new") == 0 and not (tmp_path / "new").exists()


def test_only_the_last_are_kept(state, batches, tmp_path):
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, 2, state.replace(step=jnp.int32(step)), batches, {})
    replaced = state.replace(step=jnp.int32(3), ema=jax.tree.map(lambda leaf: leaf + 1, state.ema))
    checkpoint.save(tmp_path, 2, replaced, batches, {})
    assert names(tmp_path) == ["2", "3"]
    loaded = checkpoint.load_state(tmp_path, state)
    assert int(loaded.step) == 3
    jax.tree.map(np.testing.assert_array_equal, loaded, replaced)


def test_missing_checkpoints_are_told_and_nothing_is_made(state, tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint"):
        checkpoint.load_state(tmp_path / "nowhere", state)
    assert not (tmp_path / "nowhere").exists()


def test_state_of_another_shape(state, workdir, tmp_path):
    copied = shutil.copytree(workdir / "fold_0" / "checkpoints", tmp_path / "checkpoints")
    with pytest.raises(InputError, match="does not fit this configuration"):
        checkpoint.load_state(copied, state)
    gc.collect()


@pytest.mark.parametrize("part", ["state/d", "state/_METADATA", "input", "unlogged.json", integrity.SEAL])
@pytest.mark.parametrize("damage", ["truncated", "a flipped bit", "removed"])
def test_the_one_before_a_damaged_one_is_used(state, cohort, two_saved, caplog, part, damage):
    found = two_saved / "2" / part
    path = next(each for each in sorted(found.rglob("*")) if each.is_file()) if found.is_dir() else found
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1:]
    path.unlink() if damage == "removed" else path.write_bytes(content[:middle] if damage == "truncated" else flipped)
    with pytest.raises(InputError, match="2: the checkpoint is damaged .*TRAIN_DONE"):
        checkpoint.load_state(two_saved, state)
    assert names(two_saved) == ["1", "2"]  # Reading changes nothing.
    fresh = pipeline.index_batches(cohort, np.arange(12), 4, 0)
    with caplog.at_level(logging.WARNING):
        restored, _ = checkpoint.restore(two_saved, state, fresh)
    assert [record.message for record in caplog.records if "the checkpoint of step 2 is damaged" in record.message]
    assert int(restored.step) == 1 and checkpoint.latest_step(two_saved) == 1
    assert names(two_saved) == ["1", "damaged-2"]
    first = pipeline.index_batches(cohort, np.arange(12), 4, 0)
    jax.tree.map(np.testing.assert_array_equal, next(fresh), next(first))


def test_no_whole_checkpoint_left(state, batches, two_saved):
    for step in ("1", "2"):
        (two_saved / step / "unlogged.json").write_text("{ }")
    with pytest.raises(InputError, match="every checkpoint is damaged; delete this folder"):
        checkpoint.restore(two_saved, state, batches)
    assert names(two_saved) == ["1", "2"]


@pytest.mark.parametrize("moment", ["saving", "sealing", "renaming"])
def test_killed_while_saving(state, batches, two_saved, monkeypatch, moment):
    """What a killed process leaves aside is no checkpoint, and is removed by the next one."""
    owner, name = {
        "saving": (checkpoint, "_save_aside"), "sealing": (integrity, "seal"), "renaming": (checkpoint, "_remove"),
    }[moment]

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, name, killed)
        checkpoint.save(two_saved, 2, state, batches, {})
    assert len(names(two_saved)) > 2
    restored, _ = checkpoint.restore(two_saved, state, batches)
    assert int(restored.step) == 2 and names(two_saved) == ["1", "2"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("writer", ["ours", "orbax"])
def test_a_disk_that_is_full_or_shut(state, batches, two_saved, monkeypatch, number, writer):
    """The sentence names the folder and the reason; Orbax's writers hide the reason in a message of many lines."""
    def refuse(*arguments, **options):
        if writer == "ours":
            raise OSError(number, os.strerror(number))
        raise ValueError(f"RESOURCE_EXHAUSTED: Failed writing: {os.strerror(number)} [os_error_code]\nand more")

    monkeypatch.setattr(*((outputs.os, "replace") if writer == "ours" else (checkpoint.ocp, "save_checkpointables")),
                        refuse)
    with pytest.raises(OutputError, match=rf"two.* cannot be written \({os.strerror(number)}\)"):
        checkpoint.save(two_saved, 2, state, batches, {})
    assert [name for name in names(two_saved) if not name.startswith(checkpoint.ASIDE)] == ["1", "2"]
    assert int(checkpoint.load_state(two_saved, state).step) == 2
