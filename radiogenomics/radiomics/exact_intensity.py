"""Exact distribution of attenuation inside a nodule: IBSI statistics, and shares of solid and ground glass."""

import functools

import numpy as np

from radiogenomics.radiomics.ibsi import statistics

SOLID_HU = -160.0  # least attenuation of solid tissue
GROUND_GLASS_HU = (-750.0, -300.0)  # least and largest attenuation of ground glass


def statistic(region, function):
    """A feature of `ibsi.statistics` of the attenuation inside, in its unit; NaN where it is undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return function(region.sample)[0]


def deviation(region):
    """Square root of the population variance, in HU (root of IBSI ECT3)."""
    return np.sqrt(statistic(region, statistics.variance))


def solid_fraction(region):
    """Share of the voxels above -160 HU."""
    return np.mean(region.attenuation > SOLID_HU)


def ground_glass_fraction(region):
    """Share of the voxels between -750 and -300 HU."""
    low, high = GROUND_GLASS_HU
    return np.mean((region.attenuation > low) & (region.attenuation < high))


INTENSITY = {
    "mean_hu": functools.partial(statistic, function=statistics.mean),
    "sd_hu": deviation,
    "skewness": functools.partial(statistic, function=statistics.skewness),
    "kurtosis": functools.partial(statistic, function=statistics.kurtosis),
    "p10_hu": functools.partial(statistic, function=statistics.p10),
    "median_hu": functools.partial(statistic, function=statistics.median),
    "p90_hu": functools.partial(statistic, function=statistics.p90),
    "solid_fraction": solid_fraction,
    "ground_glass_fraction": ground_glass_fraction,
}
