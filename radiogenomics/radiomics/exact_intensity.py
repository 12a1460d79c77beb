"""Exact distribution of attenuation inside a nodule, by population moments."""

import numpy as np

SOLID_HU = -160.0  # least attenuation of solid tissue
GROUND_GLASS_HU = (-750.0, -300.0)  # least and largest attenuation of ground glass


def mean(region):
    """Mean of the attenuation, in HU (IBSI Q4LE)."""
    return region.attenuation.mean()


def deviation(region):
    """Square root of the population variance, in HU (root of IBSI ECT3)."""
    return region.attenuation.std()


def skewness(region):
    """Third central moment over the cube of the standard deviation (IBSI KE2A); NaN for constant attenuation."""
    return _standard_moment(region.attenuation, 3)


def kurtosis(region):
    """Fourth central moment over the squared variance, less 3 (IBSI IPH6); NaN for constant attenuation."""
    return _standard_moment(region.attenuation, 4) - 3.0


def p10(region):
    """10th percentile, linear between order statistics, in HU (IBSI QG58)."""
    return np.percentile(region.attenuation, 10.0)


def median(region):
    """Median, in HU (IBSI Y12H)."""
    return np.percentile(region.attenuation, 50.0)


def p90(region):
    """90th percentile, linear between order statistics, in HU (IBSI 8DWT)."""
    return np.percentile(region.attenuation, 90.0)


def solid_fraction(region):
    """Share of the voxels above -160 HU."""
    return np.mean(region.attenuation > SOLID_HU)


def ground_glass_fraction(region):
    """Share of the voxels between -750 and -300 HU."""
    low, high = GROUND_GLASS_HU
    return np.mean((region.attenuation > low) & (region.attenuation < high))


def _standard_moment(values, order):
    if np.ptp(values) == 0.0:
        return np.nan
    return np.mean((values - values.mean()) ** order) / values.std() ** order


INTENSITY = {
    "mean_hu": mean,
    "sd_hu": deviation,
    "skewness": skewness,
    "kurtosis": kurtosis,
    "p10_hu": p10,
    "median_hu": median,
    "p90_hu": p90,
    "solid_fraction": solid_fraction,
    "ground_glass_fraction": ground_glass_fraction,
}
