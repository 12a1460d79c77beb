"""Training of a run: all folds one after the other, resumable at any moment.

    train(config, cohort, workdir)
"""

import dataclasses
import functools
import logging
import pathlib
import time

import jax
import numpy as np
import tqdm

from radiogenomics import outputs
from radiogenomics.data import pipeline, window
from radiogenomics.errors import TrainingStopped
from radiogenomics.train import checkpoint, folds, rundir, sharding, steps, writers
from radiogenomics.train.state import create_state, install_response, make_players

SAMPLE_COUNT = 8


@dataclasses.dataclass(frozen=True)
class Trainer:
    """What the folds of a run share, compiled once, and the gene transform of each."""

    config: object
    cohort: object
    players: object
    mesh: object
    run_steps: object  # see steps.compile_steps
    create: object  # key -> the initial TrainState, on every device
    sample: object  # (variables, background, components, noise) -> Synthesis
    features: np.ndarray  # [N, F] of the real patches
    transforms: dict  # fold name -> GeneTransform fitted on its training patients


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
    for number, name in enumerate(folds.fold_names(config, cohort)):
        directory = workdir / name
        if (directory / "TRAIN_DONE").exists():
            logging.info("%s: already trained", name)
            continue
        train_fold(trainer, name, directory, seed=config.seed + number)


def make_trainer(config, cohort):
    """Networks, mesh, compiled functions and gene transforms for a cohort; InputError where the config does not fit."""
    players = make_players(config)
    mesh = sharding.make_mesh(config.train.batch_size)
    transforms = folds.fit_folds(config, cohort)
    component_count = next(iter(transforms.values())).component_count
    return Trainer(
        config=config,
        cohort=cohort,
        players=players,
        mesh=mesh,
        run_steps=steps.compile_steps(config, players, mesh),
        create=compile_creation(config, players, component_count, mesh),
        sample=jax.jit(players.generator.apply),
        features=folds.patch_features(config, cohort),
        transforms=transforms,
    )


def compile_creation(config, players, component_count, mesh):
    """`key -> TrainState`, compiled once a run and in haste: optimised, it takes 20 s to compile and 0.1 s to run."""
    return jax.jit(
        functools.partial(create_state, config, players, component_count),
        out_shardings=sharding.replicated(mesh),
        compiler_options={"xla_backend_optimization_level": 0},
    )


def train_fold(trainer, name, directory, seed):
    """Trains one fold to the end, from its last checkpoint if it has one; returns the final state."""
    config, cohort = trainer.config, trainer.cohort
    rows = folds.training_rows(cohort, name)
    transform = folds.stored_transform(
        directory / "transform", trainer.transforms[name], [cohort.patients[row] for row in rows]
    )
    host_arrays = folds.training_arrays(cohort, rows, transform, trainer.features)
    arrays = sharding.replicate(host_arrays, trainer.mesh)
    batches = pipeline.index_batches(cohort, rows, config.train.batch_size, seed)
    key = jax.device_put(jax.random.key(seed), sharding.replicated(trainer.mesh))
    save_samples = functools.partial(write_sample_grid, trainer, name, host_arrays, directory / "samples")
    with checkpoint.open_checkpoints(directory / "checkpoints", config.train.keep_checkpoints) as checkpointer:
        state = checkpoint.restore(checkpointer, trainer.create(key), batches)
        if int(state.step) == 0:
            if "response" in state.generator:  # A checkpoint holds the fitted one.
                fitted = folds.fit_response(config, cohort, rows, transform, trainer.features)
                state = install_response(state, sharding.replicate(fitted, trainer.mesh))
            save_samples(state)
        with writers.open_metrics(directory, int(state.step)) as write_metrics:
            state = run_loop(trainer, name, key, state, arrays, batches, checkpointer, write_metrics, save_samples)
    outputs.write_text(directory / "TRAIN_DONE", f"{int(state.step)}\n")
    return state


