"""Training of a run: as many folds side by side as the devices hold, resumable at any moment.

    train(config, cohort, workdir)
"""

import contextlib
import logging
import pathlib
import time

import jax
import numpy as np
import tqdm

from radiogenomics import outputs
from radiogenomics.errors import Preempted, TrainingStopped
from radiogenomics.train import checkpoint, exhaustion, folds, hosts, lock, memory, preemption, rundir, sharding
from radiogenomics.train.open_fold import open_fold
from radiogenomics.train.samples import write_sample_grid
from radiogenomics.train.steps import TrainingArrays
from radiogenomics.train.trainer import make_trainer


def train(config, cohort, workdir):
    """Trains every fold that is not done yet; a second call resumes or finds nothing to do.

    Raises:
      InputError: where config, cohort and workdir do not belong together, or another process trains there.
      TrainingStopped: when a metric or parameter is not finite, or memory is exhausted; the last checkpoint stays.
      Preempted: when SIGTERM came; the step it came in is finished and saved.
      OutputError: where the disk is full or the folder read-only; the last checkpoint stays.
    """
    workdir = pathlib.Path(workdir)
    config = folds.limit_components(config, cohort)
    rundir.check_run(config, cohort, workdir)
    lock.check_free(workdir)
    with exhaustion.name_settings(config):
        trainer = make_trainer(config, cohort)
        # Only now, because a folder opened with settings that cannot run would refuse those that can.
        with lock.hold(workdir):
            rundir.check_run(config, cohort, workdir)  # Another process may have opened it in the meantime.
            rundir.open_run(config, cohort, workdir)
            groups = group_folds(folds.fold_names(config, cohort), workdir, trainer.replicas)
            if groups:
                rundir.record_continuation(config, workdir)
            hosts.wait_for_all("folds grouped")  # Until all have looked, nobody may write what another would find.
            for names in groups:
                train_folds(trainer, names, workdir)


def group_folds(names, workdir, replicas):
    """Lists of folds that train side by side: not done yet, and stopped at the same step."""
    stopped_at = {}
    for name in names:
        if (workdir / name / "TRAIN_DONE").exists():
            logging.info("%s: already trained", name)
        else:
            stopped_at.setdefault(checkpoint.latest_step(workdir / name / "checkpoints"), []).append(name)
    return [same[at:at + replicas] for same in stopped_at.values() for at in range(0, len(same), replicas)]


def train_folds(trainer, names, workdir):
    """Trains folds side by side to the end, from their last checkpoint; returns their final states."""
    seeds = {name: trainer.config.seed + number for number, name in enumerate(trainer.transforms)}
    with contextlib.ExitStack() as stack:
        interruptions = stack.enter_context(preemption.watch(trainer.config.train.checkpoint_minutes))
        opened = [stack.enter_context(open_fold(trainer, name, workdir / name, seeds[name])) for name in names]
        states = run_loop(trainer, opened, interruptions)
    for fold, state in zip(opened, states, strict=True):
        if hosts.is_first():
            outputs.write_text(fold.directory / "TRAIN_DONE", f"{int(state.step)}\n")
    hosts.wait_for_all(f"{_title(opened)} done")
    return states


def run_loop(trainer, opened, interruptions):
    """Steps until `train.steps`; logs, samples and checkpoints on the way. Nothing here waits for the device
    except at those points. Returns the states."""
    settings, title = trainer.config.train, _title(opened)
    state, arrays, keys = place_folds(trainer, opened)
    states = [fold.start for fold in opened]
    first = step = int(states[0].step)
    pending, since, began = unlogged_metrics(trainer, opened), first, time.monotonic()
    shown = None if hosts.is_first() else True  # None: on a terminal
    with tqdm.tqdm(total=settings.steps, initial=first, desc=title, unit="step", disable=shown) as progress:
        while step < settings.steps:
            count = min(steps_per_call(trainer.config), settings.steps - step)
            indices = draw_indices(trainer, opened, count)
            if step == first:
                memory.tell_predicted(title, trainer.predict_memory(state, arrays, indices, keys))
            with jax.transfer_guard("disallow"):
                state, metrics = trainer.run_steps(state, arrays, indices, keys)
            if jax.default_backend() == "cpu":
                # Queued steps starve each other of the few CPU threads: 60 ms a step become 1000 without this.
                jax.block_until_ready(metrics)
            pending.append(metrics)
            before, step = step, step + count
            progress.update(count)
            in_turn = _due(before, step, settings.checkpoint_every) or step == settings.steps
            logging_now = in_turn or _due(before, step, settings.log_every)
            stopping = interruptions.must_stop(step)
            saving = interruptions.must_save(logging_now) or in_turn or stopping
            if logging_now:
                rate = (step - since) / (time.monotonic() - began)
                means = [_finite_means(pending, number, fold.name, step) for number, fold in enumerate(opened)]
                for fold, values in zip(opened, means, strict=True):
                    fold.write_metrics(step, values | {"steps_per_second": rate})
                _narrate(progress, title, step, settings.steps, rate, np.mean([of["radiomic_loss"] for of in means]))
                if since == first:
                    memory.tell_measured(title)
                pending, since, began = [], step, time.monotonic()
            if saving or _due(before, step, settings.sample_every):
                states = trainer.unstack(state)[:len(opened)]
            if _due(before, step, settings.sample_every) or step == settings.steps:
                for fold, of_fold in zip(opened, states, strict=True):
                    write_sample_grid(trainer, fold.name, fold.directory, fold.arrays, of_fold)
            if saving:
                save_folds(settings, opened, states, pending)
                interruptions.saved()
            if stopping:
                raise Preempted(f"{title}: asked to stop (SIGTERM); step {step} of {settings.steps} is saved, and the "
                                "same command goes on from there.")
    return states


