"""Intensity-volume histogram features against a plain curve, by hand, and where they are undefined."""

import numpy as np
import pytest

from radiogenomics.radiomics.ibsi import volume_histogram

pytestmark = pytest.mark.filterwarnings("error")
NAMES = ["v10", "v90", "i10", "i90", "v_difference", "i_difference", "area"]


def measure(image, mask, *levels):
    return [dict(zip(NAMES, row, strict=True)) for row in volume_histogram.measure(image, mask, *levels)]


def draw_curve(x, first, last, step):
    """Levels, gamma and nu of whole intensities `x`, from their definitions."""
    levels = np.arange(first, last + 1, step)
    return levels, (levels - first) / (levels[-1] - first), (x >= levels[:, None]).mean(1)


def follow(x, first, last, step):
    levels, gamma, nu = draw_curve(x, first, last, step)
    v10, v90 = (nu[gamma >= share].max() for share in (0.1, 0.9))
    i10, i90 = (levels[nu <= share].min(initial=levels[-1]) for share in (0.1, 0.9))
    area = ((nu[1:] + nu[:-1]) / 2 * np.diff(gamma)).sum()
    return dict(zip(NAMES, (v10, v90, i10, i90, v10 - v90, i10 - i90, area), strict=True))


@pytest.fixture(scope="module")
def regions():
    generator = np.random.default_rng(3)
    return np.round(generator.normal(-100.0, 60.0, (4, 3, 6, 7))), generator.random((4, 3, 6, 7)) < 0.6


@pytest.mark.parametrize("lowest, highest, step", [(None, None, 1), (-350, None, 1), (-200, 50, 1), (None, None, 7)])
def test_against_the_definitions(regions, lowest, highest, step):
    for image, mask, found in zip(*regions, measure(*regions, step, lowest, highest), strict=True):
        x = image[mask]
        first, last = (x.min() if lowest is None else lowest), (x.max() if highest is None else highest)
        assert found == pytest.approx(follow(x, first, last, step), rel=1e-10)


def test_by_hand():
    image = np.arange(11.0).reshape(1, 1, 1, 11)
    found = measure(image, np.ones(image.shape, bool), 1.0, None)[0]
    assert found["v10"] == pytest.approx(10 / 11)  # of the voxels from 1 on
    assert found["v90"] == pytest.approx(2 / 11)  # 9 and 10
    assert (found["i10"], found["i90"]) == (10.0, 2.0)


def test_decimal_steps_round_to_their_levels():
    image = (0.1 * np.arange(11)).reshape(1, 1, 1, 11)
    found = measure(image, np.ones(image.shape, bool), 0.1, 0.0)[0]
    assert found["v10"] == pytest.approx(10 / 11)
    assert found["i10"] == pytest.approx(1.0)


def test_where_too_many_voxels_have_the_last_level_it_is_the_last_level():
    image = np.array([0.0, 5.0, 5.0, 5.0]).reshape(1, 1, 1, 4)
    assert measure(image, np.ones(image.shape, bool), 1.0, None)[0]["i10"] == 5.0


def test_a_flat_region_has_no_intensity_fractions():
    found = measure(np.full((1, 1, 2, 2), 3.0), np.ones((1, 1, 2, 2), bool), 1.0, None)[0]
    assert {name for name, value in found.items() if np.isnan(value)} == {"v10", "v90", "v_difference", "area"}
    assert found["i10"] == found["i90"] == 3.0


def test_a_region_does_not_depend_on_its_batch(regions):
    together = volume_histogram.measure(*regions, 1.0, None)
    alone = [volume_histogram.measure(image[None], mask[None], 1.0) for image, mask in zip(*regions, strict=True)]
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=1e-12)


def test_an_empty_region_is_a_row_of_nan(regions):
    image, mask = regions
    some = mask.copy()
    some[1] = False
    for lowest in (None, -400.0):
        values = volume_histogram.measure(image, some, 1.0, lowest)
        assert np.isnan(values[1]).all()
        assert not np.isnan(np.delete(values, 1, 0)).any()
    assert volume_histogram.measure(image[:0], mask[:0], 1.0).shape == (0, len(NAMES))
