"""Synthesis for measurement: backgrounds and noises are the same for every patient, so that only genes differ."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics import settings
from radiogenomics.data import window
from radiogenomics.radiomics import batch_soft_features
from radiogenomics.train import sharding

MEASURED_AT_ONCE = 10  # sets of components in one compiled call, each with every draw


class Draws(NamedTuple):
    """D pairs of background and noise that every patient's genes are combined with."""

    background: np.ndarray  # [D, *S, 1] scaled to -1..1
    noise: np.ndarray  # [D, Z]


def make_draws(run, fold, backgrounds, noises):
    """Every combination of `backgrounds` nodule-free patches of the fold's training patients and `noises` noises."""
    candidates = np.flatnonzero(np.isin(run.cohort.backgrounds.patient, fold.training))
    generator = np.random.default_rng(run.config.seed)
    chosen = np.sort(generator.choice(candidates, backgrounds, replace=len(candidates) < backgrounds))
    patches = np.asarray(window.scale_hu(run.cohort.backgrounds.image_hu[chosen], run.config.data.window_hu))
    return combine_draws(patches, draw_noise(run, noises))


def draw_noise(run, count):
    """Noise vectors [count, Z], the same for every patient and fold of a run."""
    generator = np.random.default_rng(run.config.seed)
    return generator.standard_normal((count, run.config.model.noise_size), dtype=np.float32)


def combine_draws(patches, noise):
    """Draws of every patch [B, *S] (scaled to -1..1) with every noise [N, Z]."""
    return Draws(np.repeat(patches, len(noise), axis=0)[..., None], np.tile(noise, (len(patches), 1)))


def images_of(run, fold, component, draws):
    """One patient's synthesised images [D, *S] in HU and masks [D, *S] in 0..1 for components [K]."""
    synthesis = _synthesise(run.generator, fold.variables, component, draws)
    # To HU on the host, so that untouched background pixels go through the very arithmetic that the background does.
    image_hu = window.to_hu(np.asarray(synthesis.image[..., 0]), run.config.data.window_hu)
    return image_hu, np.asarray(synthesis.mask[..., 0])


def synthesise(generator, variables, component, draws):
    """The generator's Synthesis [D, ...] of one patient's components [K] with every draw."""
    components = jnp.broadcast_to(component, (len(draws.noise), len(component)))
    return generator.apply(variables, draws.background, components, draws.noise)


_synthesise = jax.jit(synthesise, static_argnums=0)


def mean_features(run, names):
    """A function `(variables, component [K], draws) -> [F]`: differentiable features averaged over the draws (5.2)."""
    return mean_measures(run, [feature_measure(run, names)])


def feature_measure(run, names):
    """A function `(images_hu [D, *S], masks [D, *S]) -> [D, F]` of differentiable features."""
    spacing_mm = settings.spacing_mm(run.config)
    return lambda images_hu, masks: batch_soft_features(images_hu, masks, spacing_mm, names)


def mean_measures(run, measures):
    """A function `(variables, component [K], draws) -> [n]`: what `measures` say, side by side, mean over the draws."""
    window_hu = tuple(run.config.data.window_hu)

    def of_patient(variables, component, draws):
        made = synthesise(run.generator, variables, component, draws)
        images_hu, masks = window.to_hu(made.image[..., 0], window_hu), made.mask[..., 0]
        return jnp.concatenate([measure(images_hu, masks) for measure in measures], axis=1).mean(axis=0)

    return of_patient


def measured_features(run, names):
    """A function `(variables, components [g, n, K], draws) -> (features [g, n, F],)`, mean over the draws.

    Groups g are spread over the devices, the sets n of a group are one compiled call.
    """
    features = mean_features(run, names)
    return _spread_groups(lambda *arguments: (features(*arguments),))


def measured_images(run, names):
    """As `measured_features`, with images [g, n, *S] in HU and masks [g, n, *S] beside the features."""
    measure, window_hu = feature_measure(run, names), tuple(run.config.data.window_hu)

    def of_one(variables, component, draws):
        made = synthesise(run.generator, variables, component, draws)
        images_hu, masks = window.to_hu(made.image[..., 0], window_hu), made.mask[..., 0]
        return measure(images_hu, masks).mean(0), images_hu.mean(0), masks.mean(0)

    return _spread_groups(of_one)


def _spread_groups(of_one):
    of_group = jax.vmap(of_one, in_axes=(None, 0, None))
    spread = sharding.spread_over_devices(lambda shared, group: of_group(shared[0], group, shared[1]))

    def measure(variables, groups, draws):
        return [np.stack(arrays) for arrays in zip(*spread((variables, draws), groups), strict=True)]

    return measure


def measure_in_groups(measure, fold, components, draws):
    """Everything that `measure` returns (`measured_images`, `measured_features`), for components [n, K].

    Groups bound the memory. They are of equal size, the last one filled up, so that one shape is compiled.
    """
    groups = -(-len(components) // MEASURED_AT_ONCE)
    size = -(-len(components) // groups)
    padded = np.concatenate([components, np.repeat(components[-1:], groups * size - len(components), axis=0)])
    parts = measure(fold.variables, padded.reshape(groups, size, -1).astype(np.float32), draws)
    return [values.reshape(groups * size, *values.shape[2:])[: len(components)] for values in parts]


def patient_blocks(count):
    """Positions of `count` patients in blocks of as many as there are devices: work for all in bounded memory."""
    return np.split(np.arange(count), range(jax.device_count(), count, jax.device_count()))
