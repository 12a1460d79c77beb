"""Differentiable grey level co-occurrence matrix of a nodule (IBSI LFYI), for the formulas of `ibsi.glcm`."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics.radiomics.exact_region import LEVEL_COUNT, LEVELS
from radiogenomics.radiomics.ibsi import glcm
from radiogenomics.radiomics.soft_weights import sharpen


def describe_cooccurrence(image_hu, inside, sharpness):
    """`glcm.Joint` of an image [*S] in HU and mask weights [*S]; an undefined feature is 0.

    A voxel's grey level is shared between the two nearest bins, linearly if `sharpness` is 1; a pair of neighbours
    weighs as much as the product of their mask weights. All directions and slices are merged.
    """
    shares = _share_levels(jnp.pad(image_hu, 1), jnp.pad(inside, 1), sharpness)
    middle = shares[(slice(1, -1),) * image_hu.ndim].reshape(-1, LEVEL_COUNT)
    pairs = middle.T @ _sum_later_neighbours(shares).reshape(-1, LEVEL_COUNT)  # one product for all directions
    probabilities = (pairs + pairs.T) / jnp.maximum(2.0 * pairs.sum(), 1.0)
    return glcm.describe(probabilities, np.arange(1.0, LEVEL_COUNT + 1.0), LEVEL_COUNT, undefined=0.0)


def _share_levels(image_hu, inside, sharpness):
    """Weight [*S, LEVEL_COUNT] of every voxel in every bin."""
    positions = (image_hu - LEVELS.lowest) / LEVELS.width - 0.5  # in bins, from the centre of the first
    within = jnp.clip(positions, 0.0, LEVEL_COUNT - 1.0)
    lower = jax.lax.stop_gradient(jnp.floor(within))
    nearer = lower + sharpen(within - lower, sharpness)
    bins = np.arange(LEVEL_COUNT, dtype=np.float32)
    return jnp.clip(1.0 - jnp.abs(nearer[..., None] - bins), 0.0, None) * inside[..., None]


def _sum_later_neighbours(padded):
    """Sum over the half of a voxel's neighbours that lie after it in memory; `padded` by one voxel loses its margin."""
    ndim = padded.ndim - 1
    later = [offset for offset in itertools.product((-1, 0, 1), repeat=ndim) if offset > (0,) * ndim]
    return sum(
        padded[tuple(slice(1 + step, size - 1 + step) for step, size in zip(offset, padded.shape, strict=False))]
        for offset in later
    )
