"""Neighbourhood grey tone difference matrix (IBSI IPET): 5 features of a voxel's difference from its neighbours' mean.

Neighbours: Chebyshev distance 1, inside the region. Voxels without a neighbour are left out. n(i) is the number of
voxels of grey level i, s(i) the sum of their absolute differences from the mean of their neighbours, N the sum of n(i),
p(i) = n(i) / N. Undefined values are NaN, where the manual sets 10^6 (coarseness without a difference) or 0 (contrast
and busyness of one grey level, strength without a difference). A region without two neighbouring voxels is NaN
throughout; such slices are left out of averages.
"""

import dataclasses

import numpy as np

from radiogenomics.radiomics.ibsi import aggregation as aggregations
from radiogenomics.radiomics.ibsi import directions
from radiogenomics.radiomics.ibsi.definition import Feature


@dataclasses.dataclass(frozen=True)
class Tones:
    """Neighbourhood grey tone differences of K regions or slices."""

    levels: np.ndarray  # [G] grey levels i
    shares: np.ndarray  # [K, G] p(i)
    differences: np.ndarray  # [K, G] s(i)
    total: np.ndarray  # [K] N


def _divide(top, bottom):
    """Ratio [K], NaN where the bottom is 0 (rounding included)."""
    defined = bottom > 16 * np.finfo(np.float64).eps
    return np.where(defined, top / np.where(defined, bottom, 1.0), np.nan)


def coarseness(tones):
    """1 over the sum of p(i) s(i) over grey levels (IBSI QCDE)."""
    return _divide(1.0, (tones.shares * tones.differences).sum(axis=-1))


def contrast(tones):
    """Sum of p(i) p(j) (i - j)^2 over pairs of the M levels that occur, over M (M - 1), times mean s (IBSI 65HE).

    Mean s is the sum of s(i) over N.
    """
    present = (tones.shares > 0).sum(axis=-1)
    mean = tones.shares @ tones.levels
    variance = (tones.shares * (tones.levels - mean[:, None]) ** 2).sum(axis=-1)  # half the sum over pairs
    return _divide(2 * variance * tones.differences.sum(axis=-1), present * (present - 1) * tones.total)


def busyness(tones):
    """Sum of p(i) s(i), over the sum of |i p(i) - j p(j)| over pairs of the levels that occur (IBSI NQ30)."""
    present = tones.shares > 0
    ranked = np.sort(np.where(present, tones.shares * tones.levels, np.inf), axis=-1)
    count = present.sum(axis=-1, keepdims=True)
    # Each of m sorted values is the larger in its rank - 1 pairs and the smaller in m - rank; pairs count twice.
    weights = 2 * (2 * np.arange(ranked.shape[-1]) - count + 1)
    spread = (np.where(np.isfinite(ranked), ranked, 0.0) * weights).sum(axis=-1)
    return _divide((tones.shares * tones.differences).sum(axis=-1), spread)


def complexity(tones):
    """Sum over pairs of levels that occur of |i - j| (p(i) s(i) + p(j) s(j)) / (p(i) + p(j)), over N (IBSI HDEZ)."""
    shares, weighted = tones.shares, tones.shares * tones.differences
    together = shares[:, :, None] + shares[:, None, :]
    both = (shares > 0)[:, :, None] & (shares > 0)[:, None, :]
    terms = (weighted[:, :, None] + weighted[:, None, :]) / np.where(both, together, np.inf)
    terms *= np.abs(tones.levels[:, None] - tones.levels)
    return _divide(terms.sum(axis=(-2, -1)), tones.total)


def strength(tones):
    """Sum over pairs of the levels that occur of (p(i) + p(j)) (i - j)^2, over the sum of s(i) (IBSI 1X9X)."""
    squares = (tones.levels[:, None] - tones.levels) ** 2
    pairs = 2 * ((tones.shares @ squares) * (tones.shares > 0)).sum(axis=-1)
    return _divide(pairs, tones.differences.sum(axis=-1))


FEATURES = (
    Feature("ngtdm_coarseness", "QCDE", "", coarseness),
    Feature("ngtdm_contrast", "65HE", "", contrast),
    Feature("ngtdm_busyness", "NQ30", "", busyness),
    Feature("ngtdm_complexity", "HDEZ", "", complexity),
    Feature("ngtdm_strength", "1X9X", "", strength),
)


def sum_neighbours(values, layout, planar):
    """Sums [V], int64, of a flat field over each voxel and its neighbours."""
    _, _, height, width = layout.shape
    sums = values
    for step in (1, width) if planar else (1, width, height * width):
        wider = sums.copy()
        wider[:-step] += sums[step:]
        wider[step:] += sums[:-step]
        sums = wider
    return sums[layout.voxels].astype(np.int64)


def describe(layout, groups, planar):
    """Tones of the groups of a Layout."""
    levels = layout.values.astype(np.int64) + 1  # the lowest as 1: differences do not change
    neighbours = sum_neighbours((layout.flat > 0).astype(np.uint8), layout, planar) - 1
    sums = sum_neighbours(layout.flat.astype(np.int32), layout, planar) - levels
    differences = np.abs(levels - sums / np.maximum(neighbours, 1))
    key = groups.of_voxels() * layout.depth + layout.values
    shape = (len(groups.owner), layout.depth)
    valid = neighbours > 0
    counts = np.bincount(key, weights=valid, minlength=np.prod(shape)).reshape(shape)
    summed = np.bincount(key, weights=differences * valid, minlength=np.prod(shape)).reshape(shape)
    total = counts.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return Tones(layout.levels, counts / total[:, None], summed, total)


def measure(levels, level_count, aggregation):
    """NGTDM features [N, 5] of grey levels [N, Z, Y, X]: 0 outside, 1..level_count[n] inside; level_count [N].

    NaN where undefined. InputError: levels out of range or an unknown aggregation.
    """
    way = aggregations.parse_undirected(aggregation)
    layout = directions.lay_out(levels, level_count, way.planar)
    groups = directions.group(layout, way.by_slice)
    tones = describe(layout, groups, way.planar)
    values = np.stack([feature.function(tones) for feature in FEATURES], axis=-1)
    return aggregations.average(values, groups.owner, len(levels))
