"""The published objective: its four tuples, its background term, who learns from what, and whom it pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.errors import InputError
from radiogenomics.models.results import Synthesis
from radiogenomics.train import published_objective, state, steps

HASTY = {"xla_backend_optimization_level": 0}


@pytest.fixture(scope="module")
def material(make_config):
    """(config, players, initial state, arrays, indices) of two patients a step, with 20 genes."""
    config = make_config("paper", train={"batch_size": 2, "radiomic_features": ("mean_hu", "equivalent_diameter_mm")})
    players = state.make_players(config)
    create = jax.jit(lambda key: state.create_state(config, players, 20, key), compiler_options=HASTY)
    generator = np.random.default_rng(0)
    patches = steps.Patches(
        nodule_hu=generator.integers(-900, 0, (4, 16, 16)).astype(np.int16),
        nodule_mask=generator.integers(0, 2, (4, 16, 16)).astype(np.uint8),
        background_hu=generator.integers(-900, -700, (4, 16, 16)).astype(np.int16),
    )
    scaled = steps.Scaled(
        components=generator.standard_normal((4, 20), dtype=np.float32),
        targets=generator.standard_normal((4, 2), dtype=np.float32),
        target_mean=np.zeros(2, np.float32),
        target_sd=np.array([100.0, 5.0], np.float32),
    )
    indices = {name: np.array([1, 3], np.int32) for name in ("patient", "nodule", "background")}
    indices["other"] = np.array([0, 2], np.int32)
    return config, players, create(jax.random.key(0)), steps.TrainingArrays(patches, scaled), indices


@pytest.fixture(scope="module")
def batch(material):
    config, _, _, arrays, indices = material
    return jax.jit(lambda *given: steps.gather_batch(config, None, *given))(
        jax.device_put(arrays), indices, jax.random.key(2)
    )


@pytest.fixture(scope="module")
def synthesised(material, batch):
    """(synthesis, code) of the batch."""
    _, players, initial, _, _ = material
    synthesise = jax.jit(lambda *given: published_objective.synthesise(players, *given), compiler_options=HASTY)
    return synthesise(initial.generator, batch)[0]


@pytest.fixture(scope="module")
def judge(material, synthesised):
    """`judge(image, mask)` is the initial discriminator's verdict with the batch's codes."""
    _, players, initial, _, _ = material
    compiled = jax.jit(lambda *given: published_objective.judge(players, *given), compiler_options=HASTY)
    return lambda image, mask: jax.device_get(compiled(initial.discriminator, image, mask, synthesised[1]))


def test_tuples_against_a_hand_computation(material, batch, synthesised, judge):
    """Two patients, so each is the other's other; heads weigh 8, 1 and 10."""
    config, players, initial, _, _ = material
    image, mask, synthesis = batch.real, batch.real_mask, synthesised[0]
    expected = 0.0
    real, other = judge(image, mask), judge(image[::-1], mask[::-1])
    fake = judge(synthesis.image, synthesis.mask)
    for verdict, (match, whole, pair) in (
        (real, (1, 1, 1)),
        (other, (0, 1, 1)),
        (judge(image, mask[::-1]), (0, 1, 0)),
        (fake, (0, 0, 0)),
    ):
        expected += 10 * np.mean((verdict.match - match) ** 2)
        expected += 8 * np.mean((verdict.image - whole) ** 2)
        expected += 1 * np.mean((verdict.pair - pair) ** 2)
    update = jax.jit(
        lambda *given: published_objective.update_discriminator(config, players, *given), compiler_options=HASTY
    )
    _, _, metrics = update(initial, batch, synthesised, jax.random.key(0))
    assert float(metrics["discriminator_loss"]) == pytest.approx(expected, rel=1e-4)
    told = {"score_real": real.pair, "score_fake": fake.pair, "match_real": real.match, "match_mismatched": other.match}
    for name, scores in told.items():
        assert float(metrics[name]) == pytest.approx(scores.mean(), rel=1e-3, abs=1e-4), name


