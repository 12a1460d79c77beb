"""Intensity histogram of the reference manual: the distribution of a region's grey levels, after discretisation.

Formulas: the bins are the levels i = 1 .. N_g, n_i voxels of V have level i, and p_i = n_i / V. Percentiles of the
levels interpolate as those of `statistics`.
"""

import dataclasses
import functools

import numpy as np

from radiogenomics.radiomics.ibsi.definition import Feature


@dataclasses.dataclass(frozen=True)
class Histogram:
    """N histograms: `counts` [N, G] of the levels 1 .. G, zero above a region's own `level_count` [N]."""

    counts: np.ndarray
    level_count: np.ndarray

    @functools.cached_property
    def levels(self):
        """[G] the levels 1 .. G."""
        return np.arange(1.0, self.counts.shape[1] + 1.0)

    @functools.cached_property
    def voxels(self):
        """[N] the number V of voxels of a region."""
        return self.counts.sum(1)

    @functools.cached_property
    def shares(self):
        """[N, G] p_i."""
        return self.counts / self.voxels[:, None]

    @functools.cached_property
    def mean(self):
        """[N] mean level."""
        return self.counts @ self.levels / self.voxels

    @functools.cached_property
    def deviation(self):
        """[N, G] each level less the mean; exactly zero at the one level of a flat region."""
        return self.levels - self.mean[:, None]

    @functools.cached_property
    def cumulative(self):
        """[N, G] the number of voxels of at most level i."""
        return self.counts.cumsum(1)

    @functools.cached_property
    def quantiles(self):
        """Percentile -> [N] level, for the 10th, 25th, 50th, 75th and 90th."""
        return {percent: _percentile(self, percent) for percent in (10, 25, 50, 75, 90)}

    @functools.cached_property
    def gradient(self):
        """[N, G] change of n_i per level: central differences, one-sided at levels 1 and N_g; NaN above N_g."""
        return _gradient(self.counts, self.level_count)


def measure(levels, level_count):
    """The features of N regions, [N, F] float64 in the order of FEATURES, NaN where one is undefined.

    `levels` [N, Z, Y, X] integers: the grey level from 1 of every voxel, 0 outside the region; `level_count` [N] the
    number N_g of bins of each region. Source: reference manual of the IBSI, intensity histogram features (ZVCW).
    """
    histogram = count(np.asarray(levels), np.asarray(level_count))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([each.function(histogram) for each in FEATURES], 1)


def count(levels, level_count):
    """The `Histogram` of `levels` [N, Z, Y, X] (0: outside) with `level_count` [N] bins each."""
    inside = levels > 0
    bins = int(max(level_count.max(initial=0), 1))
    row = np.repeat(np.arange(len(levels)) * bins - 1, inside.sum((1, 2, 3)))
    counts = np.bincount(row + levels[inside], minlength=len(levels) * bins)
    return Histogram(counts.reshape(len(levels), bins).astype(np.float64), level_count)


def mean(histogram):
    """Mean level: the sum of i p_i (IBSI X6K6)."""
    return histogram.mean


def variance(histogram):
    """Variance of the levels: the sum of (i - mean)^2 p_i (IBSI CH89)."""
    return _moment(histogram, 2)


def skewness(histogram):
    """Skewness: the sum of (i - mean)^3 p_i over the variance to the power 3/2; undefined if flat (IBSI 88K1)."""
    return _moment(histogram, 3) / variance(histogram) ** 1.5


def kurtosis(histogram):
    """Excess kurtosis: the sum of (i - mean)^4 p_i over the squared variance, less 3; undefined if flat (IBSI C3I7)."""
    return _moment(histogram, 4) / variance(histogram) ** 2 - 3.0


def median(histogram):
    """Median level (IBSI WIFQ)."""
    return histogram.quantiles[50]


def minimum(histogram):
    """Lowest level that a voxel has (IBSI 1PR8)."""
    return np.where(histogram.voxels > 0, np.argmax(histogram.counts > 0, 1) + 1.0, np.nan)


def p10(histogram):
    """10th percentile of the levels, interpolated linearly between ordered voxels (IBSI GPMT)."""
    return histogram.quantiles[10]


def p90(histogram):
    """90th percentile of the levels, interpolated linearly between ordered voxels (IBSI OZ0C)."""
    return histogram.quantiles[90]


def maximum(histogram):
    """Highest level that a voxel has (IBSI 3NCY)."""
    last = histogram.counts.shape[1] - np.argmax(histogram.counts[:, ::-1] > 0, 1)
    return np.where(histogram.voxels > 0, last, np.nan)


def mode(histogram):
    """Most common level; of several the one nearest to the mean level, of two as near the lower (IBSI AMMC)."""
    common = histogram.counts == histogram.counts.max(1, keepdims=True)
    # Rounded, because two levels as near as each other differ in the mean's last digit.
    distance = np.where(common, np.round(np.abs(histogram.deviation), 9), np.inf)
    return np.where(histogram.voxels > 0, np.argmin(distance, 1) + 1.0, np.nan)


def interquartile_range(histogram):
    """75th percentile of the levels less the 25th (IBSI WR0O)."""
    return histogram.quantiles[75] - histogram.quantiles[25]


def level_range(histogram):
    """Highest level less the lowest (IBSI 5Z3W)."""
    return maximum(histogram) - minimum(histogram)


def mean_absolute_deviation(histogram):
    """Sum of |i - mean| p_i (IBSI D2ZX)."""
    return (np.abs(histogram.deviation) * histogram.shares).sum(1)


