"""The training loop: every configuration runs, a resumed run is the uninterrupted one, and eight devices are one."""

import contextlib
import dataclasses
import json
import logging
import pathlib
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.analysis.run import load_run
from radiogenomics.data import cohort as cohorts
from radiogenomics.data import prepare
from radiogenomics.errors import InputError, Preempted, TrainingStopped
from radiogenomics.train import checkpoint, folds, lock, loop, preemption, sharding

CONFIGS = sorted(path.stem for path in (pathlib.Path(__file__).parents[2] / "configs").glob("*.py"))


def read_state(trainer, directory):
    """The last state saved under a fold's folder, on the host."""
    template = trainer.create(jax.device_put(jax.random.key(1), sharding.replicated(trainer.mesh)))
    return jax.device_get(checkpoint.load_state(directory / "checkpoints", template))


def read_metrics(directory):
    """Lines of metrics.jsonl without the rate, which is never the same."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "steps_per_second"} for line in lines]


def assert_same_state(one, two):
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_trains(make_config, cohort, tmp_path, name):
    """As many steps as the shared run takes, because the schedule is compiled in and compiling is what takes long."""
    config = make_config(name)
    trainer = loop.make_trainer(config, cohort)
    (state,) = loop.train_folds(trainer, ["fold_0"], tmp_path)
    assert int(state.step) == config.train.steps
    assert (tmp_path / "fold_0" / "TRAIN_DONE").read_text() == f"{config.train.steps}\n"
    for line in read_metrics(tmp_path / "fold_0"):
        assert all(np.isfinite(value) for value in line.values())


def test_volumes_take_the_same_path(make_config, tmp_path):
    config = make_config(
        data={"ndim": 3, "size": 8}, phantom={"patients": 10, "diameter_mm": (20.0, 28.0)}, genes={"components": 2},
        train={"steps": 1, "batch_size": 2, "radiomic_features": ("mean_hu", "circularity", "texture_energy_hu")},
    )
    prepare.prepare(config, tmp_path / "cohort")
    cohort = cohorts.load_cohort(tmp_path / "cohort")
    assert cohort.patch_shape == (8, 8, 8)
    trainer = loop.make_trainer(config, cohort)
    (state,) = loop.train_folds(trainer, ["fold_1"], tmp_path)
    assert int(state.step) == 1 and (tmp_path / "fold_1" / "samples" / "step_0000001.png").exists()
    (line,) = read_metrics(tmp_path / "fold_1")
    assert all(np.isfinite(value) for value in line.values())


def test_a_finished_run_is_complete(workdir, cohort, config):
    assert json.loads((workdir / "split.json").read_text())["folds"] == [list(fold) for fold in cohort.folds]
    assert json.loads((workdir / "config.json").read_text())["train"]["steps"] == 4
    assert json.loads((workdir / "environment.json").read_text())["cohort_fingerprint"] == cohort.fingerprint
    for name in folds.fold_names(config, cohort):
        fold = workdir / name
        assert (fold / "TRAIN_DONE").read_text() == "4\n"
        assert [line["step"] for line in read_metrics(fold)] == [2, 3, 4]
        assert sorted(path.name for path in (fold / "samples").iterdir()) == ["step_0000000.png", "step_0000004.png"]
        assert sorted(int(path.name) for path in (fold / "checkpoints").iterdir() if path.name.isdigit()) == [2, 4]
        assert list((fold / "tensorboard").iterdir())


def test_a_second_call_finds_nothing_to_do(workdir, train_tiny):
    def times():
        return {path: path.stat().st_mtime_ns for path in workdir.rglob("*") if path.name != lock.FILE}

    before = times()
    train_tiny(workdir)
    assert before == times()


@pytest.mark.parametrize("moment", ["after the first checkpoint", "in the middle of a log line", "before TRAIN_DONE"])
def test_resumed_equals_uninterrupted_bitwise(workdir, trainer, train_tiny, tmp_path, monkeypatch, moment):
    save, stop_at = checkpoint.save, 4 if moment == "before TRAIN_DONE" else 2

    def save_and_stop(directory, keep, state, *others):
        save(directory, keep, state, *others)
        if int(state.step) == stop_at:
            raise KeyboardInterrupt

    resumed = tmp_path / "resumed"
    monkeypatch.setattr(checkpoint, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(resumed)
    monkeypatch.setattr(checkpoint, "save", save)
    assert not (resumed / "fold_0" / "TRAIN_DONE").exists()
    if moment == "in the middle of a log line":
        with open(resumed / "fold_0" / "metrics.jsonl", "a") as lines:
            lines.write('{"step": 3, "gener')
    train_tiny(resumed)
    for name in ("fold_0", "fold_1"):
        assert_same_state(read_state(trainer, workdir / name), read_state(trainer, resumed / name))
        assert read_metrics(workdir / name) == read_metrics(resumed / name)


@pytest.mark.parametrize("cause", ["SIGTERM", "minutes"])
def test_saving_out_of_turn_leaves_no_trace(workdir, trainer, train_tiny, tmp_path, monkeypatch, cause):
    """Stopped after step 1 of 4 by a signal, or by a clock that always asks and a kill: the end is the same, log
    included, although log and checkpoints in turn fall on steps 2, 3 and 4."""
    def at_once(minutes):
        return preemption.Interruptions(1e-9 if cause == "minutes" else minutes)

    def run_steps(*given):
        if cause == "SIGTERM":
            signal.raise_signal(signal.SIGTERM)
        return trainer.run_steps(*given)

    save = checkpoint.save

    def save_and_die(directory, keep, state, *others):
        save(directory, keep, state, *others)
        if cause == "minutes" and int(state.step) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_die)
        if cause == "minutes":
            patch.setattr(preemption, "watch", lambda minutes: contextlib.nullcontext(at_once(minutes)))
        signalled = dataclasses.replace(trainer, run_steps=run_steps)
        with pytest.raises((Preempted, KeyboardInterrupt)) as stopped:
            loop.train_folds(signalled, ["fold_0"], tmp_path / "run")
    if cause == "SIGTERM":
        assert stopped.value.status == 143 and "fold_0: asked to stop (SIGTERM); step 1 of 4" in str(stopped.value)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert checkpoint.latest_step(tmp_path / "run" / "fold_0" / "checkpoints") == 1
    assert read_metrics(tmp_path / "run" / "fold_0") == []
    loop.train_folds(trainer, ["fold_0"], tmp_path / "run")
    assert_same_state(read_state(trainer, workdir / "fold_0"), read_state(trainer, tmp_path / "run" / "fold_0"))
    assert read_metrics(workdir / "fold_0") == read_metrics(tmp_path / "run" / "fold_0")


@pytest.mark.long
def test_another_precision_goes_on(cohort, workdir, make_config, trainer, tmp_path):
    """Parameters are float32 in both, so that a checkpoint of one is a checkpoint of the other; it is recorded."""
    run = shutil.copytree(workdir, tmp_path / "run")
    shutil.rmtree(run / "fold_1" / "checkpoints" / "4")
    (run / "fold_1" / "TRAIN_DONE").unlink()
    loop.train(make_config(model={"dtype": "bfloat16"}), cohort, run)
    before, after = (read_state(trainer, each / "fold_1") for each in (workdir, run))
    assert {leaf.dtype for leaf in jax.tree.leaves(after.ema)} == {np.dtype(np.float32)}
    apart = [np.abs(one - two).max() for one, two in zip(*map(jax.tree.leaves, (before.ema, after.ema)), strict=True)]
    assert 0 < max(apart) < 0.01
    (told,) = json.loads((run / "environment.json").read_text())["continued"]
    assert told["settings"] == {"model.dtype": "bfloat16"} and told["packages"]["jax"]
    assert json.loads((run / "config.json").read_text())["model"]["dtype"] == "float32"
    assert load_run(run, cohort).config.model.dtype == "float32"


def test_exhausted_memory_names_what_to_lower(trainer, cohort, config, tmp_path):
    """XLA's own error, of an array that no machine holds."""
    def exhaust(*given):
        with jax.transfer_guard("allow"):
            return jax.block_until_ready(jnp.zeros(2**52, jnp.int8))

    exhausting = dataclasses.replace(trainer, run_steps=exhaust)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_trainer", lambda config, cohort: exhausting)
        with pytest.raises(TrainingStopped, match=r"out of memory \(RESOURCE.*train.batch_size \(now 8\)"):
            loop.train(config, cohort, tmp_path / "run")


