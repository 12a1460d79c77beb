"""What an image patch and its mask must be before anything is measured on them."""

import numpy as np

from radiogenomics.errors import InputError


def check_patch(image_hu, mask):
    """Image [*S] as float64 and mask [*S] as bool.

    Raises InputError for shapes that differ, an image that is not finite, or a mask that is not binary or empty.
    """
    image, mask = np.asarray(image_hu), np.asarray(mask)
    if image.shape != mask.shape:
        raise InputError(f"mask has shape {mask.shape}, expected that of image_hu, {image.shape}.")
    if image.ndim not in (2, 3):
        raise InputError(f"image_hu has shape {image.shape}; image features are defined in 2 or 3 dimensions.")
    if image.dtype.kind not in "iufb" or mask.dtype.kind not in "iufb":
        raise InputError(f"image_hu and mask hold {image.dtype} and {mask.dtype}, expected real numbers.")
    image = image.astype(np.float64)
    if not np.isfinite(image).all():
        raise InputError(f"image_hu has {np.sum(~np.isfinite(image))} values that are not finite, expected none.")
    inside = mask == 1
    if not np.array_equal(inside, mask != 0):
        other = mask[(mask != 0) & ~inside].flat[0]
        raise InputError(f"mask has the value {other}, expected only 0 and 1.")
    if not inside.any():
        raise InputError("mask is empty, expected at least one voxel of 1.")
    return image, inside


def check_batch(images_hu, masks, ids):
    """Images and masks [N, *S] as arrays; InputError unless they and the ids [N] agree."""
    images, masks = np.asarray(images_hu), np.asarray(masks)
    if images.shape != masks.shape or len(ids) != len(images):
        raise InputError(
            f"images_hu {images.shape}, masks {masks.shape} and ids ({len(ids)}) must agree: [N, *S], [N, *S] and N."
        )
    return images, masks


def check_spacing(spacing_mm, ndim):
    """The voxel edges in mm, one an axis, as a tuple; InputError unless positive and 1 or `ndim` of them."""
    spacing = np.asarray(spacing_mm)
    numbers = spacing.dtype.kind in "iuf" and spacing.shape in ((), (ndim,))
    if not numbers or not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise InputError(f"spacing_mm is {spacing_mm}, expected one positive number of millimetres or {ndim} of them.")
    return tuple(np.broadcast_to(spacing.astype(np.float64), (ndim,)).tolist())
