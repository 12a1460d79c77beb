"""Rivals of the generator that learn nothing, each telling whether a measure can be trusted.

All make the same `PatientSample`s on the same draws as the generator, for every held-out patient, in 2-D and 3-D.
"""

import numpy as np

from radiogenomics.analysis import samples, synthesis
from radiogenomics.data import window


def no_op(run, names):
    """Backgrounds left as they are, each claimed to hold a nodule under the mask of a random training nodule.

    Any measure of realism must find this bad. Returns a `PatientSample` of every held-out patient.
    """
    def add_nothing(fold, row, generator, background_hu):
        chosen = _random_nodules(run, fold, len(background_hu), generator)
        return background_hu, run.cohort.nodules.mask[chosen] > 0

    return _sample_patients(run, names, add_nothing)


def copy_training(run, names):
    """A random training patient's real nodule in each background, through its mask.

    Realism must find this good and memorisation bad. Returns a `PatientSample` of every held-out patient.
    """
    def paste_random(fold, row, generator, background_hu):
        return _paste(run, _random_nodules(run, fold, len(background_hu), generator), background_hu)

    return _sample_patients(run, names, paste_random)


def paste_nearest(run, names):
    """The nodules of the training patient with the nearest gene components, slice after slice over the draws.

    The rival in gene control that any atlas could be. Returns a `PatientSample` of every held-out patient.
    """
    def paste(fold, row, generator, background_hu):
        apart = np.linalg.norm(fold.components[fold.training] - fold.components[row], axis=1)
        slices = np.flatnonzero(run.cohort.nodules.patient == fold.training[apart.argmin()])
        return _paste(run, np.resize(slices, len(background_hu)), background_hu)

    return _sample_patients(run, names, paste)


def _sample_patients(run, names, make):
    """Samples from `make(fold, row, generator, background_hu) -> (image_hu, mask)`, on the generator's draws."""
    made = []
    for fold in run.folds:
        draws = synthesis.make_draws(run, fold, run.config.evaluate.backgrounds, run.config.evaluate.noises)
        background_hu = window.to_hu(draws.background[..., 0], run.config.data.window_hu)
        for row in fold.held_out:
            generator = np.random.default_rng([run.config.seed, int(row)])
            image_hu, mask = make(fold, row, generator, background_hu)
            made.append(samples.measure_sample(run, names, row, image_hu, mask, background_hu))
    return made


def _random_nodules(run, fold, count, generator):
    """Rows [count] of nodule patches: a training patient each, then one of its slices."""
    owners = run.cohort.nodules.patient
    return np.array(
        [generator.choice(np.flatnonzero(owners == patient)) for patient in generator.choice(fold.training, count)]
    )


def _paste(run, chosen, background_hu):
    nodules = run.cohort.nodules
    mask = nodules.mask[chosen] > 0
    # The generator cannot leave the window either.
    nodule_hu = np.clip(nodules.image_hu[chosen].astype(np.float32), *run.config.data.window_hu)
    return np.where(mask, nodule_hu, background_hu), mask
