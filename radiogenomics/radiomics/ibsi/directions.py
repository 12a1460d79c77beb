"""Directions to the neighbours of a voxel, and a padded layout in which a neighbour is a constant step along one axis.

Chebyshev distance 1 throughout. Directions are given once: each stands for itself and its opposite.
"""

import dataclasses

import numpy as np

from radiogenomics.errors import InputError

# (z, y, x); each lies after the voxel in memory, so that its flat step is positive.
DIRECTIONS_2D = ((0, 0, 1), (0, 1, -1), (0, 1, 0), (0, 1, 1))
DIRECTIONS_3D = DIRECTIONS_2D + tuple((1, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))


@dataclasses.dataclass(frozen=True)
class Layout:
    """Regions cropped to their common bounding box, padded by a voxel of 0 on every side, and flattened."""

    flat: np.ndarray  # [cells] grey level - lowest + 1 inside a region, 0 outside, the smallest unsigned type
    shape: tuple  # (N, Z, Y, X), padding included (no padding along z where slices are separate)
    box: tuple  # slices (z, y, x) of the bounding box in the arrays that were laid out
    voxels: np.ndarray  # [V] flat positions of the voxels inside a region, ascending
    values: np.ndarray  # [V] grey level - lowest of each of these voxels
    lowest: int  # lowest grey level of all regions
    depth: int  # number of grey levels from the lowest to the highest of all regions

    @property
    def levels(self):
        """[G] grey levels from the lowest to the highest, float64."""
        return np.arange(self.lowest, self.lowest + self.depth, dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class Groups:
    """The K parts that get a matrix of their own: regions, or slices of regions; parts without a voxel are left out."""

    number: np.ndarray  # [parts] 0..K-1, meaningless for a part without a voxel
    cells: int  # cells of the layout in one part
    owner: np.ndarray  # [K] the region of each part, ascending
    voxels: np.ndarray  # [K] number of voxels

    def find(self, positions):
        """Part, 0..K-1, of each flat position inside a region."""
        return self.number[positions // self.cells]

    def of_voxels(self):
        """Part, 0..K-1, of each voxel of the layout [V]."""
        return np.repeat(np.arange(len(self.voxels)), self.voxels)


def check(levels, level_count):
    """Raise InputError unless levels are [N, Z, Y, X] integers of 0..level_count[n]."""
    if levels.ndim != 4 or levels.dtype.kind not in "iu":
        raise InputError(f"levels: found {levels.dtype} of shape {levels.shape}, expected integers [N, Z, Y, X].")
    if np.shape(level_count) != levels.shape[:1]:
        raise InputError(f"level_count: found shape {np.shape(level_count)}, expected [{levels.shape[0]}].")
    if not levels.size:
        return
    flat = levels.reshape(len(levels), -1)
    if flat.min() < 0 or (flat.max(axis=1) > level_count).any():
        raise InputError(f"levels: found {flat.min()}..{flat.max()}, expected 0..level_count of each region.")


def bounding_box(inside):
    """Slices of the smallest box of `inside` [Z, Y, X] (bool, not empty) that holds all of it."""
    plane = inside.any(0)
    lines = (inside.reshape(len(inside), -1).any(1), plane.any(1), plane.any(0))
    ends = [np.flatnonzero(line)[[0, -1]] for line in lines]
    return tuple(slice(int(first), int(last) + 1) for first, last in ends)


def find_box(inside):
    """Slices (z, y, x) of the bounding box of all regions; `inside` [N, Z, Y, X] is non-zero inside a region."""
    together = inside.max(axis=0, initial=0) > 0
    return bounding_box(together) if together.any() else (slice(0, 1),) * 3


def pad(values, planar):
    """Values [N, Z, Y, X] with a voxel of 0 on every side of the slices and, unless `planar`, of the regions."""
    count, depth, height, width = values.shape
    margin = 0 if planar else 1
    padded = np.zeros((count, depth + 2 * margin, height + 2, width + 2), values.dtype)
    padded[:, margin: margin + depth, 1:-1, 1:-1] = values
    return padded


def lay_out(levels, level_count, planar):
    """Layout of grey levels [N, Z, Y, X] (0 outside, 1..level_count[n] inside); InputError for levels out of range."""
    check(levels, level_count)
    box = find_box(levels)
    cropped = levels[(slice(None), *box)]
    highest = int(cropped.max(initial=1))
    padded = pad(cropped.astype(np.min_scalar_type(highest)), planar)
    flat = padded.reshape(-1)
    voxels = np.flatnonzero(flat > 0)
    values = flat[voxels]
    lowest = int(values.min(initial=highest))
    values -= values.dtype.type(lowest)
    flat[voxels] = values + 1
    return Layout(flat, padded.shape, box, voxels, values, lowest, highest - lowest + 1)


def step(layout, direction):
    """Difference of flat position between a voxel and its neighbour in a direction (z, y, x)."""
    _, _, height, width = layout.shape
    z, y, x = direction
    return (z * height + y) * width + x


def group(layout, by_slice):
    """Groups of the layout: the slices that hold a voxel, or the regions that hold one."""
    count, depth, height, width = layout.shape
    cells = height * width if by_slice else depth * height * width
    parts = count * depth if by_slice else count
    sizes = np.diff(np.searchsorted(layout.voxels, np.arange(parts + 1) * cells))
    used = np.flatnonzero(sizes)
    number = np.cumsum(sizes > 0) - 1
    return Groups(number, cells, used // depth if by_slice else used, sizes[used])
