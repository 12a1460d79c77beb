"""Regions of a nodule that genes may act in: their mean attenuation, alike for real and for synthesised nodules."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics import settings
from radiogenomics.analysis import features, synthesis
from radiogenomics.radiomics.exact_texture import CORE_RADIUS
from radiogenomics.radiomics.soft_region import SoftRegion
from radiogenomics.radiomics.soft_texture import CORE_SOFTNESS
from radiogenomics.radiomics.soft_weights import weighted_mean

REGIONS = ("core", "rim", "margin")
MARGIN_MM = 3.0  # of lung around the nodule
DEFINITIONS = {
    "core": "inside the concentric ellipse of half the nodule's size",
    "rim": "the rest of the nodule",
    "margin": f"outside of the nodule, within {MARGIN_MM:g} mm of it",
}


def region_weights(region):
    """Weights [3, *S] of the voxels of a `SoftRegion` in the `REGIONS`; the margin is counted in steps across faces."""
    core = region.inside * jax.nn.sigmoid((CORE_RADIUS - region.radius) / CORE_SOFTNESS)
    grown = region.inside
    for _ in range(max(1, round(MARGIN_MM / region.spacing_mm))):
        grown = _dilate(grown)
    return jnp.stack([core, region.inside - core, grown - region.inside])


def soft_region_means(image_hu, mask, spacing_mm):
    """Mean attenuation [3] in HU of the `REGIONS` of one patch [*S], differentiable, and their sizes [3] in voxels.

    The regions move with the mask, so that growth alone changes none of the means. A region below one voxel has a mean
    without meaning.
    """
    weights = region_weights(SoftRegion(image_hu, mask, spacing_mm))
    sizes = weights.reshape(len(weights), -1).sum(axis=1)
    return jnp.stack([weighted_mean(image_hu, weight) for weight in weights]), sizes


def _dilate(mask):
    """The mask grown by its 2 ndim face neighbours: of a binary mask, its dilation."""
    outside = 1.0 - mask
    for axis, size in enumerate(mask.shape):
        padded = jnp.pad(mask, [(int(axis == other),) * 2 for other in range(mask.ndim)])
        below = jax.lax.slice_in_dim(padded, 0, size, axis=axis)
        outside = outside * (1.0 - below) * (1.0 - jax.lax.slice_in_dim(padded, 2, size + 2, axis=axis))
    return 1.0 - outside


def region_measure(run):
    """A function `(images_hu [D, *S], masks [D, *S]) -> [D, 3]` of differentiable regional means."""
    spacing_mm = settings.spacing_mm(run.config)
    return jax.vmap(lambda image, mask: soft_region_means(image, mask, spacing_mm)[0])


@functools.partial(jax.jit, static_argnames="spacing_mm")
def _binary_means(images_hu, masks, spacing_mm):
    return jax.vmap(lambda image, mask: soft_region_means(image, mask, spacing_mm))(images_hu, masks)


def region_means(images_hu, masks, spacing_mm):
    """Regional means [N, 3] in HU of patches [N, *S] with binary masks; NaN for a region below one voxel."""
    masks = np.asarray(masks, np.float32)
    means, sizes = map(np.asarray, _binary_means(np.asarray(images_hu, np.float32), masks, spacing_mm=spacing_mm))
    return np.where(sizes >= 1.0, means, np.nan)


@functools.partial(jax.jit, static_argnames="spacing_mm")
def _binary_weights(mask, spacing_mm):
    return region_weights(SoftRegion(mask, mask, spacing_mm))


def nodule_regions(mask, spacing_mm):
    """Partition of a patch by a binary mask [*S]: {region: [*S] bool} of the `REGIONS` and "outside", the rest."""
    parts = np.asarray(_binary_weights(np.asarray(mask, np.float32), spacing_mm=spacing_mm)) > 0.5
    return dict(zip(REGIONS, parts, strict=True)) | {"outside": ~parts.any(axis=0)}


def real_region_means(run):
    """Regional means [patients, 3] of real nodules: equal-weight mean over each patient's patches."""
    nodules = run.cohort.nodules
    means = region_means(nodules.image_hu, nodules.mask, settings.spacing_mm(run.config))
    return features.patient_means(run.cohort, means, REGIONS).to_numpy()


def synthesised_region_means(run, fold, rows, draws):
    """Regional means [n, 3] of nodules synthesised from the patients' genes, their masks cut at 0.5; mean over draws.

    NaN where no draw has the region.
    """
    spacing_mm, table = settings.spacing_mm(run.config), []
    for row in rows:
        images_hu, masks = synthesis.images_of(run, fold, fold.components[row], draws)
        table.append(features.mean_of_known(region_means(images_hu, masks >= 0.5, spacing_mm)))
    return np.stack(table)
