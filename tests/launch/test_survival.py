"""Training that is killed, asked to stop, started twice, or out of disk ends as the run that nothing happened to."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from radiogenomics.train import checkpoint, lock, sharding

FOLDS = ("fold_0", "fold_1")
SMALL_DISK = """
mount -t tmpfs -o size=1m tmpfs "$1" || exit 77
shift
"$@"
echo $? > "$OUT/status"
cp -r "$DISK/run" "$OUT/full"
mount -o remount,ro "$DISK" || exit 77
"$@" 2> "$OUT/shut"
mount -o remount,rw,size=64m "$DISK" || exit 77
"$@" && cp -r "$DISK/run" "$OUT/run"
"""


@pytest.fixture
def begin(start, config_file, cohort_folder):
    """`begin(folder, *flags)` starts training in a run folder."""
    def run(folder, *flags):
        return start("train", f"--config={config_file}", f"--cohort={cohort_folder}", f"--workdir={folder}", *flags)

    return run


@pytest.fixture
def assert_as_uninterrupted(workdir, trainer):
    """Asserts that a run holds, bit for bit, the states and the log of the shared one."""
    def check(folder):
        template = trainer.create(jax.device_put(jax.random.key(1), sharding.replicated(trainer.mesh)))
        for name in FOLDS:
            assert (folder / name / "TRAIN_DONE").read_text() == "4\n"
            one, two = (checkpoint.load_state(each / name / "checkpoints", template) for each in (workdir, folder))
            for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(two), strict=True):
                np.testing.assert_array_equal(a, b, err_msg=jax.tree_util.keystr(path))
            assert read_metrics(workdir / name) == read_metrics(folder / name)

    return check


def read_metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "steps_per_second"} for line in lines]


def kill_while_it_writes(started, folder, changes, seconds):
    """Kills a launcher so long after its folders of checkpoints have changed so often; whether it was still running."""
    places = [folder / name / "checkpoints" for name in FOLDS]
    seen, count = None, -1
    while started.process.is_alive() and count < changes:
        found = [sorted(os.listdir(place)) if place.is_dir() else [] for place in places]
        count += found != seen
        seen = found
        time.sleep(0.002)
    time.sleep(seconds)
    alive = started.process.is_alive()
    started.process.kill()
    started.process.join()
    return alive


@pytest.mark.parametrize("kills", [3, pytest.param(25, marks=pytest.mark.long)])
def test_killed_at_random_moments(begin, assert_as_uninterrupted, tmp_path, kills):
    """With a checkpoint after every step, so that most moments fall into one."""
    generator, landed, run = np.random.default_rng(kills), 0, 0
    while landed < kills:
        folder = tmp_path / f"run_{run}"
        started = begin(folder, "--config.train.checkpoint_minutes=1e-9")
        landed += kill_while_it_writes(started, folder, generator.integers(0, 20), generator.uniform(0, 0.05))
        if all((folder / name / "TRAIN_DONE").exists() for name in FOLDS):
            assert_as_uninterrupted(folder)
            run += 1
    outcome = begin(folder, "--config.train.checkpoint_minutes=0").wait()
    assert outcome.code == 0, outcome.stderr
    assert_as_uninterrupted(folder)


def test_sigterm_saves_and_a_second_process_is_refused(begin, tmp_path):
    folder = tmp_path / "run"
    first = begin(folder)
    while first.process.is_alive() and not (folder / "fold_0").exists():
        time.sleep(0.01)
    os.kill(first.process.pid, signal.SIGSTOP)  # So that the second one comes in time.
    second = begin(folder).wait()
    os.kill(first.process.pid, signal.SIGTERM)
    os.kill(first.process.pid, signal.SIGCONT)
    stopped = first.wait()
    assert second.code == 1 and "Traceback" not in second.stderr
    assert f"error: {folder}: process {first.process.pid} on " in second.stderr
    assert stopped.code == 143 and "Traceback" not in stopped.stderr
    assert stopped.stderr.splitlines()[-1].startswith("error: fold_0: asked to stop (SIGTERM); step 1 of 4 is saved")
    assert (folder / lock.FILE).read_text() == ""
    assert checkpoint.latest_step(folder / "fold_0" / "checkpoints") == 1


@pytest.mark.long
def test_full_and_shut_disk(config_file, cohort_folder, root, assert_as_uninterrupted, tmp_path):
    """A file system of 1 MB, which holds the first checkpoints and not the last, read-only for a while."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    command = [sys.executable, root / "launch" / "train.py", f"--config={config_file}", f"--cohort={cohort_folder}",
               f"--workdir={disk / 'run'}"]
    ended = subprocess.run(
        ["unshare", "-m", "bash", "-c", SMALL_DISK, "bash", disk, *command], capture_output=True, text=True,
        env=os.environ | {"OUT": str(tmp_path), "DISK": str(disk)},
    )
    if ended.returncode in (1, 77) and not (tmp_path / "status").exists():
        pytest.skip(f"no file system can be mounted here ({ended.stderr.strip()})")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "status").read_text() == "1\n"
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "cannot be written (No space left on device)" in errors[0]
    (shut,) = [line for line in (tmp_path / "shut").read_text().splitlines() if line.startswith("error: ")]
    assert "cannot be written (Read-only file system)" in shut
    assert "Traceback" not in (tmp_path / "shut").read_text()
    assert any((tmp_path / "full" / name / "checkpoints").is_dir() for name in FOLDS)
    assert_as_uninterrupted(tmp_path / "run")
