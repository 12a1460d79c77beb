"""Volumes in patient space: planes stacked by position, masks placed by geometry, never by file order.

Axes are [slice, row, column]. Positions are in mm in the DICOM patient frame (x to the left, y to the back, z to the
head). A volume is *canonical* when slice, row and column indices run towards the head, the back and the left.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from radiogenomics.errors import InputError

SAME_PLACE_MM = 0.01
REGULAR = 0.02  # share of the slice distance by which steps may differ in a regular stack
ACQUIRED = 0.1  # share of the slice distance within which an acquired plane counts as being there
LARGE_STEP = 1.6  # times the slice distance between planes: one is missing


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where the voxels of a volume are."""

    origin_mm: np.ndarray  # [3] centre of voxel [0, 0, 0]
    axes: np.ndarray  # [3, 3] unit vectors of the slice, row and column index
    spacing_mm: np.ndarray  # [3]
    shape: tuple

    @property
    def affine(self):
        """[3, 3] matrix that takes an index difference to mm."""
        return (self.axes * self.spacing_mm[:, None]).T

    def to_index(self, positions_mm):
        """Voxel indices [..., 3] of positions [..., 3] in mm."""
        return (np.asarray(positions_mm) - self.origin_mm) @ np.linalg.inv(self.affine).T

    def to_mm(self, index):
        """Positions [..., 3] in mm of voxel indices [..., 3]."""
        return np.asarray(index) @ self.affine.T + self.origin_mm

    @property
    def voxel_mm3(self):
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm))


@dataclasses.dataclass(frozen=True)
class Stack:
    """Planes as a volume on a regular grid."""

    volume: np.ndarray  # [slices, rows, columns]
    grid: Grid
    interpolated: np.ndarray  # [slices] bool, made up for planes that are missing
    warnings: tuple


def plane_axes(orientation):
    """Unit vectors [3, 3] of slice, row and column index from the six direction cosines of DICOM (0020,0037).

    Raises:
      InputError: where the cosines are not two perpendicular unit vectors.
    """
    along_columns, along_rows = np.asarray(orientation, float).reshape(2, 3)
    lengths = np.linalg.norm(along_columns), np.linalg.norm(along_rows)
    if not np.allclose(lengths, 1, atol=0.01) or abs(along_columns @ along_rows) > 0.01:
        raise InputError(
            f"image orientation {np.round(orientation, 3).tolist()}: expected two perpendicular unit vectors."
        )
    return np.stack([np.cross(along_columns, along_rows), along_rows, along_columns])


def stack_planes(planes, positions_mm, axes, pixel_spacing_mm, max_missing, outside):
    """Stacks image planes along their normal on a regular grid.

    A drift of the planes across the normal (gantry tilt) is undone by shifting them; up to `max_missing` planes in a
    row that are not there, and uneven distances, are filled by linear interpolation. Both are told in `warnings`.

    Args:
      planes: [n, rows, columns], at different positions, in any order.
      positions_mm: [n, 3] centre of the first pixel of every plane.
      axes: [3, 3] from `plane_axes`.
      pixel_spacing_mm: distance of rows and of columns.
      max_missing: planes in a row that may be missing.
      outside: value of what a shift brings in.

    Raises:
      InputError: with fewer than three planes, or more missing in a row than allowed.
    """
    if len(planes) < 3:
        raise InputError(f"CT series: {len(planes)} usable slices; expected at least 3.")
    height = positions_mm @ axes[0]
    order = np.argsort(height)
    planes, positions_mm, height = np.asarray(planes)[order], positions_mm[order], height[order]
    planes, warnings = _undo_drift(planes, positions_mm, height, axes, pixel_spacing_mm, outside)
    distance = float(np.median(np.diff(height)))
    planes, interpolated, told = _fill_gaps(planes, height, distance, max_missing)
    spacing = np.array([distance, *pixel_spacing_mm])
    grid = Grid(positions_mm[0], axes, spacing, planes.shape)
    return Stack(planes, grid, interpolated, (*warnings, *told))


def _undo_drift(planes, positions_mm, height, axes, pixel_spacing_mm, outside):
    """Shifts planes so that all first pixels lie on one normal."""
    drift_mm = (positions_mm - positions_mm[0]) @ axes[1:].T
    if np.abs(drift_mm / pixel_spacing_mm).max() <= 0.5:
        return planes, ()
    shifted = [
        ndimage.shift(plane, shift, order=1, cval=outside)
        for plane, shift in zip(planes, drift_mm / pixel_spacing_mm, strict=True)
    ]
    extreme = np.linalg.norm(drift_mm, axis=1).argmax()
    angle = np.degrees(np.arctan2(np.linalg.norm(drift_mm[extreme]), height[extreme] - height[0]))
    return np.stack(shifted), (f"gantry tilt of {angle:.1f} degrees undone by shifting the slices",)


