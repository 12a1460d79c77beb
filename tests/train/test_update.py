"""What an optimiser and the moving average make of parameters."""

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


def test_params_that_grow_too_large_leave_the_moments():
    optimizer = optax.adam(1e38)
    state = optimizer.init(draw(0))
    params, kept, norm = update.apply_gradient(optimizer, draw(1), state, draw(0))
    assert np.isfinite(norm) and not np.isfinite(optax.tree.norm(params))
    jax.tree.map(np.testing.assert_array_equal, kept, state)


def test_average():
    means, values = draw(0), draw(1)
    jax.tree.map(
        lambda mean, old, new: np.testing.assert_allclose(mean, 0.9 * old + 0.1 * new, rtol=1e-5, atol=1e-6),
        update.average(means, values, 0.9), means, values,
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_replica_on_a_cpu_is_written_in_place(name):
    """No donated array is copied, though the network reads its params."""
    optimizer, count = OPTIMIZERS[name], 4096

    def step(state, batch):
        params, optimizer_state, means = jax.tree.map(lambda leaf: leaf[0], state)
        gradient = jax.grad(lambda params: jnp.square(jnp.tanh(batch @ params["a"]) @ params["b"]).sum())(params)
        params, optimizer_state, _ = update.apply_gradient(optimizer, gradient, optimizer_state, params)
        return jax.tree.map(
            lambda leaf: leaf[None], (params, optimizer_state, update.average(means, params, 0.9))
        )

    params = {"a": jnp.ones((count, 128)), "b": jnp.ones((128, count))}
    state = jax.tree.map(lambda leaf: leaf[None], (params, optimizer.init(params), params))
    program = jax.jit(step, donate_argnums=0).lower(state, jnp.ones((2, count))).compile().as_text()
    entry = program[program.index("ENTRY"):]
    large = [line for line in entry.splitlines() if " copy(" in line and str(count) in line.split(" copy(")[0]]
    assert not large, large