def run_loop(trainer, name, key, state, arrays, batches, checkpointer, write_metrics, save_samples):
    """Steps until `train.steps`; logs, samples and checkpoints on the way. Nothing here waits for the device
    except at those points."""
    settings = trainer.config.train
    first, per_call = int(state.step), steps_per_call(trainer.config)
    pending, since, began = [], first, time.monotonic()
    with tqdm.tqdm(total=settings.steps, initial=first, desc=name, unit="step", disable=None) as progress:
        step = first
        while step < settings.steps:
            count = min(per_call, settings.steps - step)
            stacked = jax.tree.map(lambda *rows: np.stack(rows), *[next(batches) for _ in range(count)])
            indices = sharding.shard_batch(stacked, trainer.mesh)
            with jax.transfer_guard("disallow"):
                state, metrics = trainer.run_steps(state, arrays, indices, key)
            if jax.default_backend() == "cpu":
                # Queued steps starve each other of the few CPU threads: 60 ms a step become 1000 without this.
                jax.block_until_ready(metrics)
            pending.append(metrics)
            before, step = step, step + count
            progress.update(count)
            saving = _due(before, step, settings.checkpoint_every) or step == settings.steps
            # Logged wherever it is saved: what is not finite is never saved, and a resumed log is the same log.
            if saving or _due(before, step, settings.log_every):
                means = _finite_means(pending, name, step)
                rate = (step - since) / (time.monotonic() - began)
                write_metrics(step, means | {"steps_per_second": rate})
                progress.set_postfix_str(f"radiomic {means['radiomic_loss']:.3f}")
                if progress.disable:
                    logging.info("%s: step %d of %d, %.1f steps/s, %.0f s left, radiomic loss %.3f", name, step,
                                 settings.steps, rate, (settings.steps - step) / rate, means["radiomic_loss"])
                pending, since, began = [], step, time.monotonic()
            if _due(before, step, settings.sample_every) or step == settings.steps:
                save_samples(state)
            if saving:
                _check_finite(state, name, step)
                checkpoint.save(checkpointer, state, batches)
    return state


def steps_per_call(config):
    """Compiled steps a call: the configured number, or one on a CPU and twenty on an accelerator."""
    return config.train.steps_per_call or (1 if jax.default_backend() == "cpu" else 20)


def _due(before, after, every):
    return before // every != after // every


def _finite_means(pending, name, step):
    """Means of the metrics since the last log; TrainingStopped names the first that is not finite."""
    values = jax.device_get(pending)
    means = {key: float(np.mean(np.concatenate([part[key] for part in values]))) for key in values[0]}
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


def write_sample_grid(trainer, name, arrays, directory, state):
    """Writes `step_N.png`: real nodule, synthesised nodule, its mask, and what it changed in the background.

    The patients are held out where the fold holds any out; the genes are theirs, the backgrounds too.
    """
    cohort, config = trainer.cohort, trainer.config
    patients = (folds.held_out_patients(cohort, name) or cohort.patients)[:SAMPLE_COUNT]
    rows = cohort.indices(patients)
    nodules = np.array([np.flatnonzero(cohort.nodules.patient == row)[0] for row in rows])
    places = np.array([np.flatnonzero(cohort.backgrounds.patient == row)[0] for row in rows])
    background = np.asarray(window.scale_hu(arrays.background_hu[places], config.data.window_hu))[..., None]
    real = np.asarray(window.scale_hu(arrays.nodule_hu[nodules], config.data.window_hu))
    noise = jax.random.normal(jax.random.key(0), (len(rows), config.model.noise_size))
    synthesis = jax.device_get(trainer.sample(state.ema, background, arrays.components[rows], noise))
    image = synthesis.image[..., 0]
    writers.write_samples(
        directory / f"step_{int(state.step):07d}.png",
        [(real + 1) / 2, (image + 1) / 2, synthesis.mask[..., 0], (image - background[..., 0] + 1) / 2],
    )