def robust_mean_absolute_deviation(histogram):
    """Mean absolute deviation from their own mean of the levels from the 10th to the 90th percentile (IBSI WRZB)."""
    kept = (histogram.levels >= p10(histogram)[:, None]) & (histogram.levels <= p90(histogram)[:, None])
    counts = np.where(kept, histogram.counts, 0.0)
    centre = counts @ histogram.levels / counts.sum(1)
    return (np.abs(histogram.levels - centre[:, None]) * counts).sum(1) / counts.sum(1)


def median_absolute_deviation(histogram):
    """Sum of |i - median| p_i (IBSI 4RNL)."""
    return (np.abs(histogram.levels - median(histogram)[:, None]) * histogram.shares).sum(1)


def coefficient_of_variation(histogram):
    """Standard deviation of the levels divided by their mean (IBSI CWYJ)."""
    return np.sqrt(variance(histogram)) / mean(histogram)


def quartile_coefficient_of_dispersion(histogram):
    """75th percentile less the 25th, divided by their sum (IBSI SLWD)."""
    return interquartile_range(histogram) / (histogram.quantiles[75] + histogram.quantiles[25])


def entropy(histogram):
    """Entropy in bits: minus the sum of p_i log2 p_i over the levels that occur (IBSI TLU2)."""
    present = np.where(histogram.counts > 0, histogram.shares, 1.0)
    # A difference, so that a single level gives 0 and not -0.
    return np.where(histogram.voxels > 0, 0.0 - (present * np.log2(present)).sum(1), np.nan)


def uniformity(histogram):
    """Sum of p_i^2 (IBSI BJ5W)."""
    return (histogram.shares**2).sum(1)


def maximum_gradient(histogram):
    """Largest change of n_i per level, by central differences; undefined with one bin (IBSI 12CE)."""
    return _at(histogram, histogram.gradient, _steepest(histogram, 1.0))


def maximum_gradient_intensity(histogram):
    """Level where n_i changes most upwards, the lowest such level (IBSI 8E6O)."""
    return _at(histogram, histogram.levels[None], _steepest(histogram, 1.0))


def minimum_gradient(histogram):
    """Smallest (most negative) change of n_i per level, by central differences; undefined with one bin (IBSI VQB3)."""
    return _at(histogram, histogram.gradient, _steepest(histogram, -1.0))


def minimum_gradient_intensity(histogram):
    """Level where n_i changes most downwards, the lowest such level (IBSI RHQZ)."""
    return _at(histogram, histogram.levels[None], _steepest(histogram, -1.0))


def _moment(histogram, power):
    return (histogram.deviation**power * histogram.shares).sum(1)


def _percentile(histogram, percent):
    """The level at a rank is one more than the number of levels that end at or before it."""
    rank = percent / 100.0 * (histogram.voxels - 1.0)
    low = np.floor(rank)
    high = np.minimum(low + 1.0, histogram.voxels - 1.0)
    below, above = ((histogram.cumulative <= place[:, None]).sum(1) + 1.0 for place in (low, high))
    return np.where(histogram.voxels > 0, below + (above - below) * (rank - low), np.nan)


def _gradient(counts, level_count):
    index = np.arange(counts.shape[1])
    last = level_count[:, None] - 1
    before, after = np.maximum(index - 1, 0), np.minimum(index + 1, last)
    rise = np.take_along_axis(counts, np.maximum(after, 0), 1) - counts[:, before]
    return np.where((index <= last) & (after > before), rise / (after - before), np.nan)


def _steepest(histogram, sign):
    """[N] index of the largest gradient times `sign`, the first of several."""
    return np.argmax(np.where(np.isnan(histogram.gradient), -np.inf, sign * histogram.gradient), 1)


def _at(histogram, values, index):
    defined = (histogram.voxels > 0) & (histogram.level_count > 1)
    rows = np.broadcast_to(values, histogram.counts.shape)
    return np.where(defined, np.take_along_axis(rows, index[:, None], 1)[:, 0], np.nan)


FEATURES = (
    Feature("ih_mean", "X6K6", "", mean),
    Feature("ih_variance", "CH89", "", variance),
    Feature("ih_skewness", "88K1", "", skewness),
    Feature("ih_kurtosis", "C3I7", "", kurtosis),
    Feature("ih_median", "WIFQ", "", median),
    Feature("ih_minimum", "1PR8", "", minimum),
    Feature("ih_p10", "GPMT", "", p10),
    Feature("ih_p90", "OZ0C", "", p90),
    Feature("ih_maximum", "3NCY", "", maximum),
    Feature("ih_mode", "AMMC", "", mode),
    Feature("ih_interquartile_range", "WR0O", "", interquartile_range),
    Feature("ih_range", "5Z3W", "", level_range),
    Feature("ih_mean_absolute_deviation", "D2ZX", "", mean_absolute_deviation),
    Feature("ih_robust_mean_absolute_deviation", "WRZB", "", robust_mean_absolute_deviation),
    Feature("ih_median_absolute_deviation", "4RNL", "", median_absolute_deviation),
    Feature("ih_coefficient_of_variation", "CWYJ", "", coefficient_of_variation),
    Feature("ih_quartile_coefficient_of_dispersion", "SLWD", "", quartile_coefficient_of_dispersion),
    Feature("ih_entropy", "TLU2", "", entropy),
    Feature("ih_uniformity", "BJ5W", "", uniformity),
    Feature("ih_maximum_gradient", "12CE", "", maximum_gradient),
    Feature("ih_maximum_gradient_intensity", "8E6O", "", maximum_gradient_intensity),
    Feature("ih_minimum_gradient", "VQB3", "", minimum_gradient),
    Feature("ih_minimum_gradient_intensity", "RHQZ", "", minimum_gradient_intensity),
)