def test_generator_loss_against_a_hand_computation(material, batch, synthesised, judge):
    config, players, initial, arrays, _ = material
    synthesis = synthesised[0]
    verdict = judge(synthesis.image, synthesis.mask)
    expected = 100 * float(published_objective.background_loss(synthesis, batch.background)) + sum(
        weight * np.mean((scores - 1) ** 2)
        for weight, scores in ((10, verdict.match), (8, verdict.image), (1, verdict.pair))
    )

    def learn(generator, discriminator, arrays, batch):
        made, pull_back, _ = steps.synthesise_once(config, players, published_objective, generator, batch)
        return published_objective.generator_gradient(
            config, players, discriminator, arrays, batch, made, pull_back, None
        )

    learned = jax.jit(learn, compiler_options=HASTY)
    _, metrics = learned(initial.generator, initial.discriminator, jax.device_put(arrays), batch)
    assert float(metrics["generator_loss"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("ndim", [2, 3])
def test_background_counts_two_voxels_off_the_nodule_and_over_all_voxels(ndim):
    mask = jnp.zeros((1, *(9,) * ndim, 1)).at[(0, *(4,) * ndim)].set(0.5)
    background = jnp.zeros_like(mask)

    def loss(image):
        return published_objective.background_loss(Synthesis(image, mask, image), background)

    slope = np.asarray(jax.grad(loss)(background + 0.1))[0, ..., 0]
    expected = np.full((9,) * ndim, 1 / 9**ndim)
    expected[(slice(2, 7),) * ndim] = 0.0
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


def test_mask_learns_nothing_from_the_background_term():
    image = jnp.ones((1, 9, 9, 1))

    def loss(mask):
        return published_objective.background_loss(Synthesis(image, mask, image), 0.0 * image)

    gradient = jax.grad(loss)(0.4 * image)
    assert float(jnp.abs(gradient).max()) == 0.0


def test_others_are_always_different_patients():
    patients = jnp.array([3, 3, 5, 3, 7, 5])
    keys = jax.random.split(jax.random.key(0), 200)
    draws = jax.vmap(lambda key: published_objective.draw_others(patients, key))(keys)
    assert (patients[draws] != patients).all()
    for example in range(6):
        assert len(np.unique(draws[:, example])) == int((patients != patients[example]).sum())


def test_a_step_moves_everything_and_adam_is_constant_and_unclipped(material):
    config, players, initial, arrays, indices = material
    step = jax.jit(
        lambda before, arrays: steps.train_step(config, players, before, arrays, indices, jax.random.key(1)),
        compiler_options=HASTY,
    )
    after, metrics = step(initial, jax.device_put(arrays))
    assert {"radiomic_loss", "background_loss", "generator_loss", "discriminator_loss"} <= set(metrics)
    assert all(np.isfinite(value) for value in metrics.values())
    for name in ("generator", "discriminator"):
        old, new = (getattr(each, name)["params"] for each in (initial, after))
        moved = jax.tree.map(lambda a, b: np.abs(np.asarray(b - a)), old, new)
        # The first step of Adam moves every parameter that has a gradient by the rate itself, whatever its gradient.
        largest = [float(leaf.max()) for leaf in jax.tree.leaves(moved)]
        np.testing.assert_allclose(largest, 1e-4, rtol=0.05, err_msg=name)
    old, new, mean = (each["params"]["mapper"]["Dense_0"]["kernel"] for each in (
        initial.ema, after.generator, after.ema
    ))
    decay = 0.5 ** (config.train.batch_size / config.train.ema_half_life_images)
    np.testing.assert_allclose(mean, decay * old + (1 - decay) * new, atol=1e-7)
    jax.tree.map(np.testing.assert_array_equal, after.ema["batch_stats"], after.generator["batch_stats"])
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), initial.ema["batch_stats"], after.ema["batch_stats"])
    assert all(jax.tree.leaves(changed))


def test_average_forgets_a_thousandth_a_step(full_config):
    config = full_config("paper")
    assert 0.5 ** (config.train.batch_size / config.train.ema_half_life_images) == pytest.approx(0.999)


def test_mapper_learns_from_the_code_that_the_discriminator_sees(material, batch):
    """With image and mask detached the mapper still has a gradient, through the match alone."""
    config, players, initial, _, _ = material

    def objective(params):
        variables = initial.generator | {"params": params}
        (synthesis, code), _ = published_objective.synthesise(players, variables, batch)
        synthesis = jax.lax.stop_gradient(synthesis)
        verdict = published_objective.judge(players, initial.discriminator, synthesis.image, synthesis.mask, code)
        terms = published_objective.least_squares(verdict, published_objective.REAL)
        return published_objective.weighted_sum(config, terms)

    gradient = jax.jit(jax.grad(objective), compiler_options=HASTY)(initial.generator["params"])
    moved = {name: any((leaf != 0.0).any() for leaf in jax.tree.leaves(part)) for name, part in gradient.items()}
    assert [name for name, moves in moved.items() if moves] == ["mapper"]


@pytest.mark.parametrize(
    "name, changes, told",
    [
        ("paper", {"train": {"objective": "wgan"}}, "train.objective: 'wgan'; expected 'feature' or 'published'"),
        ("paper", {"train": {"objective": "feature"}}, "'feature' with model.architecture 'published'"),
        ("phantom", {"train": {"objective": "published"}}, "'published' with model.architecture 'film'"),
        ("paper", {"train": {"batch_size": 1}}, "train.batch_size: 1"),
        ("paper", {"train": {"accumulate": 2}}, "train.accumulate: 2 with train.objective 'published'"),
        ("paper", {"train": {"rate_schedule": "step"}}, "train.rate_schedule: 'step'"),
        ("phantom", {"model": {"architecture": "unet"}}, "model.architecture: 'unet'"),
    ],
)
def test_what_does_not_fit(make_config, name, changes, told):
    with pytest.raises(InputError, match=told):
        state.make_players(make_config(name, **changes))
