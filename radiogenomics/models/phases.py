"""Strided convolutions, and those of doubled images, as dense ones of phases: every n-th voxel along each axis, of
which there are n times n."""

import jax
import jax.numpy as jnp
import numpy as np

# Of a doubled image every even row meets, under a kernel of 3, the row above once and its own twice; every odd row its
# own twice and the one below once. [phase, tap, row of the kernel]
_SUMS = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], np.float32)
_SUMS_2D = np.einsum("pti,quj->pqtuij", _SUMS, _SUMS).reshape(16, 9)


def upsample(features):
    """Nearest-neighbour doubling of the spatial axes of [batch, *S, channels]."""
    for axis in range(1, features.ndim - 1):
        features = jnp.repeat(features, 2, axis=axis)
    return features


def split(features, kernel, stride):
    """Features [batch, y / stride, x / stride, stride^2 C] and kernel that need no stride.

    All sides of features [batch, y, x, C] and kernel [y, x, C, O] are multiples of the stride.
    """
    batch, height, width, channels = features.shape
    blocks = features.reshape(batch, height // stride, stride, width // stride, stride, channels)
    features = blocks.swapaxes(2, 3).reshape(batch, height // stride, width // stride, -1)
    height, width, _, returned = kernel.shape
    blocks = kernel.reshape(height // stride, stride, width // stride, stride, channels, returned)
    return features, blocks.swapaxes(1, 2).reshape(height // stride, width // stride, -1, returned)


@jax.custom_jvp
def fold(kernel):
    """Kernels [2, 2, 2, 2, C, O] of the four phases of a doubled image, from its kernel [3, 3, C, O]."""
    by_rows = _fold_rows(kernel)
    parts = [_fold_rows(by_rows[p][t])[q][u] for p, q, t, u in np.ndindex(2, 2, 2, 2)]
    return jnp.stack(parts).reshape(2, 2, 2, 2, *kernel.shape[2:])


def _fold_rows(kernel):
    above, same, below = kernel
    return [[above, same + below], [above + same, below]]


@fold.defjvp
def _fold_move(kernels, moves):
    # As a product: reverse mode took 77 ms with the transpose of the sums and takes 31 with that of a product.
    move = jnp.matmul(_SUMS_2D, moves[0].reshape(9, -1))
    return fold(*kernels), move.reshape(2, 2, 2, 2, *moves[0].shape[2:])


def join(phases):
    """The image [batch, 2y, 2x, O] whose four phases are `phases` [2][2] of [batch, y, x, O]."""
    stacked = jnp.stack([jnp.stack(row) for row in phases])
    _, _, batch, height, width, channels = stacked.shape
    return stacked.transpose(2, 3, 0, 4, 1, 5).reshape(batch, 2 * height, 2 * width, channels)
