"""Patches around nodules and of nodule-free lung, cut from a CT volume at one isotropic spacing.

Axes are [slice, row, column] throughout; positions are voxel indices, where an integer is the centre of a voxel.
"""

import numpy as np
from scipy import ndimage

from radiogenomics.errors import InputError

OUTSIDE_HU = -1000.0  # air, where a patch reaches beyond the volume
MIN_PIXELS = 4  # a smaller cross-section has no shape to speak of
MIN_AREA_SHARE = 0.25  # of the largest cross-section: polar caps are mostly partial volume


def cut_patch(volume_hu, spacing_mm, center_index, extent_mm, size, order_is_mask=False):
    """Resamples a cube of `extent_mm` around `center_index` to `[size, size, size]` voxels of `extent_mm / size`.

    Gaussian prefilter against aliasing where voxels grow (standard deviation in voxels: half of the zoom less one, as
    scikit-image chooses it), then linear interpolation. Outside of the volume lies air (-1000 HU), for masks nothing.

    Args:
      volume_hu: [slices, rows, columns] HU, or a mask of 0 and 1.
      spacing_mm: three voxel spacings.
      center_index: three voxel indices, may be fractional.
      extent_mm: side of the cube.
      size: voxels along the side.
      order_is_mask: the volume is a mask; the result is 1 where at least half of the voxel is covered.

    Returns:
      [size, size, size] float32 HU, or uint8 for a mask.

    Raises:
      InputError: where the volume is not three-dimensional or a spacing is not positive.
    """
    spacing = _checked_spacing(volume_hu, spacing_mm)
    center = np.asarray(center_index, dtype=float)
    zoom = extent_mm / size / spacing  # input voxels per output voxel
    sigma = 0.5 * np.maximum(zoom - 1.0, 0.0)
    reach = 0.5 * extent_mm / spacing + 3.0 * sigma + 2.0
    low, high = np.floor(center - reach).astype(int), np.ceil(center + reach).astype(int) + 1
    outside = 0.0 if order_is_mask else OUTSIDE_HU
    block = ndimage.gaussian_filter(_crop(volume_hu, low, high, outside), sigma, mode="nearest", truncate=3.0)
    first = center - low - 0.5 * (size - 1) * zoom
    patch = ndimage.affine_transform(block, zoom, first, (size, size, size), order=1, mode="nearest")
    return (patch >= 0.5).astype(np.uint8) if order_is_mask else patch


