"""Differentiable texture of a nodule: core against rim, deviation from the local mean, co-occurrence of grey levels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from radiogenomics.radiomics.exact_texture import (
    CORE_RADIUS,
    PROFILE_KNOTS,
    PROFILE_SHRINKAGE,
    PROFILE_STEP,
    WIDE_BINOMIAL,
)
from radiogenomics.radiomics.ibsi import glcm
from radiogenomics.radiomics.soft_weights import weighted_mean

INFORMATION = ("glcm_information_correlation_1", "glcm_information_correlation_2")
CORE_SOFTNESS = 0.02  # of the mask's own ellipse
SD_FLOOR_HU = 1.0  # bounds the derivative of a standard deviation at zero


def core_to_rim(region):
    """Mean of the core less that of the rim, in HU; fades to zero with the last voxel of the rim."""
    core = jax.nn.sigmoid((CORE_RADIUS - region.radius) / CORE_SOFTNESS)
    rim = region.interior * (1.0 - core)
    difference = weighted_mean(region.deviation, region.inside * core) - weighted_mean(region.deviation, rim)
    return difference * jnp.minimum(rim.sum(), 1.0)


def texture_energy(region):
    """RMS in the interior after the radial profile (cavity, rim) and then the local mean are taken off, in HU."""
    radius, interior, deviation = region.radius, region.interior, region.deviation
    knots = np.arange(PROFILE_KNOTS, dtype=np.float32).reshape((-1,) + (1,) * radius.ndim)
    position = jnp.minimum(radius / PROFILE_STEP, PROFILE_KNOTS - 1)
    shares = jnp.clip(1.0 - jnp.abs(position - knots), 0.0, None)
    flat, weight = shares.reshape(PROFILE_KNOTS, -1), interior.ravel()
    centred = (deviation - weighted_mean(deviation, interior)).ravel()
    profile = flat @ (weight * centred) / (flat @ weight + PROFILE_SHRINKAGE)
    residual = (centred - profile @ flat).reshape(radius.shape)
    local = _smooth(interior * residual) / (_smooth(interior) + 1e-3)
    return jnp.sqrt(weighted_mean((residual - local) ** 2, interior) + SD_FLOOR_HU**2)


def cooccurrence(region, name):
    """The GLCM feature `name` of grey levels shared between the two nearest bins; 0 where it is undefined."""
    joint = region.crisp_cooccurrences if name in INFORMATION else region.cooccurrences
    return glcm.evaluate(joint, (name,))[0]


def _smooth(values):
    for axis, size in enumerate(values.shape):
        stencil = ndimage.correlate1d(np.eye(size, dtype=np.float32), WIDE_BINOMIAL, axis=0, mode="constant")
        values = jnp.moveaxis(jnp.tensordot(stencil, values, axes=(1, axis)), 0, axis)
    return values


TEXTURE = {
    "core_to_rim_hu": core_to_rim,
    "texture_energy_hu": texture_energy,
} | {feature.name: functools.partial(cooccurrence, name=feature.name) for feature in glcm.FEATURES}
