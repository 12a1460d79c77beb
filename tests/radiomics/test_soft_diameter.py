import jax
import numpy as np
import pytest

from radiogenomics.radiomics.soft_diameter import measure_widths, smooth_maximum


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_width_of_a_bar_along_an_axis_is_its_number_of_voxels(ndim):
    bar = np.zeros((17,) * ndim, np.float32)
    bar[(8,) * (ndim - 1)][3:12] = 1.0
    # a product of probabilities of 0.99 a step
    assert float(measure_widths(bar).max()) == pytest.approx(9.0, abs=0.25)


def test_nothing_has_no_width_and_one_voxel_is_one_wide_in_every_direction():
    one = np.zeros((16, 16), np.float32)
    one[4, 11] = 1.0
    np.testing.assert_allclose(measure_widths(0.0 * one), 0.0)
    np.testing.assert_allclose(measure_widths(one), 1.0, atol=0.03)


def test_a_faint_voxel_far_away_adds_as_much_as_it_is_likely():
    mask = np.zeros((33, 33), np.float32)
    mask[16, 8:13] = 1.0
    widths = []
    for weight in (0.0, 0.01, 1.0):
        mask[16, 30] = weight
        widths.append(float(measure_widths(mask).max()))
    assert widths[1] - widths[0] == pytest.approx(0.01 * (widths[2] - widths[0]), rel=0.3)


def test_a_voxel_moves_the_diameter_by_no_more_than_the_patch():
    mask = np.random.default_rng(0).uniform(size=(24, 24)).astype(np.float32) ** 20
    slope = jax.grad(lambda mask: smooth_maximum(measure_widths(mask)))(mask)
    assert float(np.abs(slope).max()) < 2.0 * 24 * np.sqrt(2.0)


def test_the_smooth_maximum_lies_between_mean_and_maximum():
    widths = np.array([3.0, 9.0, 9.4, 5.0], np.float32)
    assert widths.mean() < float(smooth_maximum(widths)) < widths.max()
