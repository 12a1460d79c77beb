"""Local intensity peaks against loops over all voxels, by hand, and at the border of the array."""

import numpy as np
import pytest

from radiogenomics.radiomics.ibsi import local_intensity

pytestmark = pytest.mark.filterwarnings("error")


def average(image, spacing_mm):
    """Mean over the ball around every voxel, voxel by voxel."""
    places = np.argwhere(np.ones(image.shape, bool)) * np.array(spacing_mm)
    near = ((places[:, None] - places) ** 2).sum(-1) <= 6.2**2
    return (near @ image.ravel() / near.sum(1)).reshape(image.shape)


@pytest.mark.parametrize("shape, spacing_mm", [((5, 8, 9), (3.0, 2.0, 1.5)), ((1, 20, 21), (5.0, 0.8, 1.2))])
def test_against_loops(shape, spacing_mm):
    generator = np.random.default_rng(4)
    image = generator.normal(-200.0, 100.0, (3, *shape))
    mask = generator.random((3, *shape)) < 0.4
    mask[0, :, 3:] = False  # a region at the border
    mask[1, :, :2] = mask[1, :, :, 6:] = False
    image[1][tuple(np.argwhere(mask[1])[[0, -1]].T)] = 500.0  # two voxels are highest
    found = local_intensity.measure(image, mask, spacing_mm)
    for values, region, inside in zip(found, image, mask, strict=True):
        means, x = average(region, spacing_mm)[inside], region[inside]
        assert values == pytest.approx([means[x == x.max()].max(), means.max()], rel=1e-9)


def test_a_ball_reaches_outside_the_region_and_is_not_wider_than_6_2_mm():
    image = np.zeros((1, 1, 1, 9))
    image[..., 4] = 10.0
    image[..., 2] = image[..., 6] = 5.0
    mask = np.zeros(image.shape, bool)
    mask[..., 4] = True
    assert local_intensity.measure(image, mask, (1.0, 1.0, 3.1))[0] == pytest.approx([4.0, 4.0])  # five voxels
    assert local_intensity.measure(image, mask, (1.0, 1.0, 3.2))[0] == pytest.approx([10.0 / 3.0] * 2)  # three


def test_a_flat_image_is_its_own_local_mean_up_to_the_border():
    image = np.full((1, 6, 7, 8), -300.0, np.float32)
    values = local_intensity.measure(image, np.ones(image.shape, bool), (2.0, 2.0, 2.0))
    np.testing.assert_allclose(values, -300.0, rtol=1e-12)


def test_an_empty_region_is_a_row_of_nan():
    image, mask = np.ones((2, 3, 4, 5)), np.zeros((2, 3, 4, 5), bool)
    mask[1, 0, 0, 0] = True
    values = local_intensity.measure(image, mask, (1.0, 1.0, 1.0))
    assert np.isnan(values[0]).all()
    np.testing.assert_allclose(values[1], 1.0)
    assert local_intensity.measure(image[:0], mask[:0], (1.0, 1.0, 1.0)).shape == (0, 2)
