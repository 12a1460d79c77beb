"""Convolutions as a CPU does them faster: values and derivatives are those of `jax.lax.conv_general_dilated`.

Small images of many channels: as one product of patches the forward pass took 22 instead of 62 ms, the gradient by the
image 23 instead of 128 and by the kernel 41 instead of 91 (8 x 8 pixels, 1,024 channels); 22, 26, 24 instead of 25,
36, 57 (16 x 16, 512 channels), for nine times the memory of one layer. With fewer channels a row copying costs more
than is won.

Larger images: XLA's gradient by the kernel is a convolution with a kernel as large as the image. In strips of 8 rows
it took 40 instead of 55 ms (32 x 32 pixels), 45 instead of 61 (64 x 64), and 109 instead of 345 (128 x 128, 64
channels). Always two cores, batch 2 and 2.4 GFLOP, for which a large matrix product would take 14 ms.

Volumes: XLA's CPU convolutions in three dimensions leave the fast path that those in two have. A plane of the kernel
at a time, as a sum of two-dimensional ones, the forward pass took 30 instead of 140 ms of processor time, with the
gradient 221 instead of 457, and where it halves the volume 40 instead of 661 (batch 8, 16 voxels a side, 32 channels),
for twice the memory of one layer.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

DEEP = 16  # channels a row of the image from which on patches pay
LARGE = 16  # rows from which on strips pay
ROWS = 8  # of a strip


def convolve(features, kernel, strides, padding, **settings):
    """`jax.lax.conv_general_dilated` as `nn.Conv` calls it."""
    if jax.default_backend() == "cpu" and _is_plain(padding, **settings):
        rows, channels, sizes = features.shape[1], features.shape[-1], kernel.shape[:-2]
        # Half precision would be rounded after every plane, and its gradient after every patch.
        single = features.dtype == jnp.float32
        if features.ndim == 5 and single:
            return in_planes(features, kernel, strides, settings.get("precision"))
        if features.ndim == 4 and set(strides) == {1} and all(size % 2 for size in sizes):
            if channels >= DEEP * rows and single:
                return in_patches(features, kernel, settings.get("precision"))
            if sizes[0] > 1 and rows >= LARGE and rows % ROWS == 0:
                return learn_in_strips(features, kernel, strides, **settings)
    return jax.lax.conv_general_dilated(features, kernel, strides, padding, **settings)


def _is_plain(padding, lhs_dilation=None, rhs_dilation=None, feature_group_count=1, **others):
    """Whether a convolution is padded to its size, undilated and of one group."""
    del others
    dilations = (*(lhs_dilation or ()), *(rhs_dilation or ()))
    return padding == "SAME" and set(dilations) <= {1} and feature_group_count == 1


def _widen(features, sizes):
    """Features [batch, y, x, C] with the margin of zeros that odd kernels of these sizes reach into."""
    return jnp.pad(features, [(0, 0), *[(size // 2,) * 2 for size in sizes], (0, 0)])


def in_patches(features, kernel, precision):
    """A convolution of [batch, y, x, C] with an odd kernel as one product with all patches that the kernel meets."""
    (height, width), sizes = features.shape[1:3], kernel.shape[:2]
    padded = _widen(features, sizes)
    patches = [padded[:, top : top + height, left : left + width] for top, left in np.ndindex(*sizes)]
    return jnp.matmul(jnp.concatenate(patches, axis=-1), kernel.reshape(-1, kernel.shape[-1]), precision=precision)


def learn_in_strips(features, kernel, strides, **settings):
    """A convolution of [batch, y, x, C] whose derivative by the kernel is taken strip by strip."""

    def whole(features, kernel, padding="SAME"):
        return jax.lax.conv_general_dilated(features, kernel, strides, padding, **settings)

    def in_strips(features, kernel):
        padded, overlap = _widen(features, kernel.shape[:2]), kernel.shape[0] - 1
        tops = range(0, features.shape[1], ROWS)
        strips = [whole(padded[:, top : top + ROWS + overlap], kernel, "VALID") for top in tops]
        return jnp.concatenate(strips, axis=1)

    def tangents(primals, moves):
        (features, kernel), (of_features, of_kernel) = primals, moves
        parts = [] if isinstance(of_features, SymbolicZero) else [whole(of_features, kernel)]
        # Linear in the kernel's move, so that reverse mode only ever runs its transpose.
        parts += [] if isinstance(of_kernel, SymbolicZero) else [in_strips(features, of_kernel)]
        return whole(features, kernel), sum(parts[1:], parts[0])

    function = jax.custom_jvp(lambda features, kernel: whole(features, kernel))
    function.defjvp(tangents, symbolic_zeros=True)
    return function(features, kernel)


def in_planes(features, kernel, strides, precision):
    """A convolution of [batch, z, y, x, C] with [z, y, x, C, O]: for each plane of the kernel one in two dimensions, of
    which the planes of all volumes are a batch. Results are shifted, not features, which would be kept once a plane."""
    batch, depth = features.shape[:2]
    size, stride = kernel.shape[0], strides[0]
    count = -(-depth // stride)
    missing = max((count - 1) * stride + size - depth, 0)  # as "SAME" pads
    ends = ((0, 0), (missing // 2, missing - missing // 2), (0, 0), (0, 0), (0, 0))

    def of_plane(number):
        flat = jax.lax.conv_general_dilated(
            features.reshape(-1, *features.shape[2:]), kernel[number], strides[1:], "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision,
        )
        shifted = jnp.pad(flat.reshape(batch, depth, *flat.shape[1:]), ends)
        return jax.lax.slice_in_dim(shifted, number, number + (count - 1) * stride + 1, stride, axis=1)

    return sum(map(of_plane, range(1, size)), of_plane(0))
