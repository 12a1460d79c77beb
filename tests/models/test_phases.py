"""Phases of images: nothing is lost on the way, and strided convolutions are those of phases."""

import jax
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
