"""Local intensity of the reference manual: mean intensities in a ball of 1 cm^3 around voxels of the region.

The ball holds the voxels whose centres are at most 6.2 mm from its own centre, inside the region or not, as far as
the array reaches; in a 2-D patch it is the disc of that radius.
"""

import functools

import numpy as np
from scipy import fft

from radiogenomics.radiomics.ibsi.definition import Feature
from radiogenomics.radiomics.ibsi.directions import bounding_box

RADIUS_MM = 6.2
ROUNDING = 1e-9  # what a product or quotient of decimal fractions is off by


def measure(image, mask, spacing_mm):
    """The features of N regions, [N, F] float64 in the order of FEATURES, NaN for an empty region.

    `image` [N, Z, Y, X] in units of intensity (HU), `mask` bool of the same shape, the intensity mask; `spacing_mm`
    (z, y, x). Source: reference manual of the IBSI, local intensity features (9ST6).
    """
    spacing_mm = tuple(float(edge) for edge in spacing_mm)
    shape = image.shape[1:]
    reach = tuple(min(int(RADIUS_MM / edge + ROUNDING), size - 1) for edge, size in zip(spacing_mm, shape, strict=True))
    apart = tuple(size + far for size, far in zip(shape, reach, strict=True))
    neighbours = np.round(_sum_balls(np.ones(shape), apart, reach, spacing_mm))
    values = np.full((len(image), len(FEATURES)), np.nan)
    for row, (region, inside) in enumerate(zip(image, mask, strict=True)):
        if inside.any():
            peaks = _peaks(region, inside, neighbours, reach, spacing_mm)
            values[row] = [each.function(*peaks) for each in FEATURES]
    return values


def local_peak(intensities, means):
    """Mean intensity of the ball around the voxel of highest intensity; of several such, the highest (IBSI VJGA)."""
    return means[intensities == intensities.max()].max()


def global_peak(_, means):
    """Highest mean intensity of a ball around any voxel of the region (IBSI 0F91)."""
    return means.max()


def _peaks(region, inside, neighbours, reach, spacing_mm):
    """Intensities [V] of a region's voxels, and the mean intensities [V] of the balls around them."""
    limits = list(zip(bounding_box(inside), reach, region.shape, strict=True))
    window = tuple(slice(max(along.start - far, 0), min(along.stop + far, size)) for along, far, size in limits)
    within = inside[window]
    # Only balls around the region count, and those end a reach beyond it: no further zeros are needed between repeats.
    period = [along.stop - along.start + 2 * far for along, far, _ in limits]
    sums = _sum_balls(region[window].astype(np.float64), period, reach, spacing_mm)[within]
    return region[window][within], sums / neighbours[window][within]


def _sum_balls(image, period, reach, spacing_mm):
    """Sum over the ball around every voxel of `image` [Z, Y, X], repeated with at least `period` and zeros between."""
    shape = tuple(fft.next_fast_len(size, real=True) for size in period)
    transform = fft.rfftn(image, shape) * _ball_transform(shape, reach, spacing_mm)
    return fft.irfftn(transform, shape)[tuple(slice(size) for size in image.shape)]


@functools.lru_cache(maxsize=64)
def _ball_transform(shape, reach, spacing_mm):
    """The (real) Fourier transform of the ball around the origin of a periodic array of `shape`."""
    steps = [np.minimum(np.arange(size), size - np.arange(size)) for size in shape]
    squares = [np.where(step <= far, (step * edge) ** 2, np.inf)
               for step, far, edge in zip(steps, reach, spacing_mm, strict=True)]
    distance = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    return fft.rfftn((distance <= RADIUS_MM**2 + ROUNDING).astype(np.float64)).real


FEATURES = (
    Feature("loc_local_peak", "VJGA", "HU", local_peak),
    Feature("loc_global_peak", "0F91", "HU", global_peak),
)