def _fill_gaps(planes, height, distance, max_missing):
    """Linear interpolation on a regular grid where the planes are not on one already."""
    steps = np.diff(height) / distance
    if np.abs(steps - 1).max() <= REGULAR:
        return planes, np.zeros(len(planes), bool), ()
    missing = int(np.round(steps.max())) - 1
    if missing > max_missing:
        raise InputError(f"CT series: {missing} slices missing in a row; at most {max_missing} can be filled.")
    wanted = height[0] + distance * np.arange(int((height[-1] - height[0]) / distance + ACQUIRED) + 1)
    upper = np.clip(np.searchsorted(height, wanted), 1, len(height) - 1)
    gap = height[upper] - height[upper - 1]
    weight = np.clip((wanted - height[upper - 1]) / gap, 0, 1).astype(np.float32)[:, None, None]
    filled = (1 - weight) * planes[upper - 1] + weight * planes[upper]
    nearest = np.minimum(np.abs(wanted - height[upper - 1]), np.abs(wanted - height[upper]))
    interpolated = (nearest > ACQUIRED * distance) & (gap > LARGE_STEP * distance)
    return np.round(filled).astype(planes.dtype), interpolated, (_describe_gaps(steps, distance, interpolated),)


def _describe_gaps(steps, distance, interpolated):
    if np.abs(steps - np.round(steps)).max() <= ACQUIRED:
        return f"{interpolated.sum()} of {len(interpolated)} slices missing, filled by interpolation"
    return (
        f"uneven slice distances of {steps.min() * distance:.2f} to {steps.max() * distance:.2f} mm, "
        f"interpolated to {distance:.2f} mm"
    )


def place_frames(frames, positions_mm, axes, pixel_spacing_mm, thickness_mm):
    """Mask frames, in any order and with empty ones left out, as a mask volume on a regular grid.

    The slice distance is the smallest step between frames (`thickness_mm` for a single one); frames at one place are
    united.

    Args:
      frames: [n, rows, columns] bool.
      positions_mm: [n, 3] centre of the first pixel of every frame.
      axes: [3, 3] from `plane_axes`.
      pixel_spacing_mm: distance of rows and of columns.
      thickness_mm: slice distance of a single frame.

    Returns:
      (mask [slices, rows, columns] bool, Grid, warnings)
    """
    height = positions_mm @ axes[0]
    steps = np.diff(np.unique(height))
    steps = steps[steps > SAME_PLACE_MM]
    distance = float(steps.min()) if len(steps) else float(thickness_mm)
    lowest = height.argmin()
    index = (height - height[lowest]) / distance
    slices = np.round(index).astype(int)
    warnings = []
    if np.abs(index - slices).max() > ACQUIRED:
        warnings.append("segmentation frames at uneven distances, moved to the nearest slice")
    if len(np.unique(slices)) < len(slices):
        warnings.append("several segmentation frames at one place, united")
    mask = np.zeros((slices.max() + 1, *frames.shape[1:]), bool)
    for frame, number, drift_mm in zip(frames, slices, (positions_mm - positions_mm[lowest]) @ axes[1:].T, strict=True):
        pixels = np.round(drift_mm / pixel_spacing_mm).astype(int)
        mask[number] |= frame if not pixels.any() else ndimage.shift(frame.astype(np.uint8), pixels, order=0) > 0
    grid = Grid(positions_mm[lowest], axes, np.array([distance, *pixel_spacing_mm]), mask.shape)
    return mask, grid, tuple(warnings)


def to_canonical(volume, grid):
    """The volume with its indices running to the head, the back and the left, and its grid.

    Raises:
      InputError: where the slices are not axial.
    """
    targets = np.abs(grid.axes).argmax(axis=1)
    if targets.tolist() != [2, 1, 0]:
        raise InputError("CT series: slices are not axial; expected rows and columns along back and left.")
    flip = np.array([grid.axes[axis, 2 - axis] < 0 for axis in range(3)])
    origin = grid.to_mm(np.where(flip, np.array(grid.shape) - 1, 0))
    axes = np.where(flip[:, None], -grid.axes, grid.axes)
    return np.flip(volume, np.flatnonzero(flip)), dataclasses.replace(grid, origin_mm=origin, axes=axes)


def place_mask(mask, grid, target):
    """A mask on another grid, by position (nearest voxel); false outside of the mask's own grid.

    Args:
      mask: [slices, rows, columns] bool on `grid`.
      grid: the mask's Grid.
      target: the Grid wanted.

    Returns:
      bool of `target.shape`.
    """
    placed = np.zeros(target.shape, bool)
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return placed
    # Only the box around the mask is looked at: a whole chest has a hundred million voxels.
    corners = np.stack(np.meshgrid(*[(part.start - 1, part.stop) for part in found[0]], indexing="ij"), axis=-1)
    reach = target.to_index(grid.to_mm(corners.reshape(-1, 3)))
    low = np.clip(np.floor(reach.min(axis=0)).astype(int), 0, target.shape)
    high = np.clip(np.ceil(reach.max(axis=0)).astype(int) + 1, 0, target.shape)
    if np.any(high <= low):
        return placed
    inverse = np.linalg.inv(grid.affine)
    box = ndimage.affine_transform(
        mask.astype(np.uint8), inverse @ target.affine, grid.to_index(target.to_mm(low)), tuple(high - low), order=0
    )
    placed[tuple(map(slice, low, high))] = box > 0
    return placed


def largest_component(mask):
    """The largest 26-connected part of a mask and the number of voxels of each other part, largest first."""
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count <= 1:
        return mask, []
    sizes = np.bincount(labels.ravel())[1:]
    return labels == sizes.argmax() + 1, sorted(np.delete(sizes, sizes.argmax()).tolist(), reverse=True)
