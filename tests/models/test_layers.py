"""Layers for two and three dimensions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models import layers


@pytest.mark.parametrize("ndim", [2, 3])
def test_upsample_repeats_every_voxel(ndim):
    features = jax.random.normal(jax.random.key(0), (2, *(4,) * ndim, 3))
    doubled = layers.upsample(features, ndim)
    assert doubled.shape == (2, *(8,) * ndim, 3)
    for offset in np.ndindex(*(2,) * ndim):
        part = doubled[(slice(None), *(slice(start, None, 2) for start in offset))]
        np.testing.assert_array_equal(part, features)


@pytest.mark.parametrize("ndim", [2, 3])
def test_instance_norm_never_mixes_patients(ndim):
    features = 5.0 + 3.0 * jax.random.normal(jax.random.key(0), (3, *(6,) * ndim, 4))
    normed = layers.instance_norm(features)
    axes = tuple(range(1, ndim + 1))
    np.testing.assert_allclose(normed.mean(axes), 0.0, atol=1e-5)
    np.testing.assert_allclose(normed.std(axes), 1.0, atol=1e-3)
    np.testing.assert_allclose(layers.instance_norm(features[1:2])[0], normed[1], atol=1e-5)


def test_instance_norm_of_a_constant_is_finite():
    gradient = jax.grad(lambda features: layers.instance_norm(features).sum())(jnp.ones((1, 4, 4, 2)))
    assert np.isfinite(gradient).all()
