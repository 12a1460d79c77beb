"""Synthesis for measurement: backgrounds and noises are the same for every patient, so that only genes differ."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics import settings
from radiogenomics.data import window
from radiogenomics.radiomics import batch_soft_features

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
    spacing_mm, window_hu = settings.spacing_mm(run.config), tuple(run.config.data.window_hu)

    def features(variables, component, draws):
        synthesis = synthesise(run.generator, variables, component, draws)
        image_hu = window.to_hu(synthesis.image[..., 0], window_hu)
        return batch_soft_features(image_hu, synthesis.mask[..., 0], spacing_mm, names).mean(axis=0)

    return features


def measured_images(run, names):
    """A compiled function `(variables, components [n, K], draws)` -> means over the draws.

    Returns differentiable features [n, F], image [n, *S] in HU and mask [n, *S].
    """
    spacing_mm, window_hu = settings.spacing_mm(run.config), tuple(run.config.data.window_hu)

    def of_one(variables, component, draws):
        synthesis = synthesise(run.generator, variables, component, draws)
        image_hu, mask = window.to_hu(synthesis.image[..., 0], window_hu), synthesis.mask[..., 0]
        return batch_soft_features(image_hu, mask, spacing_mm, names).mean(0), image_hu.mean(0), mask.mean(0)

    return jax.jit(jax.vmap(of_one, in_axes=(None, 0, None)))


def measure_in_groups(measure, fold, components, draws):
    """Everything that `measure` of `measured_images` returns, for components [n, K], a group at a time.

    Groups bound the memory. They are of equal size, the last one filled up, so that one shape is compiled.
    """
    groups = -(-len(components) // MEASURED_AT_ONCE)
    size = -(-len(components) // groups)
    padded = np.concatenate([components, np.repeat(components[-1:], groups * size - len(components), axis=0)])
    parts = [
        measure(fold.variables, group.astype(np.float32), draws) for group in padded.reshape(groups, size, -1)
    ]
    return [np.concatenate(arrays)[: len(components)] for arrays in zip(*parts, strict=True)]
