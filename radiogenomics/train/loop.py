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
from radiogenomics.errors import TrainingStopped
from radiogenomics.train import checkpoint, folds, hosts, memory, rundir, sharding
from radiogenomics.train.open_fold import open_fold
from radiogenomics.train.samples import write_sample_grid
from radiogenomics.train.steps import TrainingArrays
from radiogenomics.train.trainer import make_trainer


def train(config, cohort, workdir):
    """Trains every fold that is not done yet; a second call resumes or finds nothing to do.

    Raises:
      InputError: where config, cohort and workdir do not belong together.
      TrainingStopped: when a loss is no longer finite; the last checkpoint stays.
    """
    workdir = pathlib.Path(workdir)
    config = folds.limit_components(config, cohort)
    rundir.check_run(config, cohort, workdir)
    trainer = make_trainer(config, cohort)
    # Only now, because a folder opened with settings that cannot run would refuse those that can.
    rundir.open_run(config, cohort, workdir)
    groups = group_folds(folds.fold_names(config, cohort), workdir, trainer.replicas)
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
        opened = [stack.enter_context(open_fold(trainer, name, workdir / name, seeds[name])) for name in names]
        states = run_loop(trainer, opened)
    for fold, state in zip(opened, states, strict=True):
        if hosts.is_first():
            outputs.write_text(fold.directory / "TRAIN_DONE", f"{int(state.step)}\n")
    hosts.wait_for_all(f"{_title(opened)} done")
    return states


def run_loop(trainer, opened):
    """Steps until `train.steps`; logs, samples and checkpoints on the way. Nothing here waits for the device
    except at those points. Returns the states."""
    settings, title = trainer.config.train, _title(opened)
    state, arrays, keys = place_folds(trainer, opened)
    states = [fold.start for fold in opened]
    first = step = int(states[0].step)
    pending, since, began = [], first, time.monotonic()
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
            saving = _due(before, step, settings.checkpoint_every) or step == settings.steps
            # Logged wherever it is saved: what is not finite is never saved, and a resumed log is the same log.
            if saving or _due(before, step, settings.log_every):
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
                for fold, of_fold in zip(opened, states, strict=True):
                    _check_finite(of_fold, fold.name, step)
                for fold, of_fold in zip(opened, states, strict=True):
                    checkpoint.save(fold.checkpointer, of_fold, fold.batches)
    return states


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
    values = jax.device_get(pending)
    means = {key: float(np.mean(np.concatenate([part[key][number] for part in values]))) for key in values[0]}
    broken = [key for key, value in means.items() if not np.isfinite(value)]
    if broken:
        raise _not_finite(name, broken[0], step)
    return means


def _check_finite(state, name, step):
    """TrainingStopped for a state that must not be saved: the last update may have broken it, no loss has seen it."""
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(state))):
        raise _not_finite(name, "a parameter", step)


def _not_finite(name, what, step):
    return TrainingStopped(
        f"{name}: {what} is not finite at step {step}; the last checkpoint is kept; "
        "lower train.generator_rate and train.discriminator_rate, or train.radiomic_weight."
    )
