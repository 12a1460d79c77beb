"""Convolutions in tiles: values and derivatives of the plain one, with fewer products."""

import jax
import numpy as np
import pytest

from radiogenomics.models import cpu_convolution, winograd


def plain(features, kernel):
    return jax.lax.conv_general_dilated(
        features, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )


@pytest.fixture(params=[2, 3])
def given(request):
    """Features of 6 x 4 voxels and their margin, and a kernel."""
    size = request.param
    one, two = jax.random.split(jax.random.key(0))
    return jax.random.normal(one, (2, 5 + size, 3 + size, 5)), jax.random.normal(two, (size, size, 5, 4))


def check(derive, given):
    one, other = (jax.tree.leaves(derive(function)(*given)) for function in (plain, winograd.convolve))
    for expected, found in zip(one, other, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_values_and_both_modes(given):
    check(lambda function: function, given)
    check(lambda function: jax.grad(lambda *each: jax.numpy.sin(function(*each)).sum(), (0, 1)), given)
    check(lambda function: lambda *each: jax.jvp(function, each, each)[1], given)
    moves = jax.random.normal(jax.random.key(1), (3, *given[0].shape))
    check(lambda function: lambda x, k: jax.vmap(jax.linearize(lambda x: function(x, k), x)[1])(moves), given)


def test_one_product_a_voxel_that_is_met(given):
    program = jax.make_jaxpr(winograd.convolve)(*given)
    products = [each for each in program.eqns if each.primitive.name == "dot_general"]
    assert len(products) == (len(given[1]) + 1) ** 2
    assert {each.outvars[0].aval.shape for each in products} == {(2 * 3 * 2, 4)}


def test_error_is_that_of_rounding():
    """Wide layers, against double precision."""
    draws = np.random.default_rng(0)
    small, kernel = draws.normal(size=(1, 6, 6, 512)), draws.normal(size=(3, 3, 512, 8))
    margin = ((0, 0), (1, 1), (1, 1), (0, 0))
    doubled = np.pad(small.repeat(2, 1).repeat(2, 2), margin)
    for function, features, met in (
        (winograd.convolve, small, small), (winograd.convolve_doubled, np.pad(small, margin), doubled),
    ):
        height, width = (side - 2 for side in met.shape[1:3])
        exact = sum(
            met[:, row : row + height, column : column + width] @ kernel[row, column]
            for row, column in np.ndindex(3, 3)
        )
        found = function(features.astype(np.float32), kernel.astype(np.float32), "highest")
        assert np.abs(found - exact).max() < 2e-5 * np.abs(exact).max()


def count_products(function, shape, size, stride):
    """Matrix products of a convolution of features of this shape with a kernel of this size."""
    given = (jax.ShapeDtypeStruct(each, np.float32) for each in (shape, (size, size, shape[-1], 2)))
    numbers = ("NHWC", "HWIO", "NHWC")
    program = jax.make_jaxpr(lambda *given: function(*given, (stride,) * 2, "SAME", dimension_numbers=numbers))(*given)
    return str(program).count("dot_general[")


@pytest.mark.parametrize("shape, size, used", [
    ((2, 16, 16, 128), 3, True), ((2, 16, 16, 128), 2, True), ((2, 32, 32, 128), 3, True),
    ((2, 32, 32, 128), 2, False), ((2, 16, 16, 126), 3, False), ((1, 16, 16, 128), 3, False),
    ((8, 7, 8, 128), 3, False), ((8, 8, 7, 128), 3, False), ((2, 16, 16, 128), 5, False),
])
def test_used_where_it_pays(shape, size, used):
    assert count_products(cpu_convolution.convolve, shape, size, 1) == ((size + 1) ** 2 if used else 0)


def test_strided_ones_are_convolved_in_tiles_of_phases():
    assert count_products(cpu_convolution.convolve, (8, 16, 16, 128), 4, stride=2) == 9