def nodule_patches(volume_hu, mask, spacing_mm, config):
    """Patches of one nodule: axial slices evenly through it (`data.ndim` 2) or the volume itself (3).

    The volume of interest (`data.extent_mm`, `data.size`) is centred on the centroid of the mask. Of the slices whose
    area reaches a quarter of the largest, and four pixels, `data.slices_per_patient` are taken, fewer where the nodule
    shows on fewer; no mask is empty.

    Args:
      volume_hu: [slices, rows, columns] HU.
      mask: the same shape, non-zero inside the nodule.
      spacing_mm: three voxel spacings.
      config: the configuration; reads `data`.

    Returns:
      (image_hu int16 [n, *S], mask uint8 [n, *S], slice int32 [n]); the slice counts from the first slice of the volume
      in steps of the patch spacing.

    Raises:
      InputError: where mask and volume differ in shape, the mask is empty, or the nodule is larger than the volume of
        interest or too small to show on it.
    """
    mask = np.asarray(mask) > 0
    if mask.shape != np.shape(volume_hu):
        raise InputError(f"mask: shape {mask.shape}; expected that of the CT volume, {np.shape(volume_hu)}.")
    center = _checked_center(mask, _checked_spacing(volume_hu, spacing_mm), config.data.extent_mm)
    voi = (spacing_mm, center, config.data.extent_mm, config.data.size)
    nodule = cut_patch(mask, *voi, order_is_mask=True)
    shown = _slices_shown(nodule, config)
    image = _round_hu(cut_patch(volume_hu, *voi))
    if config.data.ndim == 3:
        return image[None], nodule[None], _slice_numbers([config.data.size // 2], center, spacing_mm, config)
    return image[shown], nodule[shown], _slice_numbers(shown, center, spacing_mm, config)


def background_patches(volume_hu, centers_index, spacing_mm, config):
    """Patches around given places of a volume: the central axial slice (`data.ndim` 2) or the cube (3).

    Args:
      volume_hu: [slices, rows, columns] HU.
      centers_index: [m, 3] voxel indices; that no nodule is near is the caller's to ensure.
      spacing_mm: three voxel spacings.
      config: the configuration; reads `data`.

    Returns:
      (image_hu int16 [m, *S], slice int32 [m]), the slice as `nodule_patches` counts it.

    Raises:
      InputError: where no place is given.
    """
    if len(centers_index) == 0:
        raise InputError("backgrounds: no nodule-free place in this volume; expected at least one.")
    size, middle = config.data.size, config.data.size // 2
    cubes = [
        _round_hu(cut_patch(volume_hu, spacing_mm, center, config.data.extent_mm, size)) for center in centers_index
    ]
    numbers = [_slice_numbers([middle], center, spacing_mm, config) for center in centers_index]
    images = np.stack(cubes if config.data.ndim == 3 else [cube[middle] for cube in cubes])
    return images, np.concatenate(numbers)


def middle_slice(patch):
    """A patch [y, x] as it is, of a volume [z, y, x] its middle slice."""
    return patch if patch.ndim == 2 else patch[len(patch) // 2]


def _checked_spacing(volume, spacing_mm):
    spacing = np.asarray(spacing_mm, dtype=float)
    if np.ndim(volume) != 3 or spacing.shape != (3,) or not np.all(spacing > 0):
        raise InputError(
            f"CT volume: shape {np.shape(volume)}, spacing {tuple(spacing_mm)} mm; "
            "expected three axes and three positive spacings."
        )
    return spacing


def _checked_center(mask, spacing, extent_mm):
    """Centroid of the mask (voxel indices), from which all of the nodule must lie within half the extent."""
    inside = np.argwhere(mask)
    if not len(inside):
        raise InputError("mask: empty; expected at least one nodule voxel.")
    center = inside.mean(axis=0)
    reach_mm = ((np.abs(inside - center) + 0.5) * spacing).max()
    if reach_mm > 0.5 * extent_mm:
        raise InputError(
            f"nodule: reaches {reach_mm:.1f} mm from its centroid; expected at most half of data.extent_mm, "
            f"{0.5 * extent_mm:g} mm."
        )
    return center


def _crop(volume, low, high, outside):
    """The block `low:high` as float32, padded with `outside` where it leaves the volume."""
    shape = np.array(volume.shape)
    start, stop = np.clip(low, 0, shape), np.clip(high, 0, shape)
    block = volume[tuple(map(slice, start, stop))].astype(np.float32)
    before = np.minimum(np.maximum(-low, 0), high - low - (stop - start))
    after = high - low - (stop - start) - before
    return np.pad(block, np.stack([before, after], axis=1), constant_values=outside)


def _slices_shown(nodule, config):
    areas = nodule.sum(axis=(1, 2))
    usable = np.flatnonzero(areas >= max(MIN_PIXELS, MIN_AREA_SHARE * areas.max()))
    if not len(usable):
        raise InputError(
            f"nodule: largest cross-section {areas.max()} pixels of {config.data.extent_mm / config.data.size:.2f} mm; "
            f"expected at least {MIN_PIXELS}."
        )
    count = min(config.data.slices_per_patient, len(usable))
    # Cell centres, not end points: one slice alone is the middle one, and the caps are spared where there is a choice.
    picks = ((np.arange(count) + 0.5) * len(usable) / count).astype(int)
    return usable[picks]


def _slice_numbers(slices, center, spacing_mm, config):
    patch_spacing_mm = config.data.extent_mm / config.data.size
    first_mm = center[0] * spacing_mm[0] - 0.5 * (config.data.size - 1) * patch_spacing_mm
    # Rounded before the slices are added, so that no two slices share a number.
    return (np.floor(first_mm / patch_spacing_mm + 0.5) + np.asarray(slices)).astype(np.int32)


def _round_hu(image):
    return np.clip(np.round(image), -32768, 32767).astype(np.int16)