def save_folds(settings, opened, states, pending):
    """Checkpoints every fold; TrainingStopped, and none is saved, where anything in one of them is not finite.

    A checkpoint may fall between two lines of the log. The metrics since the last one are saved with it, so that the
    log does not show when a run was saved or stopped.
    """
    unlogged = [_of_replica(pending, number) for number in range(len(opened))]
    for fold, state, metrics in zip(opened, states, unlogged, strict=True):
        _check_finite(fold.name, int(state.step), metrics)
        _check_finite(fold.name, int(state.step), {"a parameter": state})
    for fold, state, metrics in zip(opened, states, unlogged, strict=True):
        checkpoint.save(fold.directory / "checkpoints", settings.keep_checkpoints, state, fold.batches, metrics)


def unlogged_metrics(trainer, opened):
    """What the checkpoints hold of the log's next line: a list of one {metric: [replicas, n]}, or of none."""
    if not opened[0].unlogged:
        return []
    return [_stack([fold.unlogged for fold in fill_replicas(trainer, opened)], 0)]


def steps_per_call(config):
    """Compiled steps a call: the configured number, or one on a CPU and twenty on an accelerator."""
    return config.train.steps_per_call or (1 if jax.default_backend() == "cpu" else 20)


def place_folds(trainer, opened):
    """What a call of `run_steps` takes besides indices, on the devices: state, arrays and keys of every replica."""
    opened = fill_replicas(trainer, opened)
    scaled = hosts.agree(_stack([fold.arrays.scaled for fold in opened], 0))
    arrays = TrainingArrays(
        sharding.place(opened[0].arrays.patches, sharding.replicated(trainer.mesh)),
        sharding.place(scaled, sharding.over_replicas(trainer.mesh)),
    )
    return trainer.stack([fold.start for fold in opened]), arrays, trainer.stack([fold.key for fold in opened])


def draw_indices(trainer, opened, count):
    """The index batches [count, replicas, batch] of the next call, on the devices."""
    drawn = [[next(fold.batches) for _ in range(count)] for fold in opened]
    replicas = [_stack(of_fold, 0) for of_fold in fill_replicas(trainer, drawn)]
    return sharding.place(_stack(replicas, 1), sharding.over_batch(trainer.mesh))


def _stack(trees, axis):
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis), *trees)


def fill_replicas(trainer, items):
    """One item a replica: a last group may be too small, and the devices left over repeat its last fold in vain."""
    return [*items, *[items[-1]] * (trainer.replicas - len(items))]


def _title(opened):
    return opened[0].name if len(opened) == 1 else f"{opened[0].name} to {opened[-1].name}"


def _narrate(progress, title, step, steps, rate, radiomic_loss):
    progress.set_postfix_str(f"radiomic {radiomic_loss:.3f}")
    if progress.disable:
        logging.info("%s: step %d of %d, %.1f steps/s, %.0f s left, radiomic loss %.3f", title, step, steps, rate,
                     (steps - step) / rate, radiomic_loss)


def _due(before, after, every):
    return before // every != after // every


def _finite_means(pending, number, name, step):
    """Means of one replica's metrics since the last log; TrainingStopped names the first that is not finite."""
    means = {key: float(np.mean(values)) for key, values in _of_replica(pending, number).items()}
    _check_finite(name, step, means)
    return means


def _of_replica(pending, number):
    """{metric: values [n]} of one replica."""
    values = jax.device_get(pending)
    names = values[-1] if values else ()  # The first may be of a checkpoint of an earlier version, with fewer metrics.
    return {name: np.concatenate([part[name][number] for part in values if name in part]) for name in names}


def _check_finite(name, step, named):
    """TrainingStopped naming the first of {name: tree} that is not finite: metrics, or a state that none has seen."""
    for what, tree in named.items():
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(tree))):
            raise TrainingStopped(
                f"{name}: {what} is not finite at step {step}; the last checkpoint is kept; "
                "lower train.generator_rate and train.discriminator_rate, or train.radiomic_weight."
            )
