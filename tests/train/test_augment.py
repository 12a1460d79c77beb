"""Augmentation: image and mask move together, intensities stay, gradients pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.train import augment as augmentation


def augment(image, mask, key, ndim, translate):
    moves = augmentation.draw_moves(key, len(image), image.shape[1], ndim, translate)
    return augmentation.augment(image, mask, moves, translate)


@pytest.mark.parametrize("ndim", [2, 3])
def test_image_and_mask_move_together(ndim):
    image = jax.random.normal(jax.random.key(0), (6, *(8,) * ndim, 1))
    moved, mask = augment(image, 2.0 * image, jax.random.key(1), ndim, 0.25)
    np.testing.assert_array_equal(2.0 * moved, mask)
    assert moved.shape == image.shape
    assert any((moved[number] != image[number]).any() for number in range(6))
    # Only values that were there before: nothing is interpolated.
    for before, after in zip(image, moved, strict=True):
        assert np.isin(after, before).all()


def test_without_shift_only_flips_remain():
    image = jax.random.normal(jax.random.key(0), (16, 6, 6, 1))
    moved, _ = augment(image, image, jax.random.key(1), 2, 0.0)
    seen = set()
    for before, after in zip(np.asarray(image), np.asarray(moved), strict=True):
        flips = [axes for axes in ((), (0,), (1,), (0, 1)) if (np.flip(before, axes) == after).all()]
        assert len(flips) == 1
        seen.update(flips)
    assert len(seen) > 2


def test_shifts_stay_within_reach_and_repeat_the_border():
    image = jnp.broadcast_to(jnp.arange(20.0)[:, None, None], (40, 20, 20, 1))
    moved, _ = augment(image, image, jax.random.key(2), 2, 0.1)
    first = np.minimum(moved[:, 10, 10, 0], 19.0 - moved[:, 10, 10, 0])  # whether flipped or not
    assert first.min() >= 7.0 and len(np.unique(first)) > 2
    assert (moved[:, :, 0] == moved[:, :, -1]).all()


def test_gradient_reaches_the_image():
    image = jax.random.normal(jax.random.key(0), (2, 8, 8, 1))
    gradient = jax.grad(lambda image: jnp.square(augment(image, image, jax.random.key(1), 2, 0.1)[0]).sum())(image)
    assert float((gradient != 0).mean()) > 0.5
