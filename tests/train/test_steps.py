"""The training step: who learns from what, and that its randomness is used once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.data import pipeline
from radiogenomics.train import folds, sharding, state, steps


@pytest.fixture(scope="module")
def material(trainer, cohort):
    """(state, arrays, one index batch, key) of fold 0, placed as the loop places them, which compiles once."""
    rows = folds.training_rows(cohort, "fold_0")
    arrays = folds.training_arrays(cohort, rows, trainer.transforms["fold_0"], trainer.features)
    indices = next(pipeline.index_batches(cohort, rows, 8, 0))
    key = jax.device_put(jax.random.key(0), sharding.replicated(trainer.mesh))
    return trainer.create(key), sharding.place(arrays, sharding.replicated(trainer.mesh)), indices, key


def gather(changes, trainer, arrays, indices, key):
    config = trainer.config.copy_and_resolve_references()
    config.train.update(changes)
    return jax.jit(lambda *given: steps.gather_batch(config, None, *given))(arrays, indices, key)


def test_batch_gathers_what_the_indices_name(trainer, cohort, material):
    _, arrays, indices, key = material
    batch = gather({"mix_share": 0.0}, trainer, arrays, indices, key)
    image = cohort.nodules.image_hu[indices["nodule"]].astype(np.float32)
    low, high = trainer.config.data.window_hu
    np.testing.assert_allclose(
        batch.real[..., 0], (np.clip(image, low, high) - low) / (high - low) * 2.0 - 1.0, atol=1e-5
    )
    np.testing.assert_array_equal(batch.real_mask[..., 0], cohort.nodules.mask[indices["nodule"]])
    assert batch.background.shape == (8, 16, 16, 1) and float(jnp.abs(batch.background).max()) <= 1.0
    np.testing.assert_array_equal(batch.targets, arrays.scaled.targets[indices["patient"]])
    np.testing.assert_array_equal(batch.mixed_components, batch.components)
    for drawn, rows in ((batch.components, "patient"), (batch.other_components, "other")):
        noise = (drawn - arrays.scaled.components[indices[rows]]) / trainer.config.train.component_noise
        assert 0.5 < float(noise.std()) < 1.5
    assert batch.noise.shape == (8, 10)


def test_mixed_patients_match_their_targets(trainer, material):
    """Without noise a mixture's components and targets are the same rotation of two training patients'."""
    _, arrays, indices, key = material
    batch = gather({"mix_share": 1.0, "component_noise": 0.0}, trainer, arrays, indices, key)
    own, other = (arrays.scaled.components[indices[name]] for name in ("patient", "other"))
    for example in range(8):
        basis = np.stack([own[example], other[example]], axis=1)
        weights, residual, *_ = np.linalg.lstsq(basis, np.asarray(batch.mixed_components[example]))
        assert weights.min() > -1e-4 and np.square(weights).sum() == pytest.approx(1.0, abs=1e-3)
        targets = np.stack([arrays.scaled.targets[indices[name][example]] for name in ("patient", "other")], axis=1)
        np.testing.assert_allclose(batch.targets[example], targets @ weights, atol=1e-3)


def test_a_share_is_mixed():
    cosine, sine = steps.mixing_weights(0.3, 2000, jax.random.key(0))
    np.testing.assert_allclose(cosine**2 + sine**2, 1.0, atol=1e-5)
    assert 0.25 < float((sine > 0.0).mean()) < 0.35
    assert float(cosine.min()) >= 0.0 and float(sine.min()) >= 0.0


def test_keys_are_used_once(trainer, material):
    with jax.debug_key_reuse(True):
        state, metrics = jax.eval_shape(
            lambda *given: steps.train_step(trainer.config, trainer.players, *given), *material
        )
        jax.jit(lambda *given: steps.train_step(trainer.config, trainer.players, *given)).trace(*material)
    assert state.step.shape == () and set(metrics) >= {
        "discriminator_loss", "generator_loss", "radiomic_loss", "discriminator_gradient_norm",
        "generator_gradient_norm",
    }


def test_key_reuse_would_be_noticed():
    with jax.debug_key_reuse(True), pytest.raises(Exception, match="[Kk]ey"):
        key = jax.random.key(0)
        jax.jit(lambda key: jax.random.normal(key) + jax.random.uniform(key))(key).block_until_ready()


def of_one_step(arrays, indices):
    """Arrays, and indices still in host memory, for one step of one replica."""
    of_one = arrays._replace(scaled=jax.tree.map(lambda leaf: leaf[None], arrays.scaled))
    return of_one, jax.tree.map(lambda values: values[None, None], indices)


@pytest.fixture(scope="module")
def one_step(trainer, material):
    """(state before, state after one compiled step, its metrics, the donated state)."""
    state, arrays, indices, key = material
    before = jax.device_get(state)
    of_one, stacked = of_one_step(arrays, indices)
    given = trainer.stack([state])
    with jax.transfer_guard("disallow"), pytest.raises(Exception, match="[Tt]ransfer"):
        trainer.run_steps(given, of_one, stacked, trainer.stack([key]))
    on_device = sharding.place(stacked, sharding.over_batch(trainer.mesh))
    after, metrics = trainer.run_steps(given, of_one, on_device, trainer.stack([key]))
    return before, trainer.unstack(after)[0], metrics, given


def test_state_is_donated(one_step):
    *_, given = one_step
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given))


def test_gradient_that_is_not_finite_shows_and_moves_nobody(trainer, material):
    """Both players' gradients go through the discriminator."""
    state, arrays, indices, key = material
    params = jax.tree.map(lambda leaf: leaf * np.nan, state.discriminator["params"])
    broken = state.replace(discriminator=state.discriminator | {"params": params})
    of_one, stacked = of_one_step(arrays, indices)
    on_device = sharding.place(stacked, sharding.over_batch(trainer.mesh))
    after, metrics = trainer.run_steps(trainer.stack([broken]), of_one, on_device, trainer.stack([key]))
    after = trainer.unstack(after)[0]
    for name in ("generator", "discriminator"):
        assert not np.isfinite(metrics[f"{name}_gradient_norm"]).any()
        pairs = [(getattr(of, name)["params"], getattr(of, f"{name}_optimizer")) for of in (broken, after)]
        jax.tree.map(np.testing.assert_array_equal, *pairs)


