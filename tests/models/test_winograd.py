"""Convolutions in tiles: values and derivatives of the plain one, with fewer products."""

import functools

import jax
import numpy as np
import pytest

from radiogenomics.models import cpu_convolution, winograd


def plain(features, kernel):
    return jax.lax.conv_general_dilated(
        features, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )


@pytest.fixture(params=[(2, 2), (2, 3), (4, 2), (4, 3)])
def tiles(request):
    """A tile's side and a kernel's size."""
    return request.param


@pytest.fixture
def given(tiles):
    """Features of 3 x 2 tiles and what they meet besides, and a kernel."""
    tile, size = tiles
    one, two = jax.random.split(jax.random.key(0))
    return jax.random.normal(one, (2, 4 * tile, 3 * tile, 5)), jax.random.normal(two, (size, size, 5, 4))


@pytest.fixture
def check(given, tiles):
    """Compares what is derived of the plain convolution and of the one in tiles."""
    tile, size = tiles

    def plain_of_used(features, kernel):
        used = slice(None, -(tile - size + 1) or None)
        return plain(features[:, used, used], kernel)

    def check(derive):
        functions = (plain_of_used, functools.partial(winograd.convolve, tile=tile))
        one, other = (jax.tree.leaves(derive(function)(*given)) for function in functions)
        for expected, found in zip(one, other, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)

    return check


def test_values_and_both_modes(given, check):
    check(lambda function: function)
    check(lambda function: jax.grad(lambda *each: jax.numpy.sin(function(*each)).sum(), (0, 1)))
    check(lambda function: lambda *each: jax.jvp(function, each, each)[1])
    moves = jax.random.normal(jax.random.key(1), (3, *given[0].shape))
    check(lambda function: lambda x, k: jax.vmap(jax.linearize(lambda x: function(x, k), x)[1])(moves))


def test_one_product_a_voxel_that_is_met(given, tiles):
    tile, size = tiles
    program = jax.make_jaxpr(functools.partial(winograd.convolve, tile=tile))(*given)
    products = [each for each in program.eqns if each.primitive.name == "dot_general"]
    met = tile + size - 1
    assert [each.outvars[0].aval.shape for each in products] == [(met, 2 * 3 * 2, 4)] * met


def test_derivatives_put_no_padded_images_together(given, tiles):
    """Nine or more images or kernels, each but for a part of zeros, take longer than the products."""
    def slopes(features, kernel):
        return jax.grad(lambda *each: winograd.convolve(*each, tiles[0]).sum(), (0, 1))(features, kernel)

    program = jax.make_jaxpr(slopes)(*given)
    shapes = [each.outvars[0].aval.shape for each in program.eqns if each.primitive.name == "pad"]
    assert shapes and all(np.prod(shape) < np.prod(given[0].shape) for shape in shapes)


@pytest.mark.parametrize("tile, bound", [(2, 2e-6), (4, 1e-5)])
@pytest.mark.parametrize("size", [2, 3])
def test_error_is_that_of_rounding(tile, bound, size):
    """Wide layers, against double precision."""
    draws = np.random.default_rng(0)
    features, kernel = draws.normal(size=(1, 4 * tile, 4 * tile, 512)), draws.normal(size=(size, size, 512, 8))
    found = convolve_in_single_precision(functools.partial(winograd.convolve, tile=tile), features, kernel)
    exact = convolve_in_double_precision(features, kernel)[:, : 3 * tile, : 3 * tile]
    assert np.abs(found - exact).max() < bound * np.abs(exact).max()


def test_error_is_that_of_rounding_in_doubled_images():
    draws = np.random.default_rng(0)
    features, kernel = draws.normal(size=(1, 6, 6, 512)), draws.normal(size=(3, 3, 512, 8))
    margin = ((0, 0), (1, 1), (1, 1), (0, 0))
    found = convolve_in_single_precision(winograd.convolve_doubled, np.pad(features, margin), kernel)
    exact = convolve_in_double_precision(np.pad(features.repeat(2, 1).repeat(2, 2), margin), kernel)
    assert np.abs(found - exact).max() < 2e-6 * np.abs(exact).max()


def convolve_in_single_precision(function, *given):
    return function(*(each.astype(np.float32) for each in given), precision="highest")


def convolve_in_double_precision(features, kernel):
    size = len(kernel)
    height, width = (side - size + 1 for side in features.shape[1:3])
    return sum(
        features[:, row : row + height, column : column + width] @ kernel[row, column]
        for row, column in np.ndindex(size, size)
    )


def count_products(function, shape, size, stride):
    """Batched matrix products of a convolution of features of this shape with a kernel of this size."""
    given = (jax.ShapeDtypeStruct(each, np.float32) for each in (shape, (size, size, shape[-1], 2)))
    numbers = ("NHWC", "HWIO", "NHWC")
    program = jax.make_jaxpr(lambda *given: function(*given, (stride,) * 2, "SAME", dimension_numbers=numbers))(*given)
    return str(program).count("dot_general[")


@pytest.mark.parametrize("shape, size, tile", [
    ((2, 32, 32, 64), 3, 4), ((2, 32, 32, 63), 3, None), ((6, 16, 16, 64), 3, 4), ((5, 16, 16, 64), 3, None),
    ((2, 16, 16, 128), 3, 2), ((2, 16, 16, 126), 3, None),
    ((2, 24, 20, 64), 3, None), ((4, 24, 20, 64), 3, 4), ((4, 24, 18, 128), 3, 2), ((1, 16, 16, 128), 3, None),
    ((2, 32, 32, 256), 2, 4), ((2, 32, 32, 255), 2, None), ((2, 16, 16, 256), 2, 2),
    ((8, 7, 8, 128), 3, None), ((8, 8, 7, 128), 3, None), ((2, 16, 16, 128), 5, None),
])
def test_used_where_it_pays(shape, size, tile):
    products = 0 if tile is None else tile + size - 1
    assert count_products(cpu_convolution.convolve, shape, size, 1) == products


def test_precision_is_kept():
    features, kernel = jax.ShapeDtypeStruct((2, 16, 16, 128), np.float32), np.ones((3, 3, 128, 2), np.float32)
    settings = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "precision": "highest"}
    for function in (cpu_convolution.convolve, cpu_convolution.convolve_doubled):
        program = str(jax.make_jaxpr(lambda x, f=function: f(x, kernel, (1, 1), "SAME", **settings))(features))
        assert 0 < 2 * program.count("dot_general[") == program.count("HIGHEST")  # of either factor


@pytest.mark.parametrize("side, products", [(16, 3), (32, 5)])
def test_strided_ones_are_convolved_in_tiles_of_phases(side, products):
    assert count_products(cpu_convolution.convolve, (8, side, side, 128), 4, stride=2) == products
