"""From images and masks to the regions that features are computed on: resampling, re-segmentation, discretisation.

The order is that of the IBSI reference manual: interpolate image and mask, round to whole HU, make the intensity mask
(re-segmentation) beside the morphological one, discretise.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi.settings import LINEAR, MOST_LEVELS, FixedBinNumber

AXES = (1, 2, 3)  # of a region


@dataclasses.dataclass(frozen=True)
class Regions:
    """N regions of interest on grids of one shape [N, Z, Y, X]; a 2-D patch has Z = 1."""

    image: np.ndarray  # float64, HU
    mask: np.ndarray  # bool, the morphological mask
    intensity_mask: np.ndarray  # bool, without the voxels that re-segmentation takes out
    levels: np.ndarray  # int32, the grey level inside of the intensity mask, 0 outside
    level_count: np.ndarray  # [N], N_g, the highest level that occurs
    spacing_mm: tuple  # (z, y, x)

    def __getitem__(self, rows):
        arrays = (self.image, self.mask, self.intensity_mask, self.levels, self.level_count)
        return Regions(*(array[rows] for array in arrays), self.spacing_mm)


def prepare_regions(images_hu, masks, spacing_mm, settings):
    """`Regions` of images [N, Z, Y, X] in HU and boolean masks of that shape, `spacing_mm` (z, y, x).

    A region that re-segmentation empties has no grey level. Raises InputError where `bins=None` meets other values
    than grey levels.
    """
    image, mask = np.asarray(images_hu, np.float64), np.asarray(masks, bool)
    if settings.resample_mm is not None:
        image, mask, spacing_mm = _resample(image, mask, spacing_mm, settings)
    intensity_mask = _resegment(image, mask, settings)
    levels = discretise(image, intensity_mask, settings.bins)
    return Regions(image, mask, intensity_mask, levels, levels.max(axis=AXES, initial=0), tuple(spacing_mm))


def _resample(image, mask, spacing_mm, settings):
    """Image and mask on a grid of the new spacing whose centre is the old grid's, as the manual aligns them."""
    new = np.broadcast_to(np.asarray(settings.resample_mm, float), (3,)).copy()
    old, shape = np.asarray(spacing_mm, float), np.array(image.shape[1:])
    if shape[0] == 1:
        new[0] = old[0]  # a patch stays one slice
    size = np.ceil(shape * old / new - 1e-9).astype(int)
    points = np.meshgrid(
        *((n - 1) / 2 + (np.arange(m) - (m - 1) / 2) * step for n, m, step in zip(shape, size, new / old, strict=True)),
        indexing="ij",
    )
    images = [ndimage.map_coordinates(each, points, order=settings.spline_order, mode="nearest") for each in image]
    shares = [ndimage.map_coordinates(each.astype(float), points, order=LINEAR, mode="nearest") for each in mask]
    return np.rint(np.stack(images)), np.stack(shares) >= 0.5, tuple(new.tolist())


def _resegment(image, mask, settings):
    """The intensity mask: the range first, then outliers by mean and SD of what the range has left."""
    kept = mask
    if settings.range_hu is not None:
        lowest, highest = settings.range_hu
        kept = kept & (image >= lowest) & (image <= highest)
    if settings.outlier_sd is not None:
        voxels = np.maximum(kept.sum(AXES, keepdims=True), 1)
        deviation = image - image.sum(AXES, where=kept, keepdims=True) / voxels
        sd = np.sqrt((deviation**2).sum(AXES, where=kept, keepdims=True) / voxels)
        kept = kept & (np.abs(deviation) <= settings.outlier_sd * sd)
    return kept


def discretise(image, mask, bins):
    """Grey levels int32 of images [N, Z, Y, X] in HU: from 1 where `mask` (bool) holds, 0 elsewhere.

    `bins` as in `Settings`. Raises InputError for more levels than a matrix can have, or no levels with `bins=None`.
    """
    if bins is None:
        return _given_levels(image, mask)
    lowest, highest = _extremes(image, mask)
    if isinstance(bins, FixedBinNumber):
        # Multiplied first: a rounded width would put whole multiples of it one level too low.
        extent = np.where(highest > lowest, highest - lowest, 1.0)  # 1 for a region of one intensity
        step, most = np.floor(bins.number * (image - lowest) / extent), bins.number
    else:
        first = lowest if bins.lowest is None else bins.lowest
        step = np.floor((image - first) / bins.width)
        most = np.inf if bins.highest is None else np.ceil((bins.highest - first) / bins.width)
    return _limited(np.where(mask, np.clip(step + 1.0, 1.0, most), 0.0))


def _extremes(image, mask):
    """Lowest and highest intensity of each region, [N, 1, 1, 1]; zeros for an empty one."""
    some = mask.any(AXES, keepdims=True)
    lowest = np.where(mask, image, np.inf).min(AXES, keepdims=True)
    highest = np.where(mask, image, -np.inf).max(AXES, keepdims=True)
    return np.where(some, lowest, 0.0), np.where(some, highest, 0.0)


def _given_levels(image, mask):
    inside = image[mask]
    wrong = inside[(inside != np.rint(inside)) | (inside < 1)]
    if wrong.size:
        raise InputError(f"image_hu is {wrong[0]:g} in the mask, expected grey levels (1, 2, ...) with bins=None.")
    return _limited(np.where(mask, image, 0.0))


def _limited(levels):
    """Levels as int32; InputError for more of them than a matrix can have."""
    if levels.size and levels.max() > MOST_LEVELS:
        raise InputError(
            f"bins: {levels.max():.4g} grey levels, expected at most {MOST_LEVELS}: wider bins, a narrower range_hu."
        )
    return levels.astype(np.int32)