def test_folds_differ(workdir, trainer):
    one, two = (read_state(trainer, workdir / name) for name in ("fold_0", "fold_1"))
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(one.ema), jax.tree.leaves(two.ema), strict=True))


def test_all_folds_share_one_compilation(workdir, trainer, train_tiny, tmp_path):
    def compiled():
        return trainer.run_steps._cache_size(), trainer.sample._cache_size()

    before = compiled()
    assert min(before) >= 1
    train_tiny(tmp_path)
    assert compiled() == before


def test_train_on_all_loads_as_the_whole_fold(workdir, trainer, cohort, make_config, tmp_path):
    """`fold_all` is trained on everybody and is kept apart from the cross-fitted folds."""
    config = make_config(train={"train_on_all": True})
    loop.train(config, cohort, tmp_path)
    run = load_run(tmp_path, cohort)
    assert [fold.name for fold in run.folds] == ["fold_0", "fold_1"]
    np.testing.assert_array_equal(run.whole.training, np.arange(24))
    assert len(run.whole.held_out) == 0


def test_state_that_is_not_finite_is_never_saved(trainer, tmp_path):
    """All losses may be finite while the last update broke a parameter."""
    def run_steps(*given):
        state, metrics = trainer.run_steps(*given)
        with jax.transfer_guard("allow"):
            if int(state.step[0]) == 4:
                state = state.replace(ema=jax.tree.map(lambda leaf: leaf * np.nan, state.ema))
        return state, metrics

    breaking = dataclasses.replace(trainer, run_steps=run_steps)
    with pytest.raises(TrainingStopped, match="fold_0: a parameter is not finite at step 4; the last checkpoint"):
        loop.train_folds(breaking, ["fold_0"], tmp_path)
    assert int(read_state(trainer, tmp_path / "fold_0").step) == 2
    assert not (tmp_path / "fold_0" / "TRAIN_DONE").exists()


