"""Differentiable size and shape of a nodule."""

import jax.numpy as jnp
import numpy as np

from radiogenomics.radiomics.soft_diameter import measure_widths, smooth_maximum
from radiogenomics.radiomics.soft_region import centre_points

VARIANCE_FLOOR = 1e-3  # voxels squared; bounds the derivative of an axis ratio


def equivalent_diameter(region):
    """Diameter of the disc or ball of the mask's sum, in mm."""
    return region.spacing_mm * _equivalent_diameter(region.mask.sum(), region.mask.ndim)


def volume(region):
    """The mask's sum times the voxel's area (mm2) or volume (mm3)."""
    return region.mask.sum() * region.spacing_mm**region.mask.ndim


def surface(region):
    """Length of the level set in mm, or its area in mm2."""
    return region.boundary[2].sum() * region.spacing_mm ** (region.mask.ndim - 1)


def roundness(region):
    """Surface of the disc or ball of equal volume over the surface, floored at that of a one-voxel ball.

    In 3-D the volume within the level set, as the exact face takes that within its mesh.
    """
    ndim = region.mask.ndim
    size = region.extent.sum() if ndim == 2 else _enclosed_volume(region)
    ball = np.pi * _equivalent_diameter(size, ndim) ** (ndim - 1)
    return ball / jnp.maximum(region.boundary[2].sum(), np.pi * _equivalent_diameter(1.0, ndim) ** (ndim - 1))


def elongation(region):
    """Square root of the second largest over the largest principal variance."""
    return _axis_ratio(region, -2)


def flatness(region):
    """Square root of the least over the largest principal variance."""
    return _axis_ratio(region, 0)


def maximum_diameter(region):
    """Smooth maximum over directions of the expected width, in mm."""
    return region.spacing_mm * smooth_maximum(measure_widths(region.extent))


def _enclosed_volume(region):
    """Volume in voxels within the level set, by the divergence theorem."""
    points, normals, _ = region.boundary
    return jnp.maximum((normals * centre_points(points, region.moments[0])).sum() / region.mask.ndim, 0.0)


def _axis_ratio(region, which):
    variances = jnp.maximum(region.principal[0] - 1.0 / 12.0, 0.0) + VARIANCE_FLOOR  # of the voxel centres, as in IBSI
    return jnp.sqrt(variances[which] / variances[-1])


def _equivalent_diameter(size, ndim):
    """In voxels; below one voxel a parabola that meets the root with equal slope, whose own slope is unbounded."""
    power = 1.0 / ndim
    parabola = size * (2.0 - power + (power - 1.0) * size)
    root = jnp.where(size < 1.0, parabola, jnp.maximum(size, 1.0) ** power)
    return root * ((4.0 / np.pi) ** 0.5 if ndim == 2 else (6.0 / np.pi) ** (1.0 / 3.0))


SHAPE = {
    "equivalent_diameter_mm": equivalent_diameter,
    "area_mm2": volume,
    "volume_mm3": volume,
    "perimeter_mm": surface,
    "surface_mm2": surface,
    "circularity": roundness,
    "sphericity": roundness,
    "elongation": elongation,
    "flatness": flatness,
    "maximum_diameter_mm": maximum_diameter,
}
