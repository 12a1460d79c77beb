"""What the measures of likeness look at: the nodule, moved to the centre of its patch, and no more than its margin."""

import numpy as np
from scipy import ndimage


def crop_nodules(image_hu, mask, blank_hu, margin=0):
    """Nodules [n, *S] moved by whole voxels so that the mask's centre of mass is the patch's centre.

    Voxels farther than `margin` steps from the mask, and those from beyond the patch, are `blank_hu`: the background is
    given to the generator and must not decide. An empty mask leaves a blank patch.

    Returns:
      image [n, *S] float32 in HU, mask [n, *S] bool.
    """
    image_hu, mask = np.asarray(image_hu), np.asarray(mask) > 0
    seen = dilate(mask, margin)
    images, masks = np.full(image_hu.shape, blank_hu, np.float32), np.zeros(mask.shape, bool)
    for index in np.flatnonzero(mask.any(axis=tuple(range(1, mask.ndim)))):
        target, source = _overlap(mask[index])
        images[index][target] = np.where(seen[index], image_hu[index], blank_hu)[source]
        masks[index][target] = mask[index][source]
    return images, masks


def dilate(mask, margin):
    """Masks [n, *S] grown by `margin` steps to face neighbours, each patch for itself."""
    if not margin:
        return mask
    neighbours = ndimage.generate_binary_structure(mask.ndim - 1, 1)[None]
    return ndimage.binary_dilation(mask, neighbours, iterations=margin)


def _overlap(mask):
    """Where in the centred patch the patch lands, and which part of it: two tuples of slices."""
    centre = np.array(ndimage.center_of_mass(mask))
    target, source = [], []
    for middle, size in zip(centre, mask.shape, strict=True):
        # Not rounded to even: symmetric nodules lie half a voxel off, and all must go the same way.
        shift = int(np.floor((size - 1) / 2 - middle + 0.5 + 1e-9))
        target.append(slice(max(shift, 0), size + min(shift, 0)))
        source.append(slice(max(-shift, 0), size + min(-shift, 0)))
    return tuple(target), tuple(source)
