"""Statistics of a region's intensities against numpy and scipy, by hand, and where they are undefined."""

import numpy as np
import pytest
from scipy import stats

from radiogenomics.radiomics.ibsi import statistics

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("stat_") for feature in statistics.FEATURES]


def measure(image, mask):
    return [dict(zip(NAMES, row, strict=True)) for row in statistics.measure(image, mask)]


@pytest.fixture(scope="module")
def regions():
    generator = np.random.default_rng(1)
    return generator.normal(-300.0, 200.0, (5, 3, 6, 7)), generator.random((5, 3, 6, 7)) < 0.5


def test_against_numpy_and_scipy(regions):
    for image, mask, found in zip(*regions, measure(*regions), strict=True):
        x = image[mask]
        p10, p25, p75, p90 = np.percentile(x, [10, 25, 75, 90])
        kept = x[(x >= p10) & (x <= p90)]
        expected = {
            "mean": x.mean(), "variance": x.var(), "skewness": stats.skew(x), "kurtosis": stats.kurtosis(x),
            "median": np.median(x), "minimum": x.min(), "p10": p10, "p90": p90, "maximum": x.max(),
            "interquartile_range": p75 - p25, "range": np.ptp(x),
            "mean_absolute_deviation": np.abs(x - x.mean()).mean(),
            "robust_mean_absolute_deviation": np.abs(kept - kept.mean()).mean(),
            "median_absolute_deviation": np.abs(x - np.median(x)).mean(),
            "coefficient_of_variation": x.std() / x.mean(),
            "quartile_coefficient_of_dispersion": (p75 - p25) / (p75 + p25),
            "energy": (x**2).sum(), "root_mean_square": np.sqrt((x**2).mean()),
        }  # fmt: skip
        assert found == pytest.approx(expected, rel=1e-10)


def test_by_hand():
    image = np.array([1.0, 2.0, 3.0, 4.0, 90.0]).reshape(1, 1, 1, 5)
    found = measure(image, image < 50)[0]
    assert found["mean"] == 2.5
    assert found["variance"] == 1.25
    assert found["p10"] == pytest.approx(1.3)
    assert found["energy"] == 30.0
    assert found["robust_mean_absolute_deviation"] == 0.5  # of 2 and 3


def test_a_region_does_not_depend_on_its_batch(regions, monkeypatch):
    together = statistics.measure(*regions)
    monkeypatch.setattr(statistics, "BLOCK", 1)
    np.testing.assert_array_equal(statistics.measure(*regions), together)
    alone = np.concatenate([statistics.measure(image[None], mask[None]) for image, mask in zip(*regions, strict=True)])
    np.testing.assert_allclose(alone, together, rtol=1e-12)


def test_a_flat_region_has_no_skewness_whatever_its_mean_rounds_to():
    found = measure(np.full((1, 1, 3, 7), 0.1), np.ones((1, 1, 3, 7), bool))[0]
    assert {name for name, value in found.items() if np.isnan(value)} == {"skewness", "kurtosis"}
    assert found["variance"] == 0.0
    assert found["coefficient_of_variation"] == 0.0


def test_a_mean_of_zero_has_no_coefficient_of_variation():
    found = measure(np.array([-1.0, 1.0]).reshape(1, 1, 1, 2), np.ones((1, 1, 1, 2), bool))[0]
    assert np.isnan(found["coefficient_of_variation"])
    assert np.isnan(found["quartile_coefficient_of_dispersion"])
    assert found["variance"] == 1.0


def test_an_empty_region_is_a_row_of_nan(regions):
    image, mask = regions
    some = mask.copy()
    some[2] = False
    values = statistics.measure(image, some)
    assert np.isnan(values[2]).all()
    assert not np.isnan(np.delete(values, 2, 0)).any()
    assert np.isnan(statistics.measure(image, np.zeros_like(mask))).all()
    assert statistics.measure(image[:0], mask[:0]).shape == (0, len(NAMES))
