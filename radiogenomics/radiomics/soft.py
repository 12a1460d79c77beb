"""Differentiable image features of a soft nodule mask, for losses and Jacobians.

They follow `exact` term by term: on a binary mask the two agree closely, a soft one is followed at its level 0.5.
Lengths are in voxels until the last step. Sums that divide are floored at one voxel and roots are kept off zero, so
values and gradients are finite for every mask, an empty one included. Stencils are slices and small matrices, which
XLA differentiates and runs faster than convolutions of one channel.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from radiogenomics.errors import InputError
from radiogenomics.radiomics.exact import (
    CORE_RADIUS,
    PROFILE_KNOTS,
    PROFILE_SHRINKAGE,
    PROFILE_STEP,
    WIDE_BINOMIAL,
)
from radiogenomics.radiomics.names import resolve

SHAPE_SHARPNESS = 4  # factor on the mask's logits: towards the mask thresholded at 0.5, still with a wide gradient
INTENSITY_SHARPNESS = 8  # the lung around a nodule is 800 HU away: a little of it would drown the nodule's own SD
CORE_SOFTNESS = 0.02  # of the mask's own ellipse
MARGIN = 2  # voxels around the patch, so that a mask at its border has a boundary there
FLAT_SLOPE = 1e-3  # squared mask gradient a voxel below which no boundary is located
SD_FLOOR_HU = 1.0  # bounds the derivative of a standard deviation at zero


def soft_features(image_hu, mask, spacing_mm, names):
    """The features `names` of one patch, [F] float32, differentiable in the image and the mask.

    `image_hu` [*S] in HU and `mask` [*S] in 0..1, 2-D or 3-D; `spacing_mm` is the voxel edge along every axis.
    Definitions: `names.FEATURES`. Pure, and safe under jit, vmap and grad.
    Raises InputError for an unknown feature or a mask that differs in shape from the image.
    """
    image, mask = jnp.asarray(image_hu, float), jnp.asarray(mask, float)
    if image.shape != mask.shape:
        raise InputError(f"mask has shape {mask.shape}, expected that of image_hu, {image.shape}.")
    names = resolve(names, image.ndim)
    with jax.default_matmul_precision("highest"):  # TPU and GPU otherwise round HU to a few significant bits
        values = _all_features(image, mask, spacing_mm)
    return jnp.stack([values[name] for name in names])


def batch_soft_features(images_hu, masks, spacing_mm, names):
    """`soft_features` of each patch of `images_hu` and `masks` [N, *S], compiled once a shape; [N, F] float32."""
    return _batch_compiled(images_hu, masks, spacing_mm, names=tuple(names))


@functools.partial(jax.jit, static_argnames="names")
def _batch_compiled(images_hu, masks, spacing_mm, names):
    return jax.vmap(lambda image, mask: soft_features(image, mask, spacing_mm, names))(images_hu, masks)


def _all_features(image, mask, spacing_mm):
    """Every feature by name; under jit those not asked for cost nothing."""
    region, inside = _sharpen(mask, SHAPE_SHARPNESS), _sharpen(mask, INTENSITY_SHARPNESS)
    mean = _weighted_mean(image, inside)
    deviation = image - mean
    centre, covariance = _mask_moments(region)
    variances, precision = _principal_variances(covariance)
    points, weights = _boundary(region)
    interior = _erode(inside)
    radius = _ellipse_radius(_coordinates(mask.shape), centre, precision)
    roundness = _roundness(region.sum(), weights.sum(), mask.ndim)
    return {
        "equivalent_diameter_mm": spacing_mm * _equivalent_diameter(mask.sum(), mask.ndim),
        "mean_hu": mean,
        "sd_hu": jnp.sqrt(_weighted_mean(deviation**2, inside) + SD_FLOOR_HU**2),
        "circularity": roundness,
        "sphericity": roundness,
        "elongation": jnp.sqrt(variances[-2] / variances[-1]),
        "spiculation": _variation(_ellipse_radius(points, centre, precision), weights),
        "core_to_rim_hu": _core_to_rim(deviation, inside, interior, radius),
        "edge_sharpness_hu_per_mm": _edge_sharpness(image, weights) / spacing_mm,
        "texture_energy_hu": _texture_energy(deviation, interior, radius),
    }


def _sharpen(mask, sharpness):
    """The mask with its logits multiplied by `sharpness`, written without logits, which are infinite at 0 and 1."""
    inside, outside = mask**sharpness, (1.0 - mask) ** sharpness
    return inside / (inside + outside)


def _weighted_mean(values, weight):
    """Mean over the patch; a weight of less than one voxel shrinks it towards zero."""
    return (weight * values).sum() / jnp.maximum(weight.sum(), 1.0)


def _magnitude(square):
    return jnp.sqrt(square + 1e-6) - 1e-3


def _neighbours(values, axis):
    """The lower and the upper voxel of every pair of neighbours along `axis`."""
    lower = jax.lax.slice_in_dim(values, 0, -1, axis=axis)
    return lower, jax.lax.slice_in_dim(values, 1, None, axis=axis)


def _average(values, axes):
    for axis in axes:
        low, high = _neighbours(values, axis)
        values = (low + high) / 2.0
    return values


def _corner_gradient(padded):
    """[ndim, ...] gradient per voxel at the voxel corners of a padded patch: neighbour differences."""
    gradient = []
    for axis in range(padded.ndim):
        low, high = _neighbours(padded, axis)
        gradient.append(_average(high - low, [other for other in range(padded.ndim) if other != axis]))
    return jnp.stack(gradient)


def _coordinates(shape):
    """[ndim, *S] voxel coordinates about the middle of the patch."""
    axes = [np.arange(size, dtype=np.float32) - (size - 1) / 2 for size in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def _equivalent_diameter(volume, ndim):
    """In voxels; below one voxel a parabola that meets the root with equal slope, whose own slope is unbounded."""
    power = 1.0 / ndim
    parabola = volume * (2.0 - power + (power - 1.0) * volume)
    root = jnp.where(volume < 1.0, parabola, jnp.maximum(volume, 1.0) ** power)
    return root * ((4.0 / np.pi) ** 0.5 if ndim == 2 else (6.0 / np.pi) ** (1.0 / 3.0))


def _roundness(volume, surface, ndim):
    """Surface of the ball of equal volume over the surface, floored at that of a one-voxel ball."""
    ball = np.pi * _equivalent_diameter(volume, ndim) ** (ndim - 1)
    return ball / jnp.maximum(surface, np.pi * _equivalent_diameter(1.0, ndim) ** (ndim - 1))


def _mask_moments(mask):
    """Centre [ndim] and covariance [ndim, ndim] of the mask, a voxel's own extent (1/12) included."""
    coordinates = _coordinates(mask.shape).reshape(mask.ndim, -1)
    weight = mask.ravel() / jnp.maximum(mask.sum(), 1.0)
    centre = (coordinates * weight).sum(1)
    centred = coordinates - centre[:, None]
    return centre, (centred * weight) @ centred.T + jnp.eye(mask.ndim, dtype=jnp.float32) / 12.0


