"""How texture matrices of slices and directions become one value: merged before, or averaged after the formulas."""

import dataclasses

import numpy as np

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi import directions


@dataclasses.dataclass(frozen=True)
class Aggregation:
    """Which matrices are kept apart and averaged over after the formulas; the others are merged (summed) before."""

    planar: bool  # neighbours within the slice only
    by_slice: bool
    by_direction: bool

    @property
    def directions(self):
        """Directions (z, y, x) of the neighbourhood."""
        return directions.DIRECTIONS_2D if self.planar else directions.DIRECTIONS_3D


AGGREGATIONS = {  # in the words of the reference manual
    "2D, averaged": Aggregation(True, True, True),  # BTW3
    "2D, slice-merged": Aggregation(True, True, False),  # SUJT
    "2.5D, direction-merged": Aggregation(True, False, True),  # JJUI
    "2.5D, merged": Aggregation(True, False, False),  # ZW7Z
    "3D, averaged": Aggregation(False, False, True),  # ITBB
    "3D, merged": Aggregation(False, False, False),  # IAZD
}
UNDIRECTED = {
    "2D": Aggregation(True, True, False),
    "2.5D": Aggregation(True, False, False),
    "3D": Aggregation(False, False, False),
}


def parse(text):
    """Aggregation of a family with directions (IBSI BTW3, SUJT, JJUI, ZW7Z, ITBB, IAZD); InputError for others."""
    if text not in AGGREGATIONS:
        raise InputError(f"aggregation: found {text!r}, expected one of {', '.join(map(repr, AGGREGATIONS))}.")
    return AGGREGATIONS[text]


def parse_undirected(text):
    """Aggregation of a family without directions (IBSI 8QNN, 62GR, KOBO): only the part before a comma counts.

    InputError for another text.
    """
    if text not in AGGREGATIONS and text not in UNDIRECTED:
        raise InputError(f"aggregation: found {text!r}, expected one of {', '.join(map(repr, UNDIRECTED))}.")
    return UNDIRECTED[text.split(",")[0]]


def average(values, owner, region_count):
    """Mean [N, F] of values [K, F] over the matrices of each region (`owner` [K], ascending), NaN left out.

    A feature that is undefined (NaN) in one slice or direction is averaged over the others; NaN where there is none.
    """
    averages = np.full((region_count, values.shape[1]), np.nan)
    if not len(owner):
        return averages
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    defined = ~np.isnan(values)
    sums = np.add.reduceat(np.where(defined, values, 0.0), first, axis=0)
    with np.errstate(invalid="ignore"):
        averages[owner[first]] = sums / np.add.reduceat(defined, first, axis=0, dtype=np.int64)
    return averages
