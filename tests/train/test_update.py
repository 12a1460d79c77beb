"""What an optimiser makes of parameters. Where it is written is tested on the whole step (test_training_speed.py)."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from radiogenomics.train import update

OPTIMIZERS = {
    "adam": optax.adam(0.1, b1=0.5), "clipped": optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.1)),
}


def draw(key, sizes=((3, 4), (5,), ())):
    """A tree of params."""
    keys = jax.random.split(jax.random.key(key), len(sizes))
    return {str(size): jax.random.normal(key, size) for key, size in zip(keys, sizes, strict=True)}


def move(optimizer, params, gradients):
    """What several gradients make of params."""
    state = optimizer.init(params)
    for gradient in gradients:
        params, state, _ = jax.jit(update.apply_gradient, static_argnums=0)(optimizer, gradient, state, params)
    return params, state


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_moves_as_the_optimiser_alone_would(name):
    optimizer, gradients, expected = OPTIMIZERS[name], [draw(1), draw(2)], draw(0)
    expected_state = optimizer.init(expected)
    for gradient in gradients:
        step, expected_state = optimizer.update(gradient, expected_state)
        expected = optax.apply_updates(expected, step)
    moved = move(optimizer, draw(0), gradients)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), moved, (expected, expected_state))
    _, _, norm = update.apply_gradient(optimizer, gradients[0], expected_state, expected)
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradients[0])])
    assert float(norm) == pytest.approx(np.linalg.norm(flat), rel=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e30])
def test_gradient_that_is_not_finite_changes_nothing(name, broken):
    """One number in one leaf: neither params nor moments nor the count of steps."""
    optimizer, wild = OPTIMIZERS[name], draw(2)
    wild["(5,)"] = wild["(5,)"].at[3].set(broken)
    once, twice = (move(optimizer, draw(0), gradients) for gradients in ([draw(1)], [draw(1), wild]))
    jax.tree.map(np.testing.assert_array_equal, once, twice)
    _, _, norm = update.apply_gradient(optimizer, wild, once[1], once[0])
    assert not np.isfinite(norm)


def test_moments_move_with_params_whose_norm_is_too_large():
    optimizer = optax.adam(0.1)
    params = jax.tree.map(lambda leaf: jnp.full_like(leaf, 1e20), draw(0))
    _, (moments, *_), norm = update.apply_gradient(optimizer, draw(1), optimizer.init(params), params)
    assert np.isfinite(norm) and not np.isfinite(optax.tree.norm(params)) and int(moments.count) == 1
