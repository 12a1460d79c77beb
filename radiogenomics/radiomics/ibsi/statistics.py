"""Intensity-based statistics of the reference manual: the distribution of a region's intensities, not discretised.

Percentiles interpolate linearly between the two nearest ordered values, at rank q (V - 1) counted from 0; the manual
names no rule, and its reference values agree with this one. Formulas: X_k the intensity of voxel k of V, mu their mean.
"""

import dataclasses
import functools

import numpy as np

from radiogenomics.radiomics.ibsi.definition import Feature

BLOCK = 2**16  # values at a time: what stays in a core's cache is faster than what does not


@dataclasses.dataclass(frozen=True)
class Sample:
    """The intensities of N regions: `values` [N, V] float64, ascending, NaN after a region's last; `count` [N]."""

    values: np.ndarray
    count: np.ndarray

    @functools.cached_property
    def inside(self):
        """[N, V] bool: which of `values` are a voxel's."""
        return np.arange(self.values.shape[1]) < self.count[:, None]

    @functools.cached_property
    def filled(self):
        """`values` with zero for NaN, so that sums need no mask."""
        return np.where(self.inside, self.values, 0.0)

    @functools.cached_property
    def mean(self):
        """[N] mean intensity."""
        return self.filled.sum(1) / self.count

    @functools.cached_property
    def deviation(self):
        """[N, V] values less their mean, zero past the end; exactly zero in a flat region, despite rounding."""
        flat = self.values[:, 0] == maximum(self)
        return np.where(self.inside & ~flat[:, None], self.filled - self.mean[:, None], 0.0)

    @functools.cached_property
    def squares(self):
        """[N, V] squared deviations."""
        return self.deviation**2

    @functools.cached_property
    def quantiles(self):
        """Percentile -> [N], for the 10th, 25th, 50th, 75th and 90th."""
        return {percent: _percentile(self, percent) for percent in (10, 25, 50, 75, 90)}


def gather(image, mask):
    """The `Sample` of the voxels of `image` [N, Z, Y, X] where `mask` (bool, same shape) holds."""
    count = mask.sum((1, 2, 3))
    values = np.full((len(mask), max(count.max(initial=0), 1)), np.nan)
    values[np.arange(values.shape[1]) < count[:, None]] = image[mask]
    values.sort(axis=1)
    return Sample(values, count)


