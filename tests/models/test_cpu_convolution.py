"""Convolutions in their faster forms: values and derivatives of the plain one, and used where it pays only."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models import cpu_convolution, layers, phases


@pytest.fixture
def given(monkeypatch):
    """Features and kernel, large enough to be cut into four strips."""
    monkeypatch.setattr(cpu_convolution, "ROWS", 4)
    one, two = jax.random.split(jax.random.key(0))
    return jax.random.normal(one, (2, 16, 12, 3)), jax.random.normal(two, (3, 3, 3, 5))


def run(function, features, kernel, stride=1):
    return function(features, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def run_plain_doubled(features, kernel, *others, **settings):
    return jax.lax.conv_general_dilated(phases.upsample(features), kernel, *others, **settings)


PLAIN = (jax.lax.conv_general_dilated, cpu_convolution.convolve)
DOUBLED = (run_plain_doubled, cpu_convolution.convolve_doubled)


def both(derive, *given, functions=PLAIN, **settings):
    return [derive(lambda *arrays, f=f: run(f, *arrays, **settings), *given) for f in functions]


def check(pair):
    for one, other in zip(*map(jax.tree.leaves, pair), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-4)


def check_values_and_gradients(*given, **settings):
    check(both(lambda f, *arrays: f(*arrays), *given, **settings))

    def slope(function, *arrays):
        return jax.grad(lambda *each: jnp.sin(function(*each)).sum(), (0, 1))(*arrays)

    check(both(slope, *given, **settings))


def test_values_and_gradients(given):
    check_values_and_gradients(*given)


def test_forward_mode_alone_and_mapped(given):
    features, kernel = given
    moves = jax.random.normal(jax.random.key(1), (2, *features.shape))
    check(both(lambda f, *arrays: jax.jvp(f, arrays, arrays)[1], *given))
    check(both(lambda f, x, k: jax.vmap(jax.linearize(lambda x: f(x, k), x)[1])(moves), *given))


@pytest.mark.parametrize("sizes", [(1, 1), (3, 3), (3, 5), (3, 2)])
def test_small_deep_images_in_patches(sizes, monkeypatch):
    monkeypatch.setattr(cpu_convolution, "DEEP", 16)
    one, two, three = jax.random.split(jax.random.key(0), 3)
    given = jax.random.normal(one, (2, 2, 3, 32)), 0.1 * jax.random.normal(two, (*sizes, 32, 5))
    assert "dot_general" in str(jax.make_jaxpr(lambda *arrays: run(cpu_convolution.convolve, *arrays))(*given))
    check_values_and_gradients(*given)
    moves = jax.random.normal(three, (4, *given[0].shape))
    check(both(lambda f, x, k: jax.vmap(jax.linearize(lambda x: f(x, k), x)[1])(moves), *given))


@pytest.mark.parametrize("side, sizes", [(4, (4, 4)), (4, (2, 4)), (8, (4, 4)), (32, (6, 4))])  # last in strips
def test_strides_in_phases(sizes, side, monkeypatch):
    monkeypatch.setattr(cpu_convolution, "DEEP", 6)
    one, two = jax.random.split(jax.random.key(0))
    given = jax.random.normal(one, (2, side, side, 3)), 0.1 * jax.random.normal(two, (*sizes, 3, 5))
    text = str(jax.make_jaxpr(lambda *arrays: run(cpu_convolution.convolve, *arrays, stride=2))(*given))
    assert "window_strides=(2, 2)" not in text
    check_values_and_gradients(*given, stride=2)


def test_doubled_images_with_nine_products():
    one, two, three = jax.random.split(jax.random.key(0), 3)
    given = jax.random.normal(one, (2, 5, 4, 3)), jax.random.normal(two, (3, 3, 3, 6))
    text = str(jax.make_jaxpr(lambda *arrays: run(cpu_convolution.convolve_doubled, *arrays))(*given))
    assert (text.count("conv_general_dilated["), text.count("dot_general[")) == (0, 3)  # of three products each
    check_values_and_gradients(*given, functions=DOUBLED)
    check(both(lambda f, *arrays: jax.jvp(f, arrays, arrays)[1], *given, functions=DOUBLED))
    moves = jax.random.normal(three, (3, *given[0].shape))
    check(both(lambda f, x, k: jax.vmap(jax.linearize(lambda x: f(x, k), x)[1])(moves), *given, functions=DOUBLED))


@pytest.mark.parametrize("ndim, changes", [
    (2, {"kernel": 5}), (2, {"dtype": jnp.bfloat16}), (2, {"strides": 2}), (3, {}),
])
def test_other_doubled_images_are_doubled_first(ndim, changes):
    layer = layers.upsampling_convolution(ndim, 4, **changes)
    plain = layers.convolution(ndim, 4, **{name.replace("strides", "stride"): of for name, of in changes.items()})
    features = jax.random.normal(jax.random.key(0), (2, *(4,) * ndim, 3))
    variables = layer.init(jax.random.key(1), features)
    expected = plain.apply(variables, phases.upsample(features))
    np.testing.assert_array_equal(layer.apply(variables, features), expected)


def test_no_strips_where_the_kernel_rests(given):
    features, kernel = given

    def push(move):
        return jax.jvp(lambda x: run(cpu_convolution.convolve, x, kernel), (features,), (move,))

    text = str(jax.make_jaxpr(push)(features))
    assert text.count("conv_general_dilated[") == 2


def test_layers_use_it(given):
    layer = layers.convolution(2, 4)
    variables = layer.init(jax.random.key(0), given[0])
    plain = nn.Conv(4, (3, 3), padding="SAME")
    check([jax.grad(lambda v, net=net: (net.apply(v, given[0]) ** 2).sum())(variables) for net in (layer, plain)])
    gradient = jax.make_jaxpr(jax.grad(lambda v: layer.apply(v, given[0]).sum()))(variables)
    assert str(gradient).count("conv_general_dilated[") == 1 + 4


@pytest.mark.parametrize("shape, sizes, strides, dtype", [
    ((1, 8, 8, 3), (3, 3), 1, jnp.float32),  # small and not deep
    ((1, 16, 16, 3), (3, 3), 2, jnp.float32),
    ((1, 16, 16, 3), (1, 1), 1, jnp.float32),
    ((1, 2, 2, 127), (3, 3), 1, jnp.float32),
    ((1, 2, 2, 128), (3, 3), 2, jnp.float32),
    ((1, 2, 2, 128), (3, 3), 1, jnp.bfloat16),
    ((8, 14, 14, 128), (3, 2), 1, jnp.float32),  # tiles are square
    ((1, 18, 18, 3), (3, 3), 1, jnp.float32),  # no whole number of strips
    ((1, 15, 15, 3), (4, 4), 2, jnp.float32),
    ((1, 16, 16, 3), (4, 4), (1, 2), jnp.float32),
    ((1, 16, 16, 3), (4, 4), 2, jnp.bfloat16),
])
def test_other_images_stay_whole(given, shape, sizes, strides, dtype):
    layer = nn.Conv(2, sizes, strides, dtype=dtype, conv_general_dilated=cpu_convolution.convolve)
    text = str(jax.make_jaxpr(lambda x: layer.init_with_output(jax.random.key(0), x)[0])(jnp.ones(shape)))
    assert text.count("conv_general_dilated[") == 1 and "custom_jvp" not in text and "dot_general" not in text


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side, kernel", [(6, 3), (7, 3), (6, 5), (5, 1), (1, 3)])
def test_volumes_in_planes(stride, side, kernel):
    """Even and odd sides: "SAME" pads both ends, or the far one more."""
    one, two = jax.random.split(jax.random.key(0))
    features, weights = jax.random.normal(one, (2, side, 6, 5, 3)), jax.random.normal(two, (*[kernel] * 3, 3, 4))

    def run_3d(function, features, weights):
        numbers = ("NDHWC", "DHWIO", "NDHWC")
        return function(features, weights, (stride,) * 3, "SAME", dimension_numbers=numbers, precision=None)

    functions = (jax.lax.conv_general_dilated, cpu_convolution.convolve)
    check([run_3d(function, features, weights) for function in functions])
    check([
        jax.grad(lambda *arrays, f=f: jnp.sin(run_3d(f, *arrays)).sum(), (0, 1))(features, weights) for f in functions
    ])


@pytest.mark.parametrize("padding, dilation", [("VALID", 1), (1, 1), (1, 2)])
def test_other_margins_and_dilated_images_are_left_alone(padding, dilation):
    settings = {"padding": padding, "input_dilation": dilation}
    layer = nn.Conv(3, (3, 3), conv_general_dilated=cpu_convolution.convolve, **settings)
    features = jax.random.normal(jax.random.key(0), (2, 16, 16, 128))
    variables = layer.init(jax.random.key(1), features)
    plain = nn.Conv(3, (3, 3), **settings)
    np.testing.assert_array_equal(layer.apply(variables, features), plain.apply(variables, features))


@pytest.mark.parametrize("options", [
    {"xla_cpu_of_no_version": True}, {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_OF_NO_VERSION"},
])
def test_options_of_another_compiler_are_left_out(monkeypatch, options):
    monkeypatch.setattr(cpu_convolution, "OPTIONS", options)
    assert cpu_convolution.compiler_options.__wrapped__() == {}


def test_options_keep_values_and_gradients(given):
    options = cpu_convolution.compiler_options()
    if not options:
        pytest.skip("this jaxlib has no such options, and convolves more slowly")

    def slope(features, kernel):
        return jax.grad(lambda *each: jnp.sin(run(cpu_convolution.convolve, *each)).sum(), (0, 1))(features, kernel)

    check([jax.jit(slope, compiler_options=each)(*given) for each in ({}, options)])


def test_layers_take_volumes_in_planes():
    layer, plain = layers.convolution(3, 4, stride=2), nn.Conv(4, (3, 3, 3), strides=2, padding="SAME")
    features = jax.random.normal(jax.random.key(0), (2, 6, 6, 6, 3))
    variables = layer.init(jax.random.key(1), features)
    check([net.apply(variables, features) for net in (layer, plain)])
    assert str(jax.make_jaxpr(lambda x: layer.apply(variables, x))(features)).count("conv_general_dilated[") == 3


@pytest.mark.parametrize("changes", [{"kernel_dilation": 2}, {"feature_group_count": 3}, {"dtype": jnp.bfloat16}])
def test_what_planes_would_change_is_left_alone(changes):
    layer, plain = layers.convolution(3, 6, **changes), nn.Conv(6, (3, 3, 3), padding="SAME", **changes)
    features = jax.random.normal(jax.random.key(0), (1, 6, 6, 6, 3))
    variables = layer.init(jax.random.key(1), features)
    np.testing.assert_array_equal(layer.apply(variables, features), plain.apply(variables, features))
