"""Phases of strided convolutions and of doubled images: the same values and derivatives as of plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models import phases

NUMBERS = ("NHWC", "HWIO", "NHWC")


@pytest.mark.parametrize("ndim", [2, 3])
def test_upsample_repeats_every_voxel(ndim):
    features = jax.random.normal(jax.random.key(0), (2, *(4,) * ndim, 3))
    doubled = phases.upsample(features)
    assert doubled.shape == (2, *(8,) * ndim, 3)
    for offset in np.ndindex(*(2,) * ndim):
        part = doubled[(slice(None), *(slice(start, None, 2) for start in offset))]
        np.testing.assert_array_equal(part, features)


@pytest.mark.parametrize("sizes, stride", [((2, 2), 2), ((4, 2), 2), ((3, 6), 3)])
def test_split_needs_no_stride(sizes, stride):
    one, two = jax.random.split(jax.random.key(0))
    features = jax.random.normal(one, (2, 4 * stride, 3 * stride, 3))
    kernel = jax.random.normal(two, (*sizes, 3, 5))

    def convolve(features, kernel, stride):
        return jax.lax.conv_general_dilated(features, kernel, (stride,) * 2, "VALID", dimension_numbers=NUMBERS)

    found = convolve(*phases.split(features, kernel, stride), 1)
    np.testing.assert_allclose(found, convolve(features, kernel, stride), atol=1e-4)


def test_fold_and_join_convolve_a_doubled_image():
    one, two = jax.random.split(jax.random.key(0))
    features, kernel = jax.random.normal(one, (2, 5, 4, 3)), jax.random.normal(two, (3, 3, 3, 6))
    kernels, padded = phases.fold(kernel), jnp.pad(features, [(0, 0), (1, 1), (1, 1), (0, 0)])

    def phase(row, column):
        met = padded[:, row : row + 6, column : column + 5]
        return jax.lax.conv_general_dilated(met, kernels[row, column], (1, 1), "VALID", dimension_numbers=NUMBERS)

    found = phases.join([[phase(row, column) for column in (0, 1)] for row in (0, 1)])
    plain = jax.lax.conv_general_dilated(phases.upsample(features), kernel, (1, 1), "SAME", dimension_numbers=NUMBERS)
    np.testing.assert_allclose(found, plain, atol=1e-4)


def test_both_modes_of_fold_agree_with_its_sums():
    """`fold` is linear, and has a rule of its own for its derivative."""
    kernel, move = jax.random.normal(jax.random.key(0), (2, 3, 3, 2, 4))
    np.testing.assert_allclose(jax.jvp(phases.fold, (kernel,), (move,))[1], phases.fold(move), atol=1e-6)
    weights = jax.random.normal(jax.random.key(1), (2, 2, 2, 2, 2, 4))
    pulled = jax.vjp(phases.fold, kernel)[1](weights)[0]
    np.testing.assert_allclose((pulled * move).sum(), (weights * phases.fold(move)).sum(), rtol=1e-4)