def test_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(trainer, cohort, tmp_path):
    def run_steps(*given):
        state, metrics = trainer.run_steps(*given)
        with jax.transfer_guard("allow"):
            return state, metrics | {"radiomic_loss": metrics["radiomic_loss"] * np.nan}

    breaking = dataclasses.replace(trainer, run_steps=run_steps)
    with pytest.raises(TrainingStopped, match="fold_0: .* is not finite at step 2; .*train.generator_rate"):
        loop.train_folds(breaking, ["fold_0"], tmp_path)
    assert not (tmp_path / "fold_0" / "TRAIN_DONE").exists()
    assert checkpoint.latest_step(tmp_path / "fold_0" / "checkpoints") == 0


def test_metric_that_a_checkpoint_does_not_know_is_watched():
    """A run of an earlier version goes on: the metrics that its checkpoint holds are fewer."""
    earlier, later = {"loss": np.ones((1, 2))}, {"loss": np.zeros((1, 2)), "norm": np.array([[2.0, np.nan]])}
    assert loop._finite_means([earlier, later | {"norm": np.full((1, 2), 2.0)}], 0, "fold_0", 3) == {
        "loss": 0.5, "norm": 2.0
    }
    with pytest.raises(TrainingStopped, match="fold_0: norm is not finite at step 3"):
        loop._finite_means([earlier, later], 0, "fold_0", 3)


def test_bad_settings_leave_no_workdir(make_config, cohort, tmp_path):
    """A folder opened with settings that cannot run would refuse those that can."""
    for changes, field in (
        ({"genes": {"adjust": ("moon",)}}, "moon"), ({"genes": {"components": -1}}, "genes.components"),
        ({"train": {"batch_size": 0}}, "train.batch_size"), ({"data": {"size": 32}}, "data.size"),
    ):
        with pytest.raises(InputError, match=field):
            loop.train(make_config(**changes), cohort, tmp_path / "work")
        assert not (tmp_path / "work").exists()


def test_progress_is_told_in_plain_lines_away_from_a_terminal(trainer, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        loop.train_folds(trainer, ["fold_0"], tmp_path)
    lines = [record.message for record in caplog.records if record.message.startswith("fold_0: step")]
    assert len(lines) == 3 and "steps/s" in lines[0] and "s left" in lines[0]
