"""What the differentiable features of one soft mask share: sharpened weights, moments, level set, interior.

On a binary mask they agree closely with `exact_region`, a soft mask is followed at its level 0.5. Lengths are in
voxels. Sums that divide are floored at one voxel and roots are kept off zero, so values and gradients are finite for
every mask, an empty one included. Stencils are slices and small matrices, which XLA differentiates and runs faster
than convolutions of one channel. A quantity is traced when first asked for.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics.radiomics.soft_cooccurrence import describe_cooccurrence
from radiogenomics.radiomics.soft_weights import magnitude, sharpen, weighted_mean

SHAPE_SHARPNESS = 6  # factor on the mask's logits: towards the mask thresholded at 0.5, still with a wide gradient
INTENSITY_SHARPNESS = 16  # the lung around a nodule is 800 HU away: a little of it would drown the nodule's own SD
LEVEL_SHARPNESS = 4  # of the sharing between two bins of grey levels, 1 being linear
CRISP_LEVEL_SHARPNESS = 16  # for mutual information, which a few voxels overestimate by as much as it is
PADDING = 2  # voxels around the patch, so that a mask at its border has a boundary there
FLAT_SLOPE = 1e-3  # squared mask gradient a voxel below which no boundary is located


@dataclasses.dataclass(frozen=True, eq=False)
class SoftRegion:
    """One nodule: `image` [*S] in HU, `mask` [*S] in 0..1 and the voxel edge, all possibly traced."""

    image: Any
    mask: Any
    spacing_mm: Any

    @functools.cached_property
    def extent(self):
        """Weights [*S] of the voxels for size and shape."""
        return sharpen(self.mask, SHAPE_SHARPNESS)

    @functools.cached_property
    def inside(self):
        """Weights [*S] of the voxels for attenuation."""
        return sharpen(self.mask, INTENSITY_SHARPNESS)

    @functools.cached_property
    def interior(self):
        """Weights [*S] without the boundary voxels, whose attenuation is partly the lung's."""
        return erode(self.inside)

    @functools.cached_property
    def mean_hu(self):
        """Mean attenuation inside."""
        return weighted_mean(self.image, self.inside)

    @functools.cached_property
    def deviation(self):
        """Attenuation [*S] less its mean inside, in HU."""
        return self.image - self.mean_hu

    @functools.cached_property
    def moments(self):
        """Centre [ndim] and covariance [ndim, ndim] of the mask, a voxel's own extent (1/12) included."""
        coordinates = list_coordinates(self.mask.shape).reshape(self.mask.ndim, -1)
        weight = self.extent.ravel() / jnp.maximum(self.extent.sum(), 1.0)
        centre = (coordinates * weight).sum(1)
        centred = coordinates - centre[:, None]
        return centre, (centred * weight) @ centred.T + jnp.eye(self.mask.ndim, dtype=jnp.float32) / 12.0

    @functools.cached_property
    def principal(self):
        """Ascending eigenvalues and the inverse of the covariance, with first derivatives that exist everywhere.

        The eigenvectors of a circular mask are arbitrary and their derivative is infinite, but neither result needs it:
        d(value_i) = v_i' dC v_i, and 2P - PCP has the value and the derivative of the inverse where P is its value.
        """
        _, covariance = self.moments
        fixed, vectors = jnp.linalg.eigh(jax.lax.stop_gradient(covariance))
        values = (vectors * (covariance @ vectors)).sum(0)
        inverse = (vectors / fixed) @ vectors.T
        return values, 2.0 * inverse - inverse @ covariance @ inverse

    @functools.cached_property
    def boundary(self):
        """The 0.5 level set: points and normals [ndim, *S'] and weights [*S'], which sum to its length (3-D: area).

        A normal points outwards and is as long as its weight.

        Total variation: by the co-area formula the gradient's magnitude weighs level sets by their length. Every corner
        then steps onto the level set along the gradient, assuming a logistic edge, so that a thick edge does not pass
        for an irregular one.
        """
        padded = jnp.pad(self.extent, PADDING)
        value, gradient = average(padded, range(padded.ndim)), corner_gradient(padded)
        square = (gradient**2).sum(0)
        logit = jnp.log((value + 1e-3) / (1.0 - value + 1e-3))
        step = value * (1.0 - value) * logit / (square + FLAT_SLOPE)
        return list_coordinates(value.shape) - step * gradient, -gradient, magnitude(square)

    @functools.cached_property
    def radius(self):
        """Radius [*S] of the voxels in units of the mask's own ellipse."""
        return self.ellipse_radius(list_coordinates(self.mask.shape))

    @functools.cached_property
    def boundary_radius(self):
        """Radius [*S'] of the boundary's points in units of the mask's own ellipse."""
        return self.ellipse_radius(self.boundary[0])

    @functools.cached_property
    def cooccurrences(self):
        """`glcm.Joint` of the grey levels of neighbouring voxels."""
        return describe_cooccurrence(self.image, self.inside, LEVEL_SHARPNESS)

    @functools.cached_property
    def crisp_cooccurrences(self):
        """The same of grey levels that are almost those of hard bins, with a derivative only near the bins' limits."""
        return describe_cooccurrence(self.image, self.inside, CRISP_LEVEL_SHARPNESS)

    def ellipse_radius(self, points):
        """Radius of `points` [ndim, *S] in units of the mask's own ellipse, the uniform one of equal covariance."""
        centre, precision = self.moments[0], self.principal[1]
        centred = centre_points(points, centre)
        ndim = len(centre)
        square = sum(precision[a, b] * centred[a] * centred[b] for a in range(ndim) for b in range(ndim))
        return jnp.sqrt(square / (ndim + 2) + 1e-6)


def list_coordinates(shape):
    """[ndim, *S] voxel coordinates about the middle of the patch."""
    axes = [np.arange(size, dtype=np.float32) - (size - 1) / 2 for size in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def centre_points(points, centre):
    """Points [ndim, *S] about `centre` [ndim]."""
    return points - centre.reshape((-1,) + (1,) * (points.ndim - 1))


def _neighbours(values, axis):
    """The lower and the upper voxel of every pair of neighbours along `axis`."""
    lower = jax.lax.slice_in_dim(values, 0, -1, axis=axis)
    return lower, jax.lax.slice_in_dim(values, 1, None, axis=axis)


def average(values, axes):
    """Mean of neighbouring pairs along each of `axes`, which lose one voxel each time they are named."""
    for axis in axes:
        low, high = _neighbours(values, axis)
        values = (low + high) / 2.0
    return values


def corner_gradient(padded):
    """[ndim, ...] gradient per voxel at the voxel corners of a padded patch: neighbour differences."""
    gradient = []
    for axis in range(padded.ndim):
        low, high = _neighbours(padded, axis)
        gradient.append(average(high - low, [other for other in range(padded.ndim) if other != axis]))
    return jnp.stack(gradient)


def erode(mask):
    """The mask times its 2 ndim face neighbours: of a binary mask, its erosion."""
    eroded = mask
    for axis, size in enumerate(mask.shape):
        padded = jnp.pad(mask, [(int(axis == other),) * 2 for other in range(mask.ndim)])
        below = jax.lax.slice_in_dim(padded, 0, size, axis=axis)
        eroded = eroded * below * jax.lax.slice_in_dim(padded, 2, size + 2, axis=axis)
    return eroded