def _principal_variances(covariance):
    """Ascending eigenvalues and the inverse of a covariance, with first derivatives that exist everywhere.

    The eigenvectors of a circular mask are arbitrary and their derivative is infinite, but neither result needs it:
    d(value_i) = v_i' dC v_i, and 2P - PCP has the value and the derivative of the inverse where P is its value.
    """
    fixed, vectors = jnp.linalg.eigh(jax.lax.stop_gradient(covariance))
    values = (vectors * (covariance @ vectors)).sum(0)
    inverse = (vectors / fixed) @ vectors.T
    return values, 2.0 * inverse - inverse @ covariance @ inverse


def _boundary(mask):
    """The 0.5 level set: points [ndim, *S'] and their weights [*S'], which sum to its length (3-D: area).

    Total variation: by the co-area formula the gradient's magnitude weighs level sets by their length. Every corner
    then steps onto the level set along the gradient, assuming a logistic edge, so that a thick edge does not pass for
    an irregular one.
    """
    padded = jnp.pad(mask, MARGIN)
    value, gradient = _average(padded, range(mask.ndim)), _corner_gradient(padded)
    square = (gradient**2).sum(0)
    logit = jnp.log((value + 1e-3) / (1.0 - value + 1e-3))
    step = value * (1.0 - value) * logit / (square + FLAT_SLOPE)
    return _coordinates(value.shape) - step * gradient, _magnitude(square)


