"""Patches: geometry, padding, slices and refusals."""

import numpy as np
import pytest

from radiogenomics import settings
from radiogenomics.data import patches
from radiogenomics.errors import InputError


def make_ball(radius_mm, spacing_mm, sides_mm=(70.0, 70.0, 70.0)):
    """A ball of 0 HU in lung of -800 HU, and its mask, somewhat off the middle."""
    shape = [int(side / step) for side, step in zip(sides_mm, spacing_mm, strict=True)]
    axes = [np.arange(count) * step for count, step in zip(shape, spacing_mm, strict=True)]
    distance = np.sqrt(sum((grid - 33.0) ** 2 for grid in np.meshgrid(*axes, indexing="ij")))
    mask = distance <= radius_mm
    return np.where(mask, 0.0, -800.0).astype(np.int16), mask


def make_config(ndim=2, extent_mm=48.0, size=32):
    config = settings.default_config()
    config.data.update({"ndim": ndim, "extent_mm": extent_mm, "size": size})
    return config


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (2.0, 0.7, 0.7), (3.0, 0.9, 0.6)])
def test_volume_of_a_ball_survives_resampling(spacing_mm):
    volume, mask = make_ball(9.0, spacing_mm)
    image, nodule, _ = patches.nodule_patches(volume, mask, spacing_mm, make_config(ndim=3))
    expected = mask.sum() * np.prod(spacing_mm)
    assert nodule.sum() * 1.5**3 == pytest.approx(expected, rel=0.06)
    center = np.argwhere(nodule[0]).mean(axis=0)
    np.testing.assert_allclose(center, 15.5, atol=0.25)
    assert image[0][15:17, 15:17, 15:17].min() > -20 and image[0][0].max() < -780


def test_linear_ramp_is_sampled_where_it_should_be():
    slices, rows, columns = np.indices((40, 50, 60))
    volume = 10.0 * slices + 3.0 * rows - 2.0 * columns
    spacing, center = np.array([2.0, 0.8, 0.8]), np.array([20.0, 25.5, 30.25])
    patch = patches.cut_patch(volume, spacing, center, 16.0, 8)
    offset_mm = (np.arange(8) - 3.5) * 2.0
    position = [middle + offset_mm / step for middle, step in zip(center, spacing, strict=True)]
    z, y, x = np.meshgrid(*position, indexing="ij")
    np.testing.assert_allclose(patch, 10.0 * z + 3.0 * y - 2.0 * x, atol=0.1)


def test_outside_of_the_volume_is_air_and_no_mask():
    patch = patches.cut_patch(np.zeros((20, 20, 20)), (1.0, 1.0, 1.0), (0.0, 10.0, 10.0), 16.0, 16)
    assert np.all(patch[:7] == -1000.0) and np.all(patch[9:, 2:-2, 2:-2] == 0.0)
    assert not patches.cut_patch(np.ones((9, 9, 9)), (1.0,) * 3, (40.0, 4.0, 4.0), 8.0, 8, order_is_mask=True).any()


def test_slices_spread_over_the_nodule_and_count_in_patch_spacing():
    volume, mask = make_ball(10.0, (1.0, 1.0, 1.0))
    image, nodule, numbers = patches.nodule_patches(volume, mask, (1.0, 1.0, 1.0), make_config())
    assert image.shape == nodule.shape == (6, 32, 32) and image.dtype == np.int16 and nodule.dtype == np.uint8
    areas = nodule.sum(axis=(1, 2))
    assert areas.min() >= 0.25 * areas.max() and np.all(np.diff(numbers) > 0)
    np.testing.assert_allclose(numbers.mean() * 1.5, 33.0, atol=1.51)  # one slice
    assert 8.0 <= (numbers[-1] - numbers[0]) * 1.5 <= 20.0


def test_small_nodule_gives_fewer_slices():
    volume, mask = make_ball(3.0, (1.0, 1.0, 1.0))
    image, nodule, numbers = patches.nodule_patches(volume, mask, (1.0, 1.0, 1.0), make_config())
    assert 1 <= len(image) < 6 and len(np.unique(numbers)) == len(image) and nodule.sum(axis=(1, 2)).min() >= 4


@pytest.mark.parametrize("ndim", [2, 3])
def test_backgrounds_are_centred_on_their_places(ndim):
    volume = np.full((60, 60, 60), -800, dtype=np.int16)
    volume[30, 25, 35] = 20000
    places = [(30, 25, 35), (33, 30, 30)]
    image, numbers = patches.background_patches(volume, places, (1.0,) * 3, make_config(ndim=ndim))
    assert image.shape == (2, *(32,) * ndim) and image.dtype == np.int16
    brightest = np.unravel_index(image[0].argmax(), image[0].shape)
    assert all(index in (15, 16) for index in brightest)
    np.testing.assert_array_equal(numbers, [21, 23])


def test_bad_nodules_are_refused():
    volume, mask = make_ball(10.0, (1.0, 1.0, 1.0))
    speck = np.zeros_like(mask)
    speck[30, 30, 30] = True
    with pytest.raises(InputError, match="empty"):
        patches.nodule_patches(volume, np.zeros_like(mask), (1.0,) * 3, make_config())
    with pytest.raises(InputError, match="half of data.extent_mm"):
        patches.nodule_patches(volume, mask, (1.0,) * 3, make_config(extent_mm=16.0))
    with pytest.raises(InputError, match="shape"):
        patches.nodule_patches(volume, mask[1:], (1.0,) * 3, make_config())
    with pytest.raises(InputError, match="largest cross-section"):
        patches.nodule_patches(volume, speck, (1.0,) * 3, make_config())
    with pytest.raises(InputError, match="positive spacings"):
        patches.cut_patch(volume, (1.0, 0.0, 1.0), (30, 30, 30), 48.0, 32)
    with pytest.raises(InputError, match="nodule-free place"):
        patches.background_patches(volume, [], (1.0,) * 3, make_config())


def test_of_a_volume_the_middle_slice_is_shown():
    volume = np.arange(27).reshape(3, 3, 3)
    np.testing.assert_array_equal(patches.middle_slice(volume), volume[1])
    np.testing.assert_array_equal(patches.middle_slice(volume[0]), volume[0])
