"""A batch in parts: the average of what the parts give."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.train import accumulation
from radiogenomics.train.state import create_state, make_players
from radiogenomics.train.steps import Patches, Scaled, TrainingArrays, train_step

HASTY = {"xla_backend_optimization_level": 0}


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("parts", [1, 2, 6])
def test_parts_average_to_the_whole(monkeypatch, backend, parts):
    """Unrolled, and rolled as on accelerators; every example once, in whatever part."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    batch = {"x": jnp.arange(24.0).reshape(12, 2), "y": jnp.arange(12)}
    seen = jax.jit(
        lambda batch: accumulation.average(
            lambda part: (part["x"].mean(0), jnp.zeros(12).at[part["y"]].add(1.0), len(part["y"]) * jnp.ones(1)),
            batch, parts,
        )
    )(batch)
    np.testing.assert_allclose(seen[0], batch["x"].mean(0))
    np.testing.assert_allclose(seen[1] * parts, 1.0, rtol=1e-6)
    assert seen[2] == 12 / parts


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("parts", [1, 3])
def test_parts_are_put_back_in_order(monkeypatch, backend, parts):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    batch = {"x": jnp.arange(24.0).reshape(12, 2), "y": jnp.arange(12)}
    made = jax.jit(lambda batch: accumulation.apply(lambda part: (2.0 * part["x"], part["y"]), batch, parts))(batch)
    np.testing.assert_array_equal(made[0], 2.0 * batch["x"])
    np.testing.assert_array_equal(made[1], batch["y"])


@pytest.fixture(scope="module")
def shrink(make_config):
    """`shrink(**changes)` is a configuration whose step compiles fast."""
    def change(accumulate=1, remat=False):
        return make_config(
            data={"size": 8}, model={"scales": 2, "remat": remat},
            train={"accumulate": accumulate, "radiomic_features": ("mean_hu", "equivalent_diameter_mm")},
        )

    return change


@pytest.fixture(scope="module")
def material(shrink):
    """(initial state, arrays, indices, key) of made-up patients."""
    config, generator = shrink(), np.random.default_rng(0)
    create = functools.partial(create_state, config, make_players(config), 5)
    patches = Patches(
        nodule_hu=generator.integers(-900, 0, (12, 8, 8)).astype(np.int16),
        nodule_mask=generator.integers(0, 2, (12, 8, 8)).astype(np.uint8),
        background_hu=generator.integers(-900, -700, (12, 8, 8)).astype(np.int16),
    )
    scaled = Scaled(
        components=generator.standard_normal((12, 5), dtype=np.float32),
        targets=generator.standard_normal((12, 2), dtype=np.float32),
        target_mean=np.array([-400.0, 10.0], np.float32),
        target_sd=np.array([100.0, 5.0], np.float32),
    )
    indices = {name: generator.permutation(12)[:8] for name in ("patient", "nodule", "background", "other")}
    state = jax.jit(create, compiler_options=HASTY)(jax.random.key(0))
    return state, jax.device_put(TrainingArrays(patches, scaled)), indices, jax.random.key(1)


def take_step(config, material):
    """({path: first moments of the gradients of both players}, metrics) after one step."""
    step = jax.jit(functools.partial(train_step, config, make_players(config)), compiler_options=HASTY)
    state, metrics = step(*material)
    leaves = jax.tree.leaves_with_path((state.generator_optimizer, state.discriminator_optimizer))
    named = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    moments = {path: leaf for path, leaf in named.items() if ".mu[" in path}
    return moments, {name: float(value) for name, value in metrics.items()}


def test_a_step_in_parts_computed_twice_is_the_step(shrink, material):
    """Two parts, and nothing kept for the gradient: gradients and metrics are those of the whole batch."""
    expected, of_whole = take_step(shrink(), material)
    found, metrics = take_step(shrink(accumulate=2, remat=True), material)
    sizes = {path: np.abs(values).max() for path, values in expected.items()}
    assert set(found) == set(sizes) and sum(size > 1e-3 for size in sizes.values()) > 20
    for path, size in sizes.items():
        np.testing.assert_allclose(found[path], expected[path], atol=2e-3 * size + 1e-5, err_msg=path)
    assert metrics == pytest.approx(of_whole, rel=1e-3, abs=1e-3)