def _ellipse_radius(points, centre, precision):
    """Radius of `points` [ndim, *S] in units of the mask's own ellipse, the uniform one of equal covariance."""
    centred = points - centre.reshape((-1,) + (1,) * (points.ndim - 1))
    ndim = len(centre)
    square = sum(precision[a, b] * centred[a] * centred[b] for a in range(ndim) for b in range(ndim))
    return jnp.sqrt(square / (ndim + 2) + 1e-6)


def _variation(values, weights):
    mean = _weighted_mean(values, weights)
    return jnp.sqrt(_weighted_mean((values - mean) ** 2, weights) + 1e-4) / jnp.maximum(mean, 0.1)


def _core_to_rim(deviation, mask, interior, radius):
    """Fades to zero with the last voxel of the rim: `exact` has no value there."""
    core = jax.nn.sigmoid((CORE_RADIUS - radius) / CORE_SOFTNESS)
    rim = interior * (1.0 - core)
    difference = _weighted_mean(deviation, mask * core) - _weighted_mean(deviation, rim)
    return difference * jnp.minimum(rim.sum(), 1.0)


def _edge_sharpness(image, weights):
    """Mean slope over the boundary; averaging neighbour differences along their axis makes them central ones."""
    gradient = _corner_gradient(jnp.pad(image, MARGIN + 1, mode="edge"))
    central = [_crop(_average(slope, (axis, axis)), axis) for axis, slope in enumerate(gradient)]
    return _weighted_mean(_magnitude(sum(slope**2 for slope in central)), weights)


def _texture_energy(deviation, interior, radius):
    """RMS in the interior after the radial profile (cavity, rim) and then the local mean are taken off."""
    knots = np.arange(PROFILE_KNOTS, dtype=np.float32).reshape((-1,) + (1,) * radius.ndim)
    position = jnp.minimum(radius / PROFILE_STEP, PROFILE_KNOTS - 1)
    shares = jnp.clip(1.0 - jnp.abs(position - knots), 0.0, None)
    flat, weight = shares.reshape(PROFILE_KNOTS, -1), interior.ravel()
    centred = (deviation - _weighted_mean(deviation, interior)).ravel()
    profile = flat @ (weight * centred) / (flat @ weight + PROFILE_SHRINKAGE)
    residual = (centred - profile @ flat).reshape(radius.shape)
    local = _smooth(interior * residual) / (_smooth(interior) + 1e-3)
    return jnp.sqrt(_weighted_mean((residual - local) ** 2, interior) + SD_FLOOR_HU**2)


def _erode(mask):
    """The mask times its 2 ndim face neighbours: of a binary mask, its erosion."""
    eroded = mask
    for axis, size in enumerate(mask.shape):
        padded = jnp.pad(mask, [(int(axis == other),) * 2 for other in range(mask.ndim)])
        below = jax.lax.slice_in_dim(padded, 0, size, axis=axis)
        eroded = eroded * below * jax.lax.slice_in_dim(padded, 2, size + 2, axis=axis)
    return eroded


def _crop(padded, kept_axis):
    """`padded` without its margin of one voxel, except along `kept_axis`."""
    return padded[tuple(slice(None) if axis == kept_axis else slice(1, -1) for axis in range(padded.ndim))]


def _smooth(values):
    for axis, size in enumerate(values.shape):
        stencil = ndimage.correlate1d(np.eye(size, dtype=np.float32), WIDE_BINOMIAL, axis=0, mode="constant")
        values = jnp.moveaxis(jnp.tensordot(stencil, values, axes=(1, axis)), 0, axis)
    return values