def test_half_precision_stays_in_the_convolutions(make_config, material):
    """Parameters, statistics, moments, losses and gradients' averages are float32 throughout; nothing is computed."""
    config = make_config(model={"dtype": "bfloat16"})
    step = functools.partial(steps.train_step, config, state.make_players(config))
    jaxpr, shapes = jax.make_jaxpr(step, return_shape=True)(*material)
    assert str(jaxpr).count("bf16[") > 100
    floating = [leaf.dtype for leaf in jax.tree.leaves(shapes) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert len(floating) > 200 and set(floating) == {jnp.dtype("float32")}


def test_one_step_moves_both_players_and_the_average(trainer, one_step):
    before, after, metrics, _ = one_step
    assert int(after.step) == 1

    def trained(state, name):
        variables = getattr(state, name)
        return {collection: leaves for collection, leaves in variables.items() if collection != "response"}

    decay = 0.5 ** (8 / trainer.config.train.ema_half_life_images)
    # While no score has reached its margin, real and synthesised examples pull a head's bias equally far apart, and the
    # power iteration of one output has nowhere to go.
    still = {"discriminator": [f"{head}_head" for head in ("image", "pair", "match")], "generator": []}
    for name, heads in still.items():
        moved = jax.tree.map(lambda old, new: (old != new).any(), trained(before, name), trained(after, name))
        for path, leaf_moved in jax.tree.leaves_with_path(moved):
            where = jax.tree_util.keystr(path)
            may_rest = any(head in where for head in heads) and ("bias" in where or "/u" in where)
            assert leaf_moved or may_rest, where
    for old, new, mean in zip(*map(jax.tree.leaves, (before.ema, after.generator, after.ema)), strict=True):
        np.testing.assert_allclose(mean, decay * old + (1 - decay) * new, atol=1e-6)
    assert all(np.isfinite(values).all() and values.shape == (1, 1) for values in metrics.values())
