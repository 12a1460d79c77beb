"""Training through the launcher: on many devices and in two processes as on one device, and stopped with a sentence
when it diverges."""

import json
import os
import re
import shutil
import socket
from concurrent import futures

import jax
import numpy as np
import pytest

from radiogenomics.data import pipeline
from radiogenomics.train import checkpoint, sharding


def read_metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "steps_per_second"} for line in lines]


def on_devices(count):
    """The environment of a launcher that finds so many devices and tells what becomes of its buffers."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={count}"
    return {"XLA_FLAGS": flags, "WATCH_STEPS": "1"}


@pytest.fixture(scope="module")
def resume(launch, config_file, cohort_folder):
    """`resume(folder, *flags, devices=8)` runs the launcher on a run's folder."""
    def run(folder, *flags, devices=8):
        return launch(
            "train", f"--config={config_file}", f"--cohort={cohort_folder}", f"--workdir={folder}", *flags,
            environment=on_devices(devices), jax_settings={"jax_log_compiles": True},
        )

    return run


@pytest.fixture(scope="module")
def on_eight(resume, workdir, tmp_path_factory):
    """A run whose folds were trained side by side, on four devices each."""
    folder = tmp_path_factory.mktemp("eight") / "run"
    outcome = resume(folder)
    assert outcome.code == 0, outcome.stderr
    return folder, outcome


@pytest.fixture(scope="module")
def on_two(resume, workdir, tmp_path_factory):
    """A run whose folds were trained side by side, on one device each."""
    folder = tmp_path_factory.mktemp("two") / "run"
    outcome = resume(folder, devices=2)
    assert outcome.code == 0, outcome.stderr
    return folder, outcome


@pytest.fixture(scope="module")
def interrupted(workdir, tmp_path_factory):
    """`interrupted(name)` copies the run of one device as it was before fold 0, and after step 2 of fold 1."""
    def make(name):
        folder = shutil.copytree(workdir, tmp_path_factory.mktemp(name) / "run")
        shutil.rmtree(folder / "fold_0")
        shutil.rmtree(folder / "fold_1" / "checkpoints" / "4")
        (folder / "fold_1" / "TRAIN_DONE").unlink()
        return folder

    return make


@pytest.fixture(scope="module")
def moved(resume, interrupted):
    """A run whose fold 0 was trained alone on eight devices, and whose fold 1 on one device up to step 2."""
    folder = interrupted("moved")
    outcome = resume(folder, "--config.train.replicas=1")
    assert outcome.code == 0, outcome.stderr
    return folder, outcome


@pytest.fixture(scope="module")
def on_two_hosts(resume, interrupted):
    """The same on four devices each of two processes, which share every batch."""
    folder = interrupted("hosts")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    together = ("--distributed", f"--coordinator_address={address}", "--num_processes=2")

    def join(number):
        return resume(folder, "--config.train.replicas=1", *together, f"--process_id={number}", devices=4)

    with futures.ThreadPoolExecutor() as pool:
        first, second = pool.map(join, (0, 1))
    assert first.code == second.code == 0, first.stderr + second.stderr
    assert "step 4 of 4" in first.stderr and "step 4 of 4" not in second.stderr
    return folder, first


def parameters(state):
    """{path: values} of both players, without biases before a normalisation: they do nothing, and Adam moves them by
    the sign of rounding errors."""
    leaves = jax.tree_util.tree_leaves_with_path({"ema": state.ema, "discriminator": state.discriminator})
    named = {jax.tree_util.keystr(path): values for path, values in leaves}
    return {name: values for name, values in named.items() if not re.search(r"blocks_\d+.*Conv_[12].*bias", name)}


# The two that CI leaves out share their paths with the others: a fold that moves from one device, folds side by side.
PLACED = ["on_eight", "on_two_hosts", *(pytest.param(name, marks=pytest.mark.long) for name in ("on_two", "moved"))]


@pytest.mark.parametrize("name", ["fold_0", "fold_1"])
@pytest.mark.parametrize("placed", PLACED)
def test_devices_and_hosts_equal_one(request, placed, workdir, trainer, name):
    """Folds side by side, on four devices each and on one; a batch shared by eight devices, in one process and in two,
    and a fold that moved there from one device."""
    folder, _ = request.getfixturevalue(placed)
    for one, other in zip(read_metrics(workdir / name), read_metrics(folder / name), strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=3e-4)
    template = trainer.create(jax.device_put(jax.random.key(0), sharding.replicated(trainer.mesh)))
    states = [checkpoint.load_state(each / name / "checkpoints", template) for each in (workdir, folder)]
    assert [int(state.step) for state in states] == [4, 4]
    one, other = map(parameters, states)
    assert len(one) > 20
    apart = np.concatenate([np.abs(one[path] - other[path]).ravel() for path in one])
    # Adam divides a gradient by its own size: where it is rounding noise, one step of 5e-4 may go either way.
    assert np.quantile(apart, 0.999) < 1e-5 and apart.max() < 1e-3


@pytest.mark.parametrize("placed", PLACED)
def test_all_folds_share_one_compilation_and_states_are_donated(request, placed):
    _, outcome = request.getfixturevalue(placed)
    lines = outcome.stderr.splitlines()
    compiled = [line for line in lines if "Compiling jit(run_replicas)" in line]
    assert len(compiled) == 1, outcome.stderr
    told = [line for line in lines if line.startswith("kept ")]
    assert len(told) >= 4 and set(told) == {"kept 0 of the donated buffers"}


@pytest.mark.parametrize("placed", ["on_eight", "on_two_hosts"])
def test_peak_memory_is_told(request, placed):
    _, outcome = request.getfixturevalue(placed)
    predicted, measured = (
        [float(found) for found in re.findall(rf"peak memory {word} ([0-9.]+) MB", outcome.stderr)]
        for word in ("predicted", "measured")
    )
    # What came compiled from the tests' cache is not predicted.
    assert len(predicted) + outcome.stderr.count("peak memory not predicted") == len(measured) >= 1
    # A process holds its libraries beside what its devices need.
    assert 10 < measured[0] < 10_000 and all(0 < count < measured[0] for count in predicted)


def test_divergence_ends_with_a_sentence_and_the_last_checkpoint(on_eight, resume, cohort, trainer, tmp_path):
    """A parameter that is not finite, planted into the last checkpoint, shows in the losses."""
    folder = shutil.copytree(on_eight[0], tmp_path / "run")
    (folder / "fold_1" / "TRAIN_DONE").unlink()
    checkpoints = folder / "fold_1" / "checkpoints"
    shutil.rmtree(checkpoints / "4")
    state = checkpoint.load_state(checkpoints, trainer.create(jax.random.key(0)))
    broken = state.replace(generator=jax.tree.map(lambda leaf: leaf * np.nan, state.generator))
    checkpoint.save(checkpoints, 2, broken, pipeline.index_batches(cohort, np.arange(12), 8, 1), {})
    outcome = resume(folder)
    assert outcome.code == 1
    assert outcome.stderr.splitlines()[-1].startswith("error: fold_1: ") and "Traceback" not in outcome.stderr
    assert "is not finite at step 3" in outcome.stderr and "train.generator_rate" in outcome.stderr
    assert not (folder / "fold_1" / "TRAIN_DONE").exists()
    assert [path.name for path in checkpoints.iterdir() if path.name.isdigit()] == ["2"]
