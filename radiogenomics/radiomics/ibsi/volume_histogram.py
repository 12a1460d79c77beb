"""Intensity-volume histogram of the reference manual: how much of a region has at least a given intensity.

The intensities are definite units. The curve is taken at the levels i = i_0, i_0 + step, ... up to the last one that
is reached: nu_i is the fraction of the voxels with an intensity of at least i, gamma_i = (i - i_0) / (i_max - i_0).
"""

import dataclasses

import numpy as np

from radiogenomics.radiomics.ibsi import statistics
from radiogenomics.radiomics.ibsi.definition import Feature

ROUNDING = 1e-9  # of a step: what a product or quotient of decimal fractions is off by


@dataclasses.dataclass(frozen=True)
class Curve:
    """N curves: `index` [N, V] each voxel's level in steps above `lowest`, ascending, NaN after the last."""

    index: np.ndarray
    count: np.ndarray  # [N] voxels
    top: np.ndarray  # [N] index of the last level
    lowest: np.ndarray  # [N] intensity of the first level
    step: float


def measure(image, mask, step, lowest=None, highest=None):
    """The features of N regions, [N, F] float64 in the order of FEATURES, NaN where one is undefined.

    `image` [N, Z, Y, X] in definite units (HU), `mask` bool of the same shape, the intensity mask; `step` the distance
    between levels (1 HU); `lowest` and `highest` the bounds of the levels, the re-segmentation range where there is
    one, None for each region's own minimum and maximum.
    Source: reference manual of the IBSI, intensity-volume histogram features (P88C).
    """
    parts = statistics.blocks(statistics.gather(image, mask))
    with np.errstate(invalid="ignore", divide="ignore"):
        curves = [_curve(part, step, lowest, highest) for part in parts]
        rows = [np.stack([each.function(curve) for each in FEATURES], 1) for curve in curves]
    return np.concatenate(rows) if rows else np.empty((0, len(FEATURES)))


def volume_at_intensity_10(curve):
    """Largest volume fraction nu_i with an intensity fraction gamma_i of at least 10 % (IBSI BC2M)."""
    return _volume_at_intensity(curve, 0.10)


def volume_at_intensity_90(curve):
    """Largest volume fraction nu_i with an intensity fraction gamma_i of at least 90 % (IBSI BC2M)."""
    return _volume_at_intensity(curve, 0.90)


def intensity_at_volume_10(curve):
    """Smallest level i with a volume fraction nu_i of at most 10 %; the last level where none has (IBSI GBPN)."""
    return _intensity_at_volume(curve, 0.10)


def intensity_at_volume_90(curve):
    """Smallest level i with a volume fraction nu_i of at most 90 %; the last level where none has (IBSI GBPN)."""
    return _intensity_at_volume(curve, 0.90)


def volume_difference(curve):
    """Volume fraction at 10 % of the intensity less that at 90 % (IBSI DDTU)."""
    return volume_at_intensity_10(curve) - volume_at_intensity_90(curve)


def intensity_difference(curve):
    """Intensity at 10 % of the volume less that at 90 % (IBSI CNV2)."""
    return intensity_at_volume_10(curve) - intensity_at_volume_90(curve)


def area_under_curve(curve):
    """Area under nu_i over gamma_i by the trapezoidal rule; undefined with a single level (IBSI 9CMM)."""
    top = curve.top[:, None]
    # A voxel of index k counts in the levels 0 .. k.
    total = np.nansum(np.clip(curve.index + 1.0, 0.0, top + 1.0), 1) / curve.count
    ends = _volume_above(curve, np.zeros(len(curve.top))) + _volume_above(curve, curve.top)
    return np.where(curve.top > 0, (total - ends / 2.0) / curve.top, np.nan)


def _curve(sample, step, lowest, highest):
    first = statistics.minimum(sample) if lowest is None else np.full(len(sample.count), float(lowest))
    last = statistics.maximum(sample) if highest is None else highest
    index = np.floor((sample.values - first[:, None]) / step + ROUNDING)
    return Curve(index, sample.count, np.floor((last - first) / step + ROUNDING), first, step)


def _volume_above(curve, index):
    return (curve.index >= index[:, None]).sum(1) / curve.count


def _volume_at_intensity(curve, fraction):
    first = np.ceil(fraction * curve.top - ROUNDING)
    return np.where(curve.top > 0, _volume_above(curve, first), np.nan)


def _intensity_at_volume(curve, fraction):
    """The level above the intensity of the first voxel that is too many, counted from the highest."""
    allowed = np.floor(fraction * curve.count + ROUNDING).astype(int)
    place = np.maximum(curve.count - 1 - allowed, 0)
    above = np.take_along_axis(curve.index, place[:, None], 1)[:, 0] + 1.0
    return curve.lowest + curve.step * np.clip(above, 0.0, curve.top)


FEATURES = (
    Feature("ivh_volume_at_intensity_fraction_10", "BC2M", "", volume_at_intensity_10),
    Feature("ivh_volume_at_intensity_fraction_90", "BC2M", "", volume_at_intensity_90),
    Feature("ivh_intensity_at_volume_fraction_10", "GBPN", "HU", intensity_at_volume_10),
    Feature("ivh_intensity_at_volume_fraction_90", "GBPN", "HU", intensity_at_volume_90),
    Feature("ivh_volume_fraction_difference_between_intensity_fractions", "DDTU", "", volume_difference),
    Feature("ivh_intensity_fraction_difference_between_volume_fractions", "CNV2", "HU", intensity_difference),
    Feature("ivh_area_under_curve", "9CMM", "", area_under_curve),
)
