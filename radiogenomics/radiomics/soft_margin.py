"""Differentiable margin of a nodule: the boundary's radius, and the slope across it."""

import jax.numpy as jnp

from radiogenomics.radiomics.harmonics import explain_variance
from radiogenomics.radiomics.soft_region import PADDING, average, centre_points, corner_gradient
from radiogenomics.radiomics.soft_weights import magnitude, weighted_mean

VARIANCE_FLOOR = 1e-4  # of the boundary's radius; bounds the derivative of a standard deviation at zero
LEAST_RADIUS = 0.1  # in units of the ellipse


def spiculation(region):
    """Coefficient of variation of the boundary's radius."""
    _, _, weights = region.boundary
    mean = weighted_mean(region.boundary_radius, weights)
    return _variation(weighted_mean((region.boundary_radius - mean) ** 2, weights), mean)


def lobulation(region):
    """Coefficient of variation of the part of the boundary's radius that low frequencies explain."""
    points, _, weights = region.boundary
    centred = centre_points(points, region.moments[0]).reshape(len(points), -1)
    directions = centred / jnp.sqrt((centred**2).sum(0) + 1e-3)
    shares = weights.ravel() / jnp.maximum(weights.sum(), 1.0)
    explained = explain_variance(directions, region.boundary_radius.ravel(), shares)
    mean = weighted_mean(region.boundary_radius, weights)
    return _variation(jnp.maximum(explained, 0.0), mean)


def edge_sharpness(region):
    """Mean slope over the boundary in HU per mm."""
    gradient = corner_gradient(jnp.pad(region.image, PADDING + 1, mode="edge"))
    # averaging the differences of neighbours along their axis makes central ones
    central = [_crop(average(slope, (axis, axis)), axis) for axis, slope in enumerate(gradient)]
    return weighted_mean(magnitude(sum(slope**2 for slope in central)), region.boundary[2]) / region.spacing_mm


def _variation(variance, mean):
    return jnp.sqrt(variance + VARIANCE_FLOOR) / jnp.maximum(mean, LEAST_RADIUS)


def _crop(padded, kept_axis):
    """`padded` without its margin of one voxel, except along `kept_axis`."""
    return padded[tuple(slice(None) if axis == kept_axis else slice(1, -1) for axis in range(padded.ndim))]


MARGIN = {
    "spiculation": spiculation,
    "lobulation": lobulation,
    "edge_sharpness_hu_per_mm": edge_sharpness,
}
