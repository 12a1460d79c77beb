"""Exact texture of a nodule: core against rim, deviation from the local mean, and co-occurrence of grey levels."""

import functools

import numpy as np
from scipy import ndimage

from radiogenomics.radiomics.ibsi import glcm

CORE_RADIUS = 0.5  # of the mask's own ellipse
PROFILE_STEP = 1.0 / 6.0  # between knots of the radial profile, in radii of the mask's own ellipse
PROFILE_KNOTS = 7  # up to 1, the rim of the ellipse; spikes beyond it share the last knot
PROFILE_SHRINKAGE = 0.3  # voxels; a knot with few voxels would otherwise fit their texture
WIDE_BINOMIAL = (0.0625, 0.25, 0.375, 0.25, 0.0625)  # the neighbourhood whose mean texture deviates from


def core_to_rim(region):
    """Mean attenuation of the core less that of the rim, in HU; NaN where one of them has no voxel."""
    core = region.radius < CORE_RADIUS
    rim = ~core & region.interior[region.inside]
    if not (core.any() and rim.any()):
        return np.nan
    return region.attenuation[core].mean() - region.attenuation[rim].mean()


def texture_energy(region):
    """RMS in the interior after the radial profile (cavity, rim) and then the local mean are taken off, in HU."""
    interior = region.interior
    if interior.sum() < 2**interior.ndim:
        return np.nan
    position = np.minimum(region.radius[interior[region.inside], None] / PROFILE_STEP, PROFILE_KNOTS - 1)
    shares = np.clip(1.0 - np.abs(position - np.arange(PROFILE_KNOTS)), 0.0, None)
    deviation = region.image[interior] - region.image[interior].mean()
    residual = np.zeros_like(region.image)
    residual[interior] = deviation - shares @ (deviation @ shares / (shares.sum(0) + PROFILE_SHRINKAGE))
    local = _smooth(residual)[interior] / _smooth(interior.astype(np.float64))[interior]
    return np.sqrt(np.mean((residual[interior] - local) ** 2))


def cooccurrence(region, name):
    """The GLCM feature `name` on grey levels of fixed width, directions and slices merged; NaN where undefined."""
    return region.cooccurrences[name]


def _smooth(values):
    for axis in range(values.ndim):
        values = ndimage.correlate1d(values, WIDE_BINOMIAL, axis=axis, mode="constant")
    return values


TEXTURE = {
    "core_to_rim_hu": core_to_rim,
    "texture_energy_hu": texture_energy,
} | {feature.name: functools.partial(cooccurrence, name=feature.name) for feature in glcm.FEATURES}
