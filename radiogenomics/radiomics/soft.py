"""Differentiable image features of a soft nodule mask, for losses and Jacobians.

They follow `exact` term by term: on a binary mask the two agree closely, a soft one is followed at its level 0.5. Only
what is asked for is traced; `soft_region.SoftRegion` holds what features share.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics.errors import InputError
from radiogenomics.radiomics.names import resolve
from radiogenomics.radiomics.soft_intensity import INTENSITY
from radiogenomics.radiomics.soft_margin import MARGIN
from radiogenomics.radiomics.soft_region import SoftRegion
from radiogenomics.radiomics.soft_shape import SHAPE
from radiogenomics.radiomics.soft_texture import TEXTURE

FUNCTIONS = SHAPE | INTENSITY | MARGIN | TEXTURE


def soft_features(image_hu, mask, spacing_mm, names):
    """The features `names` of one patch, [F] float32, differentiable in the image and the mask.

    `image_hu` [*S] in HU and `mask` [*S] in 0..1, 2-D or 3-D; `spacing_mm` is the voxel edge, one number for all axes.
    Definitions: `names.FEATURES`. Pure, and safe under jit, vmap and grad. At a mask of exactly 0 and 1 the gradient by
    the mask is zero for most features: only a soft edge can move. An empty mask has finite values without meaning.
    Raises InputError for an unknown feature, a spacing an axis, or a mask that differs in shape from the image.
    """
    if np.ndim(spacing_mm):
        raise InputError(f"spacing_mm has shape {np.shape(spacing_mm)}, expected one number for all axes.")
    image, mask = jnp.asarray(image_hu, float), jnp.asarray(mask, float)
    if image.shape != mask.shape:
        raise InputError(f"mask has shape {mask.shape}, expected that of image_hu, {image.shape}.")
    region = SoftRegion(image, mask, spacing_mm)
    with jax.default_matmul_precision("highest"):  # TPU and GPU otherwise round HU to a few significant bits
        return jnp.stack([FUNCTIONS[name](region) for name in resolve(names, image.ndim)])


def batch_soft_features(images_hu, masks, spacing_mm, names):
    """`soft_features` of each patch of `images_hu` and `masks` [N, *S], compiled once a shape; [N, F] float32."""
    return _batch_compiled(images_hu, masks, spacing_mm, names=tuple(names))


@functools.partial(jax.jit, static_argnames="names")
def _batch_compiled(images_hu, masks, spacing_mm, names):
    return jax.vmap(lambda image, mask: soft_features(image, mask, spacing_mm, names))(images_hu, masks)
