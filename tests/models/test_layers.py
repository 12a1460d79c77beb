"""Layers for two and three dimensions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models import layers


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
