"""Co-occurrence features against loops, by hand, on regions without texture, and on jax.numpy."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import textures

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi import glcm

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("glcm_") for feature in glcm.FEATURES]
UNDEFINED = ("correlation", "information_correlation_1", "information_correlation_2")  # of a single grey level


def count(part, offsets):
    pairs = collections.Counter()
    for place, level in textures.list_voxels(part):
        for offset in offsets:
            other = textures.look(part, place, offset)
            if other:
                pairs.update([(level, other), (other, level)])
    return pairs


def entropy(shares):
    return -sum(share * np.log2(share) for share in shares)


def add_up(p, key):
    """Probabilities of key(i, j)."""
    summed = collections.Counter()
    for (i, j), share in p.items():
        summed[key(i, j)] += share
    return summed


def evaluate_pairs(pairs, level_count):
    """The 25 features by their definitions, term by term."""
    total = sum(pairs.values())
    p = {(int(i), int(j)): number / total for (i, j), number in pairs.items()}

    def expect(function):
        return sum(share * function(i, j) for (i, j), share in p.items())

    px, pd, ps = add_up(p, lambda i, j: i), add_up(p, lambda i, j: abs(i - j)), add_up(p, lambda i, j: i + j)
    mu, mean_d, mean_s = expect(lambda i, j: i), expect(lambda i, j: abs(i - j)), expect(lambda i, j: i + j)
    variance = expect(lambda i, j: (i - mu) ** 2)
    h, hx = entropy(p.values()), entropy(px.values())
    h1 = -expect(lambda i, j: np.log2(px[i] * px[j]))
    h2 = entropy([px[i] * px[j] for i in px for j in px])
    several = len(px) > 1
    n = level_count
    return [
        max(p.values()), mu, variance, h, mean_d, expect(lambda i, j: (abs(i - j) - mean_d) ** 2),
        entropy(pd.values()), mean_s, expect(lambda i, j: (i + j - mean_s) ** 2), entropy(ps.values()),
        sum(share**2 for share in p.values()), expect(lambda i, j: (i - j) ** 2), mean_d,
        expect(lambda i, j: 1 / (1 + abs(i - j))), expect(lambda i, j: 1 / (1 + abs(i - j) / n)),
        expect(lambda i, j: 1 / (1 + (i - j) ** 2)), expect(lambda i, j: 1 / (1 + (i - j) ** 2 / n**2)),
        expect(lambda i, j: 0 if i == j else 1 / (i - j) ** 2),
        expect(lambda i, j: (i - mu) * (j - mu)) / variance if several else np.nan,
        expect(lambda i, j: i * j), *(expect(lambda i, j, k=k: (i + j - 2 * mu) ** k) for k in (2, 3, 4)),
        (h - h1) / hx if several else np.nan,
        np.sqrt(max(1 - np.exp(-2 * (h2 - h)), 0)) if several else np.nan,
    ]


@pytest.mark.parametrize("aggregation", textures.DIRECTED)
def test_equals_loops(aggregation):
    levels, level_count = textures.make_regions()
    levels[1] = np.where(levels[1] > 0, levels[1] + 20, 0)
    level_count[1] += 20
    slow = [
        textures.measure_slowly(region, aggregation, count, lambda pairs, _, n=n: evaluate_pairs(pairs, n))
        for region, n in zip(levels, level_count, strict=True)
    ]
    np.testing.assert_allclose(glcm.measure(levels, level_count, aggregation), slow, rtol=1e-9, atol=1e-7)


def test_by_hand():
    levels = np.array([[[[1, 1, 3]]]], np.int32)  # pairs 1 1 and 1 3: p(1, 1) = 1 / 2, p(1, 3) = p(3, 1) = 1 / 4
    values = dict(zip(NAMES, glcm.measure(levels, np.array([4]), "3D, merged")[0], strict=True))
    expected = {
        "joint_maximum": 0.5, "joint_average": 1.5, "joint_variance": 0.75, "joint_entropy": 1.5, "contrast": 2.0,
        "inverse_difference": 0.5 + 0.5 / 3, "normalised_inverse_difference": 0.5 + 0.5 / 1.5, "correlation": -1 / 3,
        "autocorrelation": 2.0, "sum_entropy": 1.0, "inverse_variance": 0.125, "cluster_tendency": 1.0,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("aggregation", textures.DIRECTED)
def test_a_batch_is_its_regions(aggregation):
    levels, level_count = textures.make_regions(seed=3)
    single = [glcm.measure(levels[n: n + 1], level_count[n: n + 1], aggregation)[0] for n in range(len(levels))]
    np.testing.assert_allclose(glcm.measure(levels, level_count, aggregation), single, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("aggregation", textures.DIRECTED)
def test_without_texture(aggregation):
    levels = np.zeros((3, 2, 3, 3), np.int32)
    levels[1, 0, 1, 1] = 2  # a voxel without a neighbour
    levels[2, :, 1:, 1:] = 7  # one grey level
    values = glcm.measure(levels, np.array([7, 7, 7]), aggregation)
    assert np.isnan(values[:2]).all()
    assert [name for name, value in zip(NAMES, values[2], strict=True) if np.isnan(value)] == list(UNDEFINED)
    assert values[2, NAMES.index("joint_average")] == 7.0
    assert values[2, NAMES.index("joint_entropy")] == 0.0
    assert np.isnan(glcm.measure(levels[:1], np.array([7]), aggregation)).all()


def test_slices_without_a_pair_do_not_count():
    levels, level_count = textures.make_regions(shape=(1, 2, 5, 6), highest=(4,))
    levels[0, 1] = 0
    alone = glcm.measure(levels[:, :1], level_count, "2D, averaged")
    levels[0, 1, 2, 2] = 4
    np.testing.assert_array_equal(glcm.measure(levels, level_count, "2D, averaged"), alone)


def make_probabilities():
    """A dense, a sparse and an independent symmetric joint distribution, and one of a single grey level."""
    generator = np.random.default_rng(1)
    dense = generator.random((6, 6))
    marginal = generator.random(6)
    matrices = np.stack([dense, dense * (dense > 0.7), np.outer(marginal, marginal), np.diag(np.arange(6) == 4)])
    matrices = matrices + np.swapaxes(matrices, -2, -1)
    return (matrices / matrices.sum(axis=(-2, -1), keepdims=True)).astype(np.float32)


def evaluate(probabilities, undefined):
    return glcm.evaluate(glcm.describe(probabilities, np.arange(1, 7), 6, undefined))


@pytest.mark.parametrize("undefined", [0.0, np.nan])
def test_formulas_on_jax_equal_those_on_numpy(undefined):
    probabilities = make_probabilities()
    exact = evaluate(probabilities.astype(np.float64), undefined)
    traced = jax.jit(evaluate, static_argnums=1)(jnp.asarray(probabilities), undefined)
    # The root of the mutual information magnifies the rounding of float32 where it is 0.
    np.testing.assert_allclose(traced[..., :-1], exact[..., :-1], rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(traced[..., -1], exact[..., -1], atol=3e-3)


def test_gradients_are_finite_and_right():
    probabilities = make_probabilities()
    jacobian = jax.jit(jax.jacrev(lambda p: evaluate(p, 0.0)))(jnp.asarray(probabilities))
    assert np.isfinite(jacobian).all()
    base, step = probabilities[0].astype(np.float64), np.zeros((6, 6))
    step[1, 4] = step[4, 1] = step[0, 2] = step[2, 0] = 1e-5
    step[3, 3] = -4e-5
    slope = (evaluate(base + step, 0.0) - evaluate(base - step, 0.0)) / 2
    np.testing.assert_allclose(np.einsum("fij,ij->f", jacobian[0, :, 0], step), slope, rtol=5e-3, atol=2e-9)


def test_evaluates_the_features_asked_for_in_their_order():
    joint = glcm.describe(make_probabilities(), np.arange(1, 7), 6)
    both = glcm.evaluate(joint, ("glcm_correlation", "glcm_contrast"))
    every = glcm.evaluate(joint)
    np.testing.assert_array_equal(both, every[..., [NAMES.index("correlation"), NAMES.index("contrast")]])


def test_bad_input_is_told():
    levels = np.ones((1, 1, 2, 2), np.int32)
    with pytest.raises(InputError, match="found '3D', expected one of '2D, averaged'"):
        glcm.measure(levels, np.array([1]), "3D")
    with pytest.raises(InputError, match="level_count of each region"):
        glcm.measure(3 * levels, np.array([2]), "3D, merged")
    with pytest.raises(InputError, match="expected integers"):
        glcm.measure(levels.astype(float), np.array([1]), "3D, merged")
    with pytest.raises(InputError, match=r"expected \[1\]"):
        glcm.measure(levels, np.array([1, 2]), "3D, merged")
