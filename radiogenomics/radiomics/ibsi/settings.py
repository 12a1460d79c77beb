"""How exact features are computed: which families, how matrices are aggregated, what is done to the voxels before."""

import dataclasses

import numpy as np

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi.aggregation import AGGREGATIONS

CORE = ("morphology", "statistics", "glcm", "glrlm", "glszm", "ngtdm")
LINEAR, CUBIC = 1, 3  # orders of the interpolating spline
MOST_LEVELS = 5000  # a matrix has their square
DEFAULT_AGGREGATION = {2: "2D, slice-merged", 3: "3D, merged"}


@dataclasses.dataclass(frozen=True)
class FixedBinSize:
    """Grey levels of `width` HU (IBSI Q3RU), the first one from `lowest` HU; what is below belongs to the first.

    Likewise what is at `highest` HU or above belongs to the level that ends there; None sets no such limit.
    `lowest=None` starts at each region's own minimum, so that the levels of two regions mean different HU.
    """

    width: float = 25.0
    lowest: float | None = -1000.0
    highest: float | None = None


@dataclasses.dataclass(frozen=True)
class FixedBinNumber:
    """`number` grey levels of equal width between each region's own minimum and maximum (IBSI K15C)."""

    number: int = 32


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to compute and how; the defaults leave the voxels as they are.

    Attributes:
      families: names among `table.FAMILIES`.
      aggregation: one of `aggregation.AGGREGATIONS`; None merges all matrices of a patch ("2D, slice-merged") or of a
        volume ("3D, merged"). Families without directions use what stands before the comma.
      bins: discretisation, or None where the image holds grey levels (whole numbers from 1) already.
      resample_mm: new voxel edge in mm (2VYT), one number or (z, y, x); the mask is interpolated linearly, cut at 0.5.
      spline_order: 1 (linear) or 3 (cubic), for the image.
      range_hu: (lowest, highest) HU of the voxels kept for all but shape (re-segmentation, USB3).
      outlier_sd: standard deviations from the mean beyond which a voxel is left out likewise (ACG2).
    """

    families: tuple = CORE
    aggregation: str | None = None
    bins: FixedBinSize | FixedBinNumber | None = FixedBinSize()
    resample_mm: float | tuple | None = None
    spline_order: int = LINEAR
    range_hu: tuple | None = None
    outlier_sd: float | None = None


def check_settings(settings):
    """Raises InputError for settings, other than families, that cannot be meant."""
    bins = settings.bins
    if bins is not None and not isinstance(bins, FixedBinSize | FixedBinNumber):
        raise InputError(f"bins is {bins!r}, expected FixedBinSize, FixedBinNumber or None (grey levels as they are).")
    if isinstance(bins, FixedBinSize):
        _check_bin_size(bins)
    if isinstance(bins, FixedBinNumber) and not (bins.number == int(bins.number) and 1 <= bins.number <= MOST_LEVELS):
        raise InputError(f"bins: number is {bins.number}, expected a whole number from 1 to {MOST_LEVELS}.")
    if settings.aggregation is not None and settings.aggregation not in AGGREGATIONS:
        raise InputError(f"aggregation is '{settings.aggregation}', expected one of {list(AGGREGATIONS)}.")
    if settings.spline_order not in (LINEAR, CUBIC):
        raise InputError(f"spline_order is {settings.spline_order}, expected 1 (linear) or 3 (cubic).")
    if settings.range_hu is not None and not _is_range(settings.range_hu):
        raise InputError(f"range_hu is {settings.range_hu}, expected (lowest, highest).")
    if settings.resample_mm is not None and not _are_edges(settings.resample_mm):
        raise InputError(f"resample_mm is {settings.resample_mm}, expected a positive number of mm, or (z, y, x).")
    if settings.outlier_sd is not None and not settings.outlier_sd > 0:
        raise InputError(f"outlier_sd is {settings.outlier_sd}, expected a positive number of standard deviations.")


def _check_bin_size(bins):
    if not (np.isfinite(bins.width) and bins.width > 0):
        raise InputError(f"bins: width is {bins.width}, expected a positive number of HU.")
    for name, end in (("lowest", bins.lowest), ("highest", bins.highest)):
        if end is not None and not np.isfinite(end):
            raise InputError(f"bins: {name} is {end}, expected a finite number of HU, or None.")
    if None not in (bins.lowest, bins.highest) and not bins.lowest < bins.highest:
        raise InputError(f"bins: highest is {bins.highest}, expected more than lowest, {bins.lowest}.")


def _is_range(ends):
    values = np.asarray(ends)
    return values.shape == (2,) and values.dtype.kind in "iuf" and bool(values[0] < values[1])


def _are_edges(spacing_mm):
    values = np.asarray(spacing_mm)
    if values.shape not in ((), (3,)) or values.dtype.kind not in "iuf":
        return False
    return bool((np.isfinite(values) & (values > 0)).all())
