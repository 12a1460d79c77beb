"""The factored Jacobian is the Jacobian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.analysis import jacobian, synthesis
from radiogenomics.errors import InputError

REGION = np.zeros((16, 16))
REGION[4:12, 5:13] = 1.0


@pytest.fixture(scope="module")
def functions(run):
    """(decode, encode, component) of a patient, one background and noise."""
    fold = run.folds[0]
    draws = synthesis.make_draws(run, fold, 1, 1)
    variables = fold.variables

    def encode(component):
        return run.generator.apply(variables, component[None], method="encode")[0]

    def decode(code):
        made = run.generator.apply(variables, draws.background, code[None], draws.noise, method="decode")
        return made.image[0, ..., 0]

    return decode, encode, fold.components[fold.held_out[0]]


@pytest.fixture(scope="module")
def factored(functions, run):
    return jacobian.image_jacobian(*functions, run.folds[0].transform.pull_back, memory_mb=40.0)


@pytest.fixture(scope="module")
def explicit(functions, run):
    """J [16, 16, G] by plain forward mode through the whole generator, gene by gene."""
    decode, encode, component = functions
    loadings = jnp.asarray(run.folds[0].transform.loadings)

    def image_of(shift):
        return decode(encode(component + shift @ loadings))

    return np.asarray(jax.jit(jax.jacfwd(image_of))(jnp.zeros(len(loadings))))


def test_parity_with_forward_mode(factored, explicit):
    whole = factored.image_by_code @ factored.code_by_gene
    assert np.abs(explicit).max() > 0.0
    np.testing.assert_allclose(whole, explicit, atol=1e-5 * np.abs(explicit).max())
    assert np.linalg.norm(whole - explicit) < 1e-5 * np.linalg.norm(explicit)


def test_directions_and_their_adjoint(factored, explicit):
    generator = np.random.default_rng(0)
    direction, image = generator.standard_normal(explicit.shape[-1]), generator.standard_normal((16, 16))
    forward, backward = factored.along(direction[:, None])[..., 0], factored.back(image)
    np.testing.assert_allclose(forward, explicit @ direction, atol=1e-4 * np.abs(forward).max())
    np.testing.assert_allclose(backward, np.tensordot(image, explicit, 2), atol=1e-4 * np.abs(backward).max())
    assert (forward * image).sum() == pytest.approx(direction @ backward, rel=1e-4)


def test_saliency_is_the_norm_of_the_columns(factored, explicit):
    for region in (np.ones((16, 16)), REGION):
        expected = np.sqrt(np.square(explicit * region[..., None]).sum(axis=(0, 1)))
        np.testing.assert_allclose(factored.saliency(region), expected, atol=1e-4 * expected.max())


def test_axes_reproduce_the_jacobian(factored, explicit):
    patterns, strengths, loadings = factored.axes(5)
    rebuilt = (patterns * strengths) @ loadings.T
    np.testing.assert_allclose(rebuilt, explicit, atol=1e-4 * np.abs(explicit).max())
    assert (np.diff(strengths) <= 0).all()
    kept = strengths > 1e-6 * strengths[0]
    for vectors in (patterns.reshape(-1, 5), loadings):
        np.testing.assert_allclose((vectors.T @ vectors)[kept][:, kept], np.eye(kept.sum()), atol=1e-4)


def test_without_front_end_and_with_a_linear_generator():
    """J of x = A B g is A B itself."""
    generator = np.random.default_rng(1)
    a, b = generator.standard_normal((4, 4, 3)), generator.standard_normal((3, 7))
    factored = jacobian.image_jacobian(
        lambda code: jnp.asarray(a) @ code, lambda genes: jnp.asarray(b) @ genes, np.zeros(7, np.float32), lambda g: g
    )
    np.testing.assert_allclose(factored.image_by_code @ factored.code_by_gene, a @ b, atol=1e-5)


def test_feature_sensitivity_is_the_jacobian_of_the_features(run):
    fold = run.folds[0]
    names = ("mean_hu", "equivalent_diameter_mm", "elongation")
    draws = synthesis.make_draws(run, fold, 2, 1)
    features = synthesis.mean_features(run, names)
    component = fold.components[fold.held_out[1]]
    got = jacobian.feature_sensitivity(features)(fold.variables, component, draws)
    expected = jax.jit(jax.jacrev(features, argnums=1))(fold.variables, jnp.asarray(component), draws)
    assert got.shape == (3, 5)
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert (scale > 0).all()
    np.testing.assert_allclose(got / scale, expected / scale, atol=1e-4)


def small_generator():
    """(decode, encode) with a code of 12 numbers and images of 8 x 8."""
    weights = np.random.default_rng(0).standard_normal((12, 64)).astype(np.float32)

    def decode(code):
        return (jnp.tanh(code @ weights) @ jnp.eye(64)).reshape(8, 8)

    return decode, lambda components: jnp.tanh(components[:1]) * jnp.arange(1.0, 13.0)


@pytest.mark.parametrize("components", [5, 20])
def test_the_cut_goes_through_what_is_narrowest(components):
    decode, encode = small_generator()
    start = np.full(components, 0.3, np.float32)
    by_cut, before = jacobian.code_factors(decode, encode, start, chunk=2)
    assert by_cut.shape == (8, 8, min(components, 12)) and before.shape == (min(components, 12), components)
    exact = jax.jacfwd(lambda u: decode(encode(u)))(jnp.asarray(start))
    assert np.linalg.norm(by_cut @ before - exact) < 1e-5 * np.linalg.norm(exact)


def test_passes_at_once_follow_the_memory_and_are_told(caplog):
    decode, encode = small_generator()
    start = np.zeros(20, np.float32)
    with caplog.at_level("INFO"):
        assert jacobian.plan_passes(decode, encode, start, 1024.0) == 12
    assert "12 of 12 passes at once" in caplog.text and "MB" in caplog.text
    with pytest.raises(InputError, match="memory_mb: 1e-06, expected at least"):
        jacobian.plan_passes(decode, encode, start, 1e-6)
    chunks = [jacobian.plan_passes(decode, encode, start, megabytes) for megabytes in (0.03, 0.031, 0.035)]
    assert 1 <= chunks[0] < chunks[1] < chunks[2] == 12


def test_gradients_follow_the_memory_too(caplog):
    decode, _ = small_generator()

    def features(variables, component, draws):
        return decode(component).reshape(16, 4).sum(axis=1)

    start = np.zeros(12, np.float32)
    with caplog.at_level("INFO"):
        assert jacobian.plan_gradients(features, None, start, None, 1024.0) == 16
    assert "gradients: about" in caplog.text and "16 of 16 passes at once" in caplog.text
    with pytest.raises(InputError, match="memory_mb: 1e-06, expected at least"):
        jacobian.plan_gradients(features, None, start, None, 1e-6)
    chunks = [jacobian.plan_gradients(features, None, start, None, megabytes) for megabytes in (0.02, 0.03, 0.04)]
    assert 1 <= chunks[0] < chunks[1] < chunks[2] == 16
    together, in_turn = (jacobian.feature_sensitivity(features, chunk)(None, start, None) for chunk in (None, 3))
    assert together.shape == (16, 12)
    np.testing.assert_allclose(in_turn, together, atol=1e-5)


def test_the_peak_counts_what_is_alive_together():
    """Three arrays of 4000 bytes at once: x + 1 is needed until the end, the product and its sine overlap once."""

    def program(x):
        kept = x + 1.0
        wave = jnp.sin(kept * 2.0)
        return jnp.cos(wave) + kept

    traced = jax.make_jaxpr(program)(jnp.zeros(1000))
    assert jacobian.peak_bytes(traced.jaxpr) == 12000
    nested = jax.make_jaxpr(jax.jit(program))(jnp.zeros(1000))
    assert jacobian.peak_bytes(nested.jaxpr) == 16000
