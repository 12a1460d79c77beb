"""The outline: what sets its size, its spectrum and its direction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models import outline


@pytest.fixture(params=[2, 3])
def drawn(request):
    """(ndim, a function of (style, noise) -> distance) of an outline with random weights."""
    module = outline.Outline(request.param, 16)
    params = module.init(jax.random.key(0), jnp.zeros((1, 5)), jnp.ones((1, 4)))
    return request.param, lambda style, noise: np.asarray(module.apply(params, style, noise))[..., 0]


def test_it_starts_near_a_ball_and_growth_is_the_size(drawn):
    ndim, distance = drawn
    inside = distance(jnp.zeros((1, 5)), jax.random.normal(jax.random.key(1), (1, 4)))[0] > 0
    ball = outline.ball(16, ndim)[..., 0] > 0
    assert (inside & ball).sum() > 0.6 * (inside | ball).sum()


def test_noise_turns_it_and_leaves_its_spectrum(drawn):
    """Different noise, different shape; the mean square relief over directions stays what the style says."""
    ndim, distance = drawn
    style = jnp.full((6, 5), 2.0)
    shapes = distance(style, jax.random.normal(jax.random.key(2), (6, 4)))
    radii = shapes + outline.directions(16, ndim)[0]
    assert np.abs(radii[0] - radii[1]).max() > 0.05
    # Far out every direction is met by many voxels.
    far = outline.directions(16, ndim)[0] > 5
    relief = np.log(radii[:, far] / radii[:, far].mean())
    assert relief.std(axis=1).max() < 2.0 * relief.std(axis=1).min()


def test_scaling_the_noise_changes_nothing(drawn):
    _, distance = drawn
    style, noise = jnp.ones((2, 5)), 3.0 + jax.random.normal(jax.random.key(3), (2, 4))
    np.testing.assert_allclose(distance(style, noise), distance(style, 10.0 * noise), atol=1e-3)


def test_harmonics_of_a_degree_sum_to_one_in_every_direction():
    for ndim in (2, 3):
        for table in outline.directions(12, ndim)[1]:
            np.testing.assert_allclose(np.square(table).sum(axis=-1), 1.0, atol=1e-5)
