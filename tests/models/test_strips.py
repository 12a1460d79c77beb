"""Convolution in strips: the values and derivatives of the plain one, and used where it pays only."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models import layers, strips


@pytest.fixture
def given(monkeypatch):
    """Features and kernel, large enough to be cut into four strips."""
    monkeypatch.setattr(strips, "LARGE", 16)
    monkeypatch.setattr(strips, "ROWS", 4)
    one, two = jax.random.split(jax.random.key(0))
    return jax.random.normal(one, (2, 16, 12, 3)), jax.random.normal(two, (3, 3, 3, 5))


def run(function, features, kernel):
    return function(features, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def both(derive, *given):
    functions = (jax.lax.conv_general_dilated, strips.convolve)
    return [derive(lambda *arrays, f=f: run(f, *arrays), *given) for f in functions]


def check(pair):
    for one, other in zip(*map(jax.tree.leaves, pair), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-4)


def test_values_and_gradients(given):
    check(both(lambda f, *arrays: f(*arrays), *given))
    check(both(lambda f, *arrays: jax.grad(lambda *each: jnp.sin(f(*each)).sum(), (0, 1))(*arrays), *given))


def test_forward_mode_alone_and_mapped(given):
    features, kernel = given
    moves = jax.random.normal(jax.random.key(1), (2, *features.shape))
    check(both(lambda f, *arrays: jax.jvp(f, arrays, arrays)[1], *given))
    check(both(lambda f, x, k: jax.vmap(jax.linearize(lambda x: f(x, k), x)[1])(moves), *given))


def test_no_strips_where_the_kernel_rests(given):
    features, kernel = given

    def push(move):
        return jax.jvp(lambda x: run(strips.convolve, x, kernel), (features,), (move,))

    text = str(jax.make_jaxpr(push)(features))
    assert text.count("conv_general_dilated[") == 2


def test_layers_use_it(given):
    layer = layers.convolution(2, 4)
    variables = layer.init(jax.random.key(0), given[0])
    plain = nn.Conv(4, (3, 3), padding="SAME")
    check([jax.grad(lambda v, net=net: (net.apply(v, given[0]) ** 2).sum())(variables) for net in (layer, plain)])
    gradient = jax.make_jaxpr(jax.grad(lambda v: layer.apply(v, given[0]).sum()))(variables)
    assert str(gradient).count("conv_general_dilated[") == 1 + 4


@pytest.mark.parametrize("shape, strides", [((1, 8, 8, 3), (1, 1)), ((1, 16, 16, 3), (2, 2))])
def test_small_or_strided_images_stay_whole(given, shape, strides):
    layer = nn.Conv(2, (3, 3), strides=strides, conv_general_dilated=strips.convolve)
    text = str(jax.make_jaxpr(lambda x: layer.init_with_output(jax.random.key(0), x)[0])(jnp.ones(shape)))
    assert "custom_jvp" not in text