def blocks(sample):
    """Parts of `sample`, some regions each, of about BLOCK values."""
    rows = max(1, BLOCK // sample.values.shape[1])
    return [
        Sample(sample.values[start : start + rows], sample.count[start : start + rows])
        for start in range(0, len(sample.count), rows)
    ]


def measure(image, mask):
    """The features of N regions, [N, F] float64 in the order of FEATURES, NaN where one is undefined.

    `image` [N, Z, Y, X] in units of intensity (HU), `mask` bool of the same shape, the intensity mask.
    Source: reference manual of the IBSI, intensity-based statistical features (UHIW).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = [np.stack([each.function(part) for each in FEATURES], 1) for part in blocks(gather(image, mask))]
    return np.concatenate(rows) if rows else np.empty((0, len(FEATURES)))


def mean(sample):
    """Mean intensity: the sum of X_k divided by V (IBSI Q4LE)."""
    return sample.mean


def variance(sample):
    """Intensity variance: the mean of (X_k - mu)^2, divided by V and not V - 1 (IBSI ECT3)."""
    return sample.squares.sum(1) / sample.count


def skewness(sample):
    """Skewness: the mean of (X_k - mu)^3 over the variance to the power 3/2; undefined in a flat region (IBSI KE2A)."""
    return np.einsum("nv,nv->n", sample.squares, sample.deviation) / sample.count / variance(sample) ** 1.5


def kurtosis(sample):
    """Excess kurtosis: the mean of (X_k - mu)^4 over the squared variance, less 3; undefined if flat (IBSI IPH6)."""
    return np.einsum("nv,nv->n", sample.squares, sample.squares) / sample.count / variance(sample) ** 2 - 3.0


def median(sample):
    """Median intensity (IBSI Y12H)."""
    return sample.quantiles[50]


def minimum(sample):
    """Smallest intensity (IBSI 1GSF)."""
    return sample.values[:, 0]


def p10(sample):
    """10th percentile of the intensities, interpolated linearly between ordered values (IBSI QG58)."""
    return sample.quantiles[10]


def p90(sample):
    """90th percentile of the intensities, interpolated linearly between ordered values (IBSI 8DWT)."""
    return sample.quantiles[90]


def maximum(sample):
    """Largest intensity (IBSI 84IY)."""
    last = np.maximum(sample.count - 1, 0)
    return np.take_along_axis(sample.values, last[:, None], 1)[:, 0]


def interquartile_range(sample):
    """75th percentile less the 25th (IBSI SALO)."""
    return sample.quantiles[75] - sample.quantiles[25]


def intensity_range(sample):
    """Largest intensity less the smallest (IBSI 2OJQ)."""
    return maximum(sample) - minimum(sample)


def mean_absolute_deviation(sample):
    """Mean of |X_k - mu| (IBSI 4FUA)."""
    return np.abs(sample.deviation).sum(1) / sample.count


def robust_mean_absolute_deviation(sample):
    """Mean absolute deviation, from their own mean, of the intensities from the 10th to 90th percentile (IBSI 1128)."""
    kept = (sample.values >= p10(sample)[:, None]) & (sample.values <= p90(sample)[:, None])
    count = kept.sum(1)
    centre = np.where(kept, sample.filled, 0.0).sum(1) / count
    return np.where(kept, np.abs(sample.filled - centre[:, None]), 0.0).sum(1) / count


def median_absolute_deviation(sample):
    """Mean of |X_k - median|, the mean and not the median of the deviations from the median (IBSI N72L)."""
    return np.where(sample.inside, np.abs(sample.filled - median(sample)[:, None]), 0.0).sum(1) / sample.count


def coefficient_of_variation(sample):
    """Standard deviation divided by the mean (IBSI 7TET)."""
    return _ratio(np.sqrt(variance(sample)), mean(sample))


def quartile_coefficient_of_dispersion(sample):
    """75th percentile less the 25th, divided by their sum (IBSI 9S40)."""
    return _ratio(interquartile_range(sample), sample.quantiles[75] + sample.quantiles[25])


def energy(sample):
    """Sum of X_k^2 (IBSI N8CA)."""
    return np.where(sample.count > 0, np.einsum("nv,nv->n", sample.filled, sample.filled), np.nan)


def root_mean_square(sample):
    """Square root of the mean of X_k^2 (IBSI 5ZWQ)."""
    return np.sqrt(energy(sample) / sample.count)


def _percentile(sample, percent):
    rank = percent / 100.0 * np.maximum(sample.count - 1, 0)
    low = np.floor(rank).astype(int)
    high = np.minimum(low + 1, np.maximum(sample.count - 1, 0))
    below, above = np.take_along_axis(sample.values, np.stack([low, high], 1), 1).T
    return below + (above - below) * (rank - low)


def _ratio(numerator, denominator):
    """NaN, and not infinity, where the denominator is zero."""
    return np.where(denominator != 0, numerator / denominator, np.nan)


FEATURES = (
    Feature("stat_mean", "Q4LE", "HU", mean),
    Feature("stat_variance", "ECT3", "HU^2", variance),
    Feature("stat_skewness", "KE2A", "", skewness),
    Feature("stat_kurtosis", "IPH6", "", kurtosis),
    Feature("stat_median", "Y12H", "HU", median),
    Feature("stat_minimum", "1GSF", "HU", minimum),
    Feature("stat_p10", "QG58", "HU", p10),
    Feature("stat_p90", "8DWT", "HU", p90),
    Feature("stat_maximum", "84IY", "HU", maximum),
    Feature("stat_interquartile_range", "SALO", "HU", interquartile_range),
    Feature("stat_range", "2OJQ", "HU", intensity_range),
    Feature("stat_mean_absolute_deviation", "4FUA", "HU", mean_absolute_deviation),
    Feature("stat_robust_mean_absolute_deviation", "1128", "HU", robust_mean_absolute_deviation),
    Feature("stat_median_absolute_deviation", "N72L", "HU", median_absolute_deviation),
    Feature("stat_coefficient_of_variation", "7TET", "", coefficient_of_variation),
    Feature("stat_quartile_coefficient_of_dispersion", "9S40", "", quartile_coefficient_of_dispersion),
    Feature("stat_energy", "N8CA", "HU^2", energy),
    Feature("stat_root_mean_square", "5ZWQ", "HU", root_mean_square),
)
