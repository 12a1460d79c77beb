"""Crops: the nodule in the centre, its margin, and nothing else."""

import numpy as np
import pytest

from radiogenomics.analysis import crops


def disc(size, centre, radius):
    return np.hypot(*(axis - middle for axis, middle in zip(np.indices((size, size)), centre, strict=True))) < radius


def test_moved_nodules_give_the_same_crop():
    generator = np.random.default_rng(0)
    texture = generator.normal(0.0, 50.0, (24, 24))
    first = disc(24, (10, 12), 4.0)
    second, moved = np.roll(first, (4, -3), (0, 1)), np.roll(texture, (4, -3), (0, 1))
    image, mask = crops.crop_nodules(
        np.stack([np.where(first, texture, -800.0), np.where(second, moved, -300.0)]),
        np.stack([first, second]), -1000.0,
    )
    np.testing.assert_array_equal(image[0], image[1])
    np.testing.assert_array_equal(mask[0], mask[1])
    assert mask[0].sum() == first.sum() and (image[0][~mask[0]] == -1000.0).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_only_the_margin_of_the_background_is_seen(ndim):
    mask = np.zeros((1, *(11,) * ndim), bool)
    mask[(0, *(5,) * ndim)] = True
    image, _ = crops.crop_nodules(np.zeros(mask.shape), mask, -1000.0, margin=2)
    steps = np.abs(np.indices(mask.shape[1:]) - 5).sum(axis=0)
    np.testing.assert_array_equal(image[0] == 0.0, steps <= 2)


def test_a_nodule_at_the_border_keeps_its_size_and_nothing_wraps():
    mask = np.zeros((1, 12, 12), bool)
    mask[0, :4, 2:6] = True
    image, moved = crops.crop_nodules(np.where(mask, 7.0, 3.0), mask, -1000.0, margin=1)
    assert moved.sum() == 16 and moved[0, 4:8, 4:8].all()
    assert (image[0, 3] == -1000.0).all()  # from beyond the patch
    assert (image[0, 8, 4:8] == 3.0).all()


def test_empty_mask_is_a_blank_patch():
    image, mask = crops.crop_nodules(np.ones((2, 6, 6)), np.zeros((2, 6, 6)), -900.0, margin=2)
    assert (image == -900.0).all() and not mask.any()
