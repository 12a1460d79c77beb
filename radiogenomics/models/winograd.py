"""Convolutions with kernels of 2 x 2 and 3 x 3 in tiles of 2 x 2 or 4 x 4 voxels (Lavin and Gray, CVPR 2016): sums over
what a tile meets and over the kernel, their products, and sums over these. Under a kernel of 3 a tile of 16 voxels
takes 36 instead of 144 products, one of 4 takes 16 instead of 36; under one of 2, 25 instead of 64 and 9 instead of 16.
In a doubled image a tile is what comes of one voxel, and takes 9 instead of 36.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import polynomial


class Transform(NamedTuple):
    """Matrices of coefficients of the sums along one axis, written B^T, G and A^T in the field.

    voxels [P, M] of the M voxels that a tile meets, weights [P, n] of a kernel's, products [T, P] for a tile's voxels.
    """

    voxels: np.ndarray
    weights: np.ndarray
    products: np.ndarray


def convolve(features, kernel, tile, precision=None):
    """The convolution [batch, y, x, O] of features [batch, y + tile, x + tile, C] with a kernel [n, n, C, O].

    y and x are multiples of `tile`, 2 or 4; n is 2 or 3. The last `tile` - n + 1 rows and columns do not count.
    """
    size = kernel.shape[0]
    return _multiply(features, kernel, functools.partial(_meet, tile, size), interpolate(tile, size), precision)


def convolve_doubled(features, kernel, precision=None):
    """The convolution [batch, 2y, 2x, O] of doubled features with a kernel [3, 3, C, O], as "SAME" pads it.

    The features [batch, y + 2, x + 2, C] are not doubled yet, and have a margin of one voxel.
    Along an axis two voxels come of the voxels p, q and r, and of weights a, b and c: a p + (b + c) q and (a + b) q +
    c r, or a (p - q) and c (r - q), either added to (a + b + c) q.
    """
    return _multiply(features, kernel, _meet_neighbours, OF_DOUBLED, precision)


def _multiply(features, kernel, meet, transform, precision):
    """Three steps: sums of voxels and of weights, products, their sums; `meet` gives what all tiles meet along an axis.

    One axis after the other, so that the derivative by the features puts an image together once for each axis and not
    once for each product, and with the first axis' sums as one array, for fewer operations to compile.
    """
    rows = jnp.stack(_sum(transform.voxels, meet(features, 1)))
    voxels = _sum(transform.voxels, meet(rows, 3))
    rows = jnp.stack(_sum(transform.weights, _split(kernel, 0)))
    weights = _sum(transform.weights, _split(rows, 1))
    products = [_project(*pair, precision) for pair in zip(voxels, weights, strict=True)]
    columns = _interleave(_sum(transform.products, products), 3)
    return _interleave(_sum(transform.products, _split(columns, 0)), 1)


def _project(features, weights, precision):
    """[P, *N, O], the products of [P, *N, C] and [P, C, O]."""
    flat = features.reshape(len(features), -1, features.shape[-1])
    return jnp.matmul(flat, weights, precision=precision).reshape(*features.shape[:-1], -1)


def _meet(tile, size, features, axis):
    """The voxels that tiles meet along an axis of (tiles + 1) * `tile` voxels: each, of every tile."""
    tiles = features.shape[axis] // tile - 1
    blocks = features.reshape(*features.shape[:axis], tiles + 1, tile, *features.shape[axis + 1 :])
    of_block = _split(blocks, axis + 1)
    return [_slice(of_block[number % tile], number // tile, tiles, axis) for number in range(tile + size - 1)]


def _meet_neighbours(features, axis):
    """The voxels before, at and after each along an axis."""
    return [_slice(features, start, features.shape[axis] - 2, axis) for start in range(3)]


def _slice(features, start, length, axis):
    return jax.lax.slice_in_dim(features, start, start + length, axis=axis)


def _split(array, axis):
    """The parts along an axis; their derivative is one concatenation, that of indices as many padded arrays."""
    return [each.squeeze(axis) for each in jax.lax.split(array, (1,) * array.shape[axis], axis)]


def _interleave(parts, axis):
    """The array of which the n-th voxels along an axis are `parts`, n of them."""
    return jnp.stack(parts, axis + 1).reshape(*parts[0].shape[:axis], -1, *parts[0].shape[axis + 1 :])


def _sum(matrix, parts):
    """For each row of a matrix the sum of the parts with its coefficients."""
    terms = [[(float(factor), part) for factor, part in zip(row, parts, strict=True) if factor] for row in matrix]
    return [functools.reduce(jnp.add, [factor * part for factor, part in row]) for row in terms]


@functools.cache
def interpolate(tile, size):
    """The `Transform` of `tile` voxels under `size` weights: polynomials are multiplied at points, the last of which is
    infinity, and the same is transposed (Winograd)."""
    points = np.array(POINTS[tile, size])
    others = [np.delete(points, number) for number in range(len(points))]
    numerators = [polynomial.polyfromroots(each) for each in others]
    denominators = [np.prod(point - each) for point, each in zip(points, others, strict=True)]
    return Transform(
        voxels=np.vstack([np.pad(numerators, ((0, 0), (0, 1))), polynomial.polyfromroots(points)]),
        weights=np.vstack([polynomial.polyvander(points, size - 1) / np.reshape(denominators, (-1, 1)), _last(size)]),
        products=np.vstack([polynomial.polyvander(points, tile - 1), _last(tile)]).T,
    )


def _last(count):
    return np.eye(count)[-1]


POINTS = {  # by tile and size: with little error and, where they allow it, few operations
    (2, 2): (0, 1),
    (2, 3): (0, 1, -1),
    (4, 2): (0.5, -0.5, 1.25, -1.25),
    (4, 3): (0, 0.6875, -0.6875, 1.4375, -1.4375),
}
OF_DOUBLED = Transform(
    voxels=np.array([[1, -1, 0], [0, 1, 0], [0, -1, 1]]),
    weights=np.array([[1, 0, 0], [1, 1, 1], [0, 0, 1]]),
    products=np.array([[1, 1, 0], [0, 1, 1]]),
)
