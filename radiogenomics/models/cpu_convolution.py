"""Convolutions as a CPU does them faster: values and derivatives are those of `jax.lax.conv_general_dilated`.

Unless said otherwise numbers are milliseconds of two cores at batch 2 and 2.4 GFLOP, for which a large matrix product
takes 14 to 18.

Compiler: XLA's default hands convolutions to YNNPACK; its older Eigen ones (`compiler_options`) took 23 instead of 120
for the gradient by the kernel in strips (128 x 128 pixels, 64 channels), and a training step of the published networks
a tenth less. What follows is measured with them.

Strides: a kernel whose sides the stride divides meets every phase of the image in a dense kernel of its own. Forward
pass and both gradients of a kernel of 4 at stride 2 took 32 instead of 65 ms of processor time (0.5 GFLOP, 64 x 64
pixels, 64 channels), 33 instead of 43 (32 x 32, 128 channels) and 37 instead of 52 (16 x 16, 256 channels).

Doubled images (models/winograd.py): nine products a voxel of the smaller image, a quarter of those of the larger one.
Beside an earlier form, four phases with a kernel of 2 each and 16 products a voxel, forward pass and both gradients
took 24 instead of 73 ms of processor time (8 x 8 pixels, 512 channels), 22 instead of 40 (16 x 16, 256 channels) and 24
instead of 37 (32 x 32, 128 channels), all of 1.1 GFLOP in that form; but 61 instead of 45 (64 x 64, 64 channels), which
a whole step does not show.

Tiles (models/winograd.py): under a kernel of 3 a quarter of the products in tiles of 4 x 4 voxels and four ninths in
those of 2 x 2, for 2.25 and four times the memory of one layer; under one of 2 twenty-five and thirty-six of 64, for
1.6 and 2.25 times. Nothing is reversed or transposed. Forward pass and both gradients under a kernel of 3 took, in
strips (below), in small and in large tiles, 80, 70 and 48 ms of processor time (64 x 64 pixels, 128 channels), 42, 42
and 20 (64 to 128 channels; 1.2 GFLOP), 75, 40 and 32 (32 x 32, 256 channels), and 95, 46 and 75 (16 x 16, 512 channels:
32 large tiles); under one of 2 at batch 8, by XLA, in small and in large tiles, 64, 46 and 38 (16 x 16, 512 to 256
channels; 2.1 GFLOP). Weights grow fourfold in large tiles under a kernel of 3, hence a least number of tiles. Fewer of
them take less time alone as well (16 images of 8 x 8 pixels, 64 channels: 1.6 instead of 2.9 in large ones), but with
them a step of the default preset takes a twentieth more. Other shapes were not timed.

Small deep images: XLA reverses and transposes their large kernels for the gradient by the image. As one product of
patches it took 23 instead of 62 (8 x 8 pixels, 1,024 channels), for nine times the memory of one layer.

Larger images: XLA's gradient by the kernel is a convolution with a kernel as large as the image: in strips of 8 rows
22 instead of 45 (64 x 64), and 23 instead of 61 (128 x 128).

Volumes: XLA's CPU convolutions in three dimensions leave the fast path that those in two have. A plane of the kernel
at a time, as a sum of two-dimensional ones, the forward pass took 30 instead of 140 ms of processor time, with the
gradient 221 instead of 457, and where it halves the volume 40 instead of 661 (batch 8, 16 voxels a side, 32 channels),
for twice the memory of one layer.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from radiogenomics.models import phases, winograd

TILES = 96  # of a batch, from which on tiles pay
CHANNELS = {(2, 2): 256, (2, 3): 128, (4, 2): 256, (4, 3): 64}  # from which on tiles pay, by tile and kernel's size
DEEP = 64  # channels a row of the image from which on patches pay
LARGE = 16  # rows from which on strips pay, under a kernel of 3 or more
ROWS = 8  # of a strip
OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


@functools.cache
def compiler_options():
    """Options of `jax.jit` with which a CPU convolves fastest; none elsewhere, or where XLA does not know them."""
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return OPTIONS


def convolve(features, kernel, strides, padding, **settings):
    """`jax.lax.conv_general_dilated` as `nn.Conv` calls it."""
    if _is_plain(features, padding, **settings):
        precision = settings.get("precision")
        if features.ndim == 5:
            return in_planes(features, kernel, strides, precision)
        if features.ndim == 4 and (faster := _convolve_faster(features, kernel, strides, precision)) is not None:
            return faster
    return jax.lax.conv_general_dilated(features, kernel, strides, padding, **settings)


def convolve_doubled(features, kernel, strides, padding, **settings):
    """`convolve` of features whose spatial axes are doubled first, each voxel repeated."""
    if features.ndim == 4 and kernel.shape[:2] == (3, 3) and set(strides) == {1}:
        if _is_plain(features, padding, **settings):
            return winograd.convolve_doubled(_pad(features, (3, 3)), kernel, settings.get("precision"))
    return convolve(phases.upsample(features), kernel, strides, padding, **settings)


def _is_plain(features, padding, lhs_dilation=None, rhs_dilation=None, feature_group_count=1, **others):
    """Whether a CPU has a convolution to do that is padded as "SAME", undilated, of one group and in float32: half
    precision would be rounded more often by other orders of summation."""
    del others
    undilated = set((*(lhs_dilation or ()), *(rhs_dilation or ()))) <= {1}
    whole = padding == "SAME" and undilated and feature_group_count == 1
    return whole and features.dtype == jnp.float32 and jax.default_backend() == "cpu"


def _convolve_faster(features, kernel, strides, precision):
    """The convolution of images in a faster form than XLA's own, or None where there is none."""
    sizes, stride = kernel.shape[:2], strides[0]
    if set(strides) != {stride} or any(side % stride for side in (*features.shape[1:3], *sizes)):
        return None
    batch, rows, columns, channels = features.shape
    shape = batch, rows // stride, columns // stride, channels * stride**2
    sizes = [size // stride for size in sizes]
    split = functools.partial(_split, features, kernel, stride)
    if tile := _tile_that_pays(shape, sizes):
        return winograd.convolve(*split(tile + 1 - sizes[0]), tile, precision)
    if _is_deep(shape):
        return _in_patches(*split(), precision)
    if _pays_in_strips(shape, sizes):
        return _learn_in_strips(*split(), precision)
    return _convolve_dense(*split(), precision) if stride > 1 else None


def _tile_that_pays(shape, sizes):
    """The side of the tiles in which a convolution pays, or None."""
    batch, rows, columns, channels = shape
    for tile in (4, 2):
        whole = sizes[0] == sizes[1] and rows % tile == 0 and columns % tile == 0
        wide = channels >= CHANNELS.get((tile, sizes[0]), np.inf)
        if whole and wide and batch * rows * columns >= TILES * tile**2:
            return tile
    return None


def _is_deep(shape):
    return shape[-1] >= DEEP * shape[1]


def _pays_in_strips(shape, sizes):
    return sizes[0] > 2 and shape[1] >= LARGE and shape[1] % ROWS == 0


def _split(features, kernel, stride, unused=0):
    """Phases of features [batch, y, x, C] with the margin of "SAME" and some unused voxels after it, and of the kernel;
    the stride divides their sides."""
    padded = _pad(features, kernel.shape[:2], stride, unused * stride)
    return phases.split(padded, kernel, stride)


def _pad(features, sizes, stride=1, unused=0):
    """Features [batch, y, x, C] with the margin of zeros of "SAME", and further zeros after it."""
    missing = [size - stride for size in sizes]
    return jnp.pad(features, [(0, 0), *[(width // 2, width - width // 2 + unused) for width in missing], (0, 0)])


def _convolve_dense(features, kernel, precision):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        features, kernel, (1, 1), "VALID", dimension_numbers=numbers, precision=precision
    )


def _in_patches(features, kernel, precision):
    """As one product with all patches that the kernel meets."""
    sizes = kernel.shape[:2]
    height, width = (side - size + 1 for side, size in zip(features.shape[1:3], sizes, strict=True))
    patches = [features[:, top : top + height, left : left + width] for top, left in np.ndindex(*sizes)]
    return jnp.matmul(jnp.concatenate(patches, axis=-1), kernel.reshape(-1, kernel.shape[-1]), precision=precision)


def _learn_in_strips(features, kernel, precision):
    """With a derivative by the kernel that is taken strip by strip."""
    whole = functools.partial(_convolve_dense, precision=precision)

    def in_strips(features, kernel):
        overlap = kernel.shape[0] - 1
        tops = range(0, features.shape[1] - overlap, ROWS)
        strips = [whole(features[:, top : top + ROWS + overlap], kernel) for top in tops]
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
