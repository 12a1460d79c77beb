"""The sample grid that training writes now and then, to be looked at."""

import jax
import numpy as np

from radiogenomics.data import window
from radiogenomics.train import folds, hosts, sharding, writers

SAMPLE_COUNT = 8


def write_sample_grid(trainer, name, directory, arrays, state):
    """Writes `samples/step_N.png` of a fold: real nodules, synthesised ones, their masks, and the background's change.

    The patients are held out where the fold holds any out; the genes are theirs, the backgrounds too. The first process
    alone synthesises and writes.

    Args:
      trainer: a `Trainer`.
      name, directory: of the fold.
      arrays: its `TrainingArrays`, on the host.
      state: its `TrainState`.
    """
    if not hosts.is_first():
        return
    cohort, config, patches = trainer.cohort, trainer.config, arrays.patches
    patients = (folds.held_out_patients(cohort, name) or cohort.patients)[:SAMPLE_COUNT]
    rows = cohort.indices(patients)
    nodules = np.array([np.flatnonzero(cohort.nodules.patient == row)[0] for row in rows])
    places = np.array([np.flatnonzero(cohort.backgrounds.patient == row)[0] for row in rows])
    background = np.asarray(window.scale_hu(patches.background_hu[places], config.data.window_hu))[..., None]
    real = np.asarray(window.scale_hu(patches.nodule_hu[nodules], config.data.window_hu))
    noise = jax.random.normal(jax.random.key(config.seed), (len(rows), config.model.noise_size))
    ema = sharding.own_copy(state.ema)
    synthesis = jax.device_get(trainer.sample(ema, background, arrays.scaled.components[rows], noise))
    image = synthesis.image[..., 0]
    writers.write_samples(
        directory / "samples" / f"step_{int(state.step):07d}.png",
        [(real + 1) / 2, (image + 1) / 2, synthesis.mask[..., 0], (image - background[..., 0] + 1) / 2],
    )
