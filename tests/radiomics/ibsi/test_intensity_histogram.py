"""Histogram features against numpy and scipy, by hand, and where they are undefined."""

import numpy as np
import pytest
from scipy import stats

from radiogenomics.radiomics.ibsi import histogram

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("ih_") for feature in histogram.FEATURES]
GRADIENTS = {"maximum_gradient", "maximum_gradient_intensity", "minimum_gradient", "minimum_gradient_intensity"}


def measure(levels, level_count):
    return [dict(zip(NAMES, row, strict=True)) for row in histogram.measure(levels, level_count)]


def spread(counts):
    """A region [1, 1, 1, X] with so many voxels of the levels 1, 2, ..., and one voxel outside."""
    return np.append(np.repeat(np.arange(1, len(counts) + 1), counts), 0).reshape(1, 1, 1, -1)


@pytest.fixture(scope="module")
def regions():
    generator = np.random.default_rng(2)
    highest = np.array([3, 9, 5, 20])
    levels = np.floor(generator.random((4, 3, 6, 7)) ** 2 * highest[:, None, None, None]).astype(np.int32) + 1
    levels[:, 0, 0, 0] = highest
    return levels * (generator.random(levels.shape) < 0.7), highest


def test_against_numpy_and_scipy(regions):
    for levels, bins, found in zip(*regions, measure(*regions), strict=True):
        x = levels[levels > 0]
        p10, p25, p75, p90 = np.percentile(x, [10, 25, 75, 90])
        kept = x[(x >= p10) & (x <= p90)]
        counts = np.bincount(x, minlength=bins + 1)[1:]
        slopes = np.gradient(counts)
        expected = {
            "mean": x.mean(), "variance": x.var(), "skewness": stats.skew(x), "kurtosis": stats.kurtosis(x),
            "median": np.median(x), "minimum": x.min(), "p10": p10, "p90": p90, "maximum": x.max(),
            "mode": counts.argmax() + 1, "interquartile_range": p75 - p25, "range": np.ptp(x),
            "mean_absolute_deviation": np.abs(x - x.mean()).mean(),
            "robust_mean_absolute_deviation": np.abs(kept - kept.mean()).mean(),
            "median_absolute_deviation": np.abs(x - np.median(x)).mean(),
            "coefficient_of_variation": x.std() / x.mean(),
            "quartile_coefficient_of_dispersion": (p75 - p25) / (p75 + p25),
            "entropy": stats.entropy(counts, base=2), "uniformity": ((counts / x.size) ** 2).sum(),
            "maximum_gradient": slopes.max(), "maximum_gradient_intensity": slopes.argmax() + 1,
            "minimum_gradient": slopes.min(), "minimum_gradient_intensity": slopes.argmin() + 1,
        }  # fmt: skip
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_of_several_modes_the_one_nearest_to_the_mean_counts_and_of_two_as_near_the_lower():
    found = measure(spread([3, 0, 0, 3, 0, 2]), np.array([6]))[0]  # mean 27 / 8, nearer to 4 than to 1
    assert found["mode"] == 4
    assert measure(spread([0, 3, 0, 0, 3]), np.array([5]))[0]["mode"] == 2


def test_gradients_end_at_the_last_bin_and_of_equal_ones_the_lowest_counts():
    found = measure(spread([1, 5, 1, 5]), np.array([4]))[0]  # gradients 4, 0, 0, 4
    assert (found["maximum_gradient"], found["maximum_gradient_intensity"]) == (4, 1)
    assert (found["minimum_gradient"], found["minimum_gradient_intensity"]) == (0, 2)
    longer = measure(spread([1, 5, 1, 5]), np.array([5]))[0]  # gradients 4, 0, 0, -0.5, -5
    assert (longer["minimum_gradient"], longer["minimum_gradient_intensity"]) == (-5, 5)


def test_a_region_does_not_depend_on_its_batch(regions):
    together = histogram.measure(*regions)
    alone = [histogram.measure(levels[None], bins[None]) for levels, bins in zip(*regions, strict=True)]
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=1e-12, atol=1e-14)


def test_one_level_is_certain_and_flat():
    found = measure(np.ones((1, 1, 2, 3), int), np.array([1]))[0]
    assert {name for name, value in found.items() if np.isnan(value)} == {"skewness", "kurtosis"} | GRADIENTS
    assert found["entropy"] == 0.0
    assert found["uniformity"] == 1.0


def test_an_empty_region_is_a_row_of_nan(regions):
    levels, bins = regions
    empty = np.concatenate([levels, 0 * levels[:1]])
    values = histogram.measure(empty, np.append(bins, 0))
    assert np.isnan(values[-1]).all()
    np.testing.assert_array_equal(values[:-1], histogram.measure(*regions))
    assert np.isnan(histogram.measure(0 * levels, 0 * bins)).all()
    assert histogram.measure(levels[:0], bins[:0]).shape == (0, len(NAMES))
