"""Differentiable distribution of attenuation inside a nodule."""

import jax
import jax.numpy as jnp

from radiogenomics.radiomics.exact_intensity import GROUND_GLASS_HU, SOLID_HU
from radiogenomics.radiomics.soft_weights import weighted_mean

SD_FLOOR_HU = 1.0  # bounds the derivative of a standard deviation at zero
MOMENT_FLOOR_HU = 5.0  # below the noise of a scanner: bounds skewness and kurtosis of constant attenuation
LIMIT_HU = 15.0  # softness of a limit of attenuation
STEP_HU = 20.0  # softness of the cumulative distribution
BISECTIONS = 16
LEAST_DENSITY = 1e-5  # per HU, bounds the derivative of a percentile between two groups of voxels


def mean(region):
    """Weighted mean, in HU."""
    return region.mean_hu


def deviation(region):
    """Weighted standard deviation, in HU."""
    return jnp.sqrt(weighted_mean(region.deviation**2, region.inside) + SD_FLOOR_HU**2)


def skewness(region):
    """Weighted third moment over the cube of the standard deviation."""
    return weighted_mean(_standardise(region) ** 3, region.inside)


def kurtosis(region):
    """Weighted fourth moment over the squared variance, less 3."""
    return weighted_mean(_standardise(region) ** 4, region.inside) - 3.0


def solid_fraction(region):
    """Weighted share above the limit of solid tissue."""
    return weighted_mean(_exceed(region.image, SOLID_HU), region.inside)


def ground_glass_fraction(region):
    """Weighted share between the limits of ground glass."""
    low, high = GROUND_GLASS_HU
    return weighted_mean(_exceed(region.image, low) - _exceed(region.image, high), region.inside)


def percentile(region, share):
    """Attenuation in HU at which the smoothed cumulative distribution reaches `share`.

    Bisection finds the root without a derivative; a step of Newton from there has that of the implicit function.
    """
    image, inside = region.image, region.inside
    weight = inside / jnp.maximum(inside.sum(), 1.0)

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2.0
        below = (fixed_weight * _accumulate(middle - fixed)).sum() < share * fixed_weight.sum()
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    fixed, fixed_weight = jax.lax.stop_gradient((image, weight))
    low, high = jax.lax.fori_loop(0, BISECTIONS, halve, (fixed.min(), fixed.max()), unroll=True)
    root = (low + high) / 2.0
    for _ in range(2):
        root = jax.lax.stop_gradient(root)
        density = (fixed_weight / (1.0 + ((root - fixed) / STEP_HU) ** 2) ** 1.5).sum() / (2.0 * STEP_HU)
        excess = (weight * (_accumulate(root - image) - share)).sum()
        root = root - excess / jnp.maximum(density, LEAST_DENSITY)
    return root


def _accumulate(distance_hu):
    """A step from 0 to 1 with tails so heavy that the distribution has a slope between two groups of voxels."""
    steps = distance_hu / STEP_HU
    return 0.5 + 0.5 * steps * jax.lax.rsqrt(1.0 + steps**2)


def _exceed(values_hu, limit_hu):
    return jax.nn.sigmoid((values_hu - limit_hu) / LIMIT_HU)


def _standardise(region):
    square = weighted_mean(region.deviation**2, region.inside) + MOMENT_FLOOR_HU**2
    return region.deviation / jnp.sqrt(square)


INTENSITY = {
    "mean_hu": mean,
    "sd_hu": deviation,
    "skewness": skewness,
    "kurtosis": kurtosis,
    "p10_hu": lambda region: percentile(region, 0.1),
    "median_hu": lambda region: percentile(region, 0.5),
    "p90_hu": lambda region: percentile(region, 0.9),
    "solid_fraction": solid_fraction,
    "ground_glass_fraction": ground_glass_fraction,
}
