"""Volumes in patient space: planes stacked by position, masks placed by geometry, never by file order.

Axes are [slice, row, column]. Positions are in mm in the DICOM patient frame (x to the left, y to the back, z to the
head). A volume is *canonical* when slice, row and column indices run towards the head, the back and the left.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from radiogenomics.errors import InputError

SAME_PLACE_MM = 0.01
PADDED = 2  # voxels around the box of a mask that is resampled
REGULAR = 0.02  # share of the slice distance by which a plane may lie beside its place in a regular stack
ACQUIRED = 0.1  # share of the slice distance within which an acquired plane counts as being there
ONE_STEP = 1.5  # times the smallest step between mask frames: none is left out in between
LARGE_STEP = 1.6  # times the slice distance between planes: one is missing
MAX_TILT_DEGREES = 40.0  # gantries lean by 30 at most; more is a damaged position
MAX_VOXELS = 2**29  # of a volume, 1 GiB in HU; four times the largest CT of the collection
NOMINAL_MM = 1.0  # slice distance of a single mask frame that tells none, until it lies on a CT
UNTOLD = "segmentation of one slice that tells no thickness, placed as one CT slice; its volume cannot be known"
VOLUME_TOLERANCE = 0.01  # share by which nearest voxels may change a mask's volume


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where the voxels of a volume are."""

    origin_mm: np.ndarray  # [3] centre of voxel [0, 0, 0]
    axes: np.ndarray  # [3, 3] unit vectors of the slice, row and column index
    spacing_mm: np.ndarray  # [3]
    shape: tuple
    thickness_told: bool = True  # False: one slice, whose distance is `NOMINAL_MM` because its file tells none

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


def check_voxels(shape, what):
    """Refuses a volume for which nobody should take memory.

    Args:
      shape: its size along each axis.
      what: names it in the error.

    Raises:
      InputError: beyond `MAX_VOXELS`, or where a size is no number.
    """
    count = float(np.prod(np.asarray(shape, float)))
    if not count <= MAX_VOXELS:
        raise InputError(f"{what}: {count:.3g} voxels; expected at most {MAX_VOXELS}.")


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

    A drift of the planes across the normal (gantry tilt) is undone by shifting them, on a matrix large enough for all
    of them; up to `max_missing` planes in a row that are not there, and uneven distances, are filled by linear
    interpolation. All is told in `warnings`. The slice distance is that of the whole stack, so that positions rounded
    in their file do not add up to an error.

    Args:
      planes: [n, rows, columns], at different positions, in any order.
      positions_mm: [n, 3] centre of the first pixel of every plane.
      axes: [3, 3] from `plane_axes`.
      pixel_spacing_mm: distance of rows and of columns.
      max_missing: planes in a row that may be missing; a larger gap is refused.
      outside: value of what a shift brings in.

    Raises:
      InputError: with fewer than three planes, planes side by side, a tilt beyond `MAX_TILT_DEGREES`, or more planes
        missing in a row than allowed.
    """
    if len(planes) < 3:
        raise InputError(f"CT series: {len(planes)} usable slices; expected at least 3.")
    height = positions_mm @ axes[0]
    order = np.argsort(height, kind="stable")
    if not np.array_equal(order, np.arange(len(order))):
        planes, positions_mm, height = planes[order], positions_mm[order], height[order]
    if np.diff(height).min() < SAME_PLACE_MM:
        raise InputError("CT series: slices side by side at one height; expected one at each.")
    planes, shift, warnings = _undo_drift(planes, positions_mm, height, axes, pixel_spacing_mm, outside)
    distance = _slice_distance(height)
    planes, interpolated, told = _fill_gaps(planes, height, distance, max_missing)
    spacing = np.array([distance, *pixel_spacing_mm])
    grid = Grid(positions_mm[0] + (shift * pixel_spacing_mm) @ axes[1:], axes, spacing, planes.shape)
    return Stack(planes, grid, interpolated, (*warnings, *told))


def _slice_distance(height):
    """Distance of the regular grid that holds every height, some of it perhaps empty; the median step if none does.

    The median alone is off by what the heights are rounded to, once for every slice.
    """
    steps = np.diff(height)
    index = np.concatenate([[0], np.cumsum(np.round(steps / np.median(steps)))])
    distance = (height[-1] - height[0]) / max(index[-1], 1)
    chosen = distance if _is_on_grid(height, index, distance) else np.median(steps)
    return round(float(chosen), 9)  # Decimals of the file come back as such: 1.25, not 1.2500000000000004.


def _is_on_grid(height, index, distance):
    return np.abs(height - height[0] - index * distance).max() <= REGULAR * distance


def _undo_drift(planes, positions_mm, height, axes, pixel_spacing_mm, outside):
    """Shifts planes so that all first pixels lie on one normal; where that is, in pixels from the first plane's."""
    drift_mm = (positions_mm - positions_mm[0]) @ axes[1:].T
    drift = drift_mm / pixel_spacing_mm
    if np.abs(drift).max() <= 0.5:
        return planes, np.zeros(2), ()
    told = _describe_drift(drift_mm, height, pixel_spacing_mm)
    corner = np.floor(drift.min(axis=0))
    shape = tuple(np.ceil(drift.max(axis=0) - corner).astype(int) + planes.shape[1:])
    check_voxels((len(planes), *shape), "CT series")
    shifted = np.empty((len(planes), *shape), planes.dtype)
    for plane, offset, target in zip(planes, drift - corner, shifted, strict=True):
        canvas = np.full(shape, outside, np.float32)
        canvas[: plane.shape[0], : plane.shape[1]] = plane
        target[:] = np.rint(ndimage.shift(canvas, offset, order=1, cval=outside))
    return shifted, corner, (told,)


def _describe_drift(drift_mm, height, pixel_spacing_mm):
    """Tells even drift, the tilt of a gantry, from planes that lie here and there."""
    rise = height - height[0]
    lean = rise @ drift_mm / (rise @ rise)
    if np.abs((drift_mm - np.outer(rise, lean)) / pixel_spacing_mm).max() > 0.5:
        return f"slices up to {np.abs(drift_mm).max():.1f} mm beside each other, undone by shifting them"
    angle = np.degrees(np.arctan(np.linalg.norm(lean)))
    if angle > MAX_TILT_DEGREES:
        raise InputError(f"CT series: slices lean by {angle:.0f} degrees; expected at most {MAX_TILT_DEGREES:g}.")
    return f"gantry tilt of {angle:.1f} degrees undone by shifting the slices"


def _fill_gaps(planes, height, distance, max_missing):
    """Linear interpolation on a regular grid where the planes are not on one already."""
    if _is_on_grid(height, np.arange(len(height)), distance):
        return planes, np.zeros(len(planes), bool), ()
    steps = np.diff(height) / distance
    missing = int(np.round(steps.max())) - 1
    if missing > max_missing:
        raise InputError(
            f"CT series: {missing} slices missing in a row; at most {max_missing} can be filled "
            "(files.max_missing_slices)."
        )
    wanted = height[0] + distance * np.arange(int((height[-1] - height[0]) / distance + ACQUIRED) + 1)
    check_voxels((len(wanted), *planes.shape[1:]), "CT series")
    upper = np.clip(np.searchsorted(height, wanted), 1, len(height) - 1)
    gap = height[upper] - height[upper - 1]
    weight = np.clip((wanted - height[upper - 1]) / gap, 0, 1).astype(np.float32)
    filled = np.empty((len(wanted), *planes.shape[1:]), planes.dtype)
    for target, above, share in zip(filled, upper, weight, strict=True):
        target[:] = np.rint((1 - share) * planes[above - 1] + share * planes[above])
    nearest = np.minimum(np.abs(wanted - height[upper - 1]), np.abs(wanted - height[upper]))
    interpolated = (nearest > ACQUIRED * distance) & (gap > LARGE_STEP * distance)
    return filled, interpolated, (_describe_gaps(steps, distance, interpolated),)


def _describe_gaps(steps, distance, interpolated):
    if interpolated.any() and np.abs(steps - np.round(steps)).max() <= ACQUIRED:
        return f"{interpolated.sum()} of {len(interpolated)} slices missing, filled by interpolation"
    return (
        f"uneven slice distances of {steps.min() * distance:.2f} to {steps.max() * distance:.2f} mm, "
        f"interpolated to {distance:.2f} mm"
    )


def place_frames(frames, positions_mm, axes, pixel_spacing_mm, thickness_mm):
    """Mask frames, in any order and with empty ones left out, as a mask volume on a regular grid.

    The slice distance is that of neighbouring frames, fitted to all (`thickness_mm` for a single one); frames at one
    place are united; frames that lean (gantry tilt) are shifted by whole pixels on a matrix large enough for all.

    Args:
      frames: [n, rows, columns] bool.
      positions_mm: [n, 3] centre of the first pixel of every frame.
      axes: [3, 3] from `plane_axes`.
      pixel_spacing_mm: distance of rows and of columns.
      thickness_mm: slice distance of a single frame; None where it is not told, which `place_mask` makes good.

    Returns:
      (mask [slices, rows, columns] bool, Grid, warnings)

    Raises:
      InputError: where the positions span an absurd volume.
    """
    height = positions_mm @ axes[0]
    lowest = height.argmin()
    distance = _frame_distance(np.unique(height))
    told = distance is not None or thickness_mm is not None
    distance = distance or thickness_mm or NOMINAL_MM
    index = (height - height[lowest]) / distance
    check_voxels((index.max() + 1, *frames.shape[1:]), "segmentation")
    slices = np.round(index).astype(int)
    warnings = [] if told else [UNTOLD]
    if np.abs(index - slices).max() > ACQUIRED:
        warnings.append("segmentation frames at uneven distances, moved to the nearest slice")
    if len(np.unique(slices)) < len(slices):
        warnings.append("several segmentation frames at one place, united")
    drift = np.round((positions_mm - positions_mm[lowest]) @ axes[1:].T / pixel_spacing_mm)
    corner = drift.min(axis=0)
    shape = (slices.max() + 1, *(np.ptp(drift, axis=0) + frames.shape[1:]))
    check_voxels(shape, "segmentation")
    mask = np.zeros(tuple(map(int, shape)), bool)
    for frame, number, (row, column) in zip(frames, slices, (drift - corner).astype(int), strict=True):
        mask[number, row : row + frame.shape[0], column : column + frame.shape[1]] |= frame
    origin = positions_mm[lowest] + (corner * pixel_spacing_mm) @ axes[1:]
    return mask, Grid(origin, axes, np.array([distance, *pixel_spacing_mm]), mask.shape, told), tuple(warnings)


def _frame_distance(height):
    """Slice distance of frames at sorted heights, any of them left out; None where all lie at one place.

    Steps are counted by the mean of those that skip no frame, because the smallest is off by what the positions are
    rounded to, and the count over a large gap with it; then the distance is fitted to all heights (least squares).
    """
    steps = np.diff(height)
    apart = steps[steps > SAME_PLACE_MM]
    if not len(apart):
        return None
    single = apart[apart < ONE_STEP * apart.min()].mean()
    index = np.cumsum(np.round(steps / single))
    return float(index @ (height[1:] - height[0]) / (index @ index))


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
    """A mask on another grid, by position; false outside of the mask's own grid.

    Nearest voxels are taken. Where they change the volume of what lies on the target grid by more than
    `VOLUME_TOLERANCE`, the smoothed mask is cut at the level that keeps the volume, to half a voxel. A single slice
    that tells no thickness becomes one slice of the target, the nearest.

    Args:
      mask: [slices, rows, columns] bool on `grid`.
      grid: the mask's Grid.
      target: the Grid wanted.

    Returns:
      bool of `target.shape`.
    """
    placed = np.zeros(target.shape, bool)
    found = ndimage.find_objects(mask.view(np.uint8))
    if not found:
        return placed
    if not grid.thickness_told:
        grid = _take_thickness(grid, target)
    # Only the box around the mask is looked at: a whole chest has a hundred million voxels.
    cut = np.pad(mask[found[0]], PADDED)
    corner = np.array([part.start for part in found[0]]) - PADDED
    source = dataclasses.replace(grid, origin_mm=grid.to_mm(corner), shape=cut.shape)
    ends = np.stack(np.meshgrid(*[(0, length - 1) for length in cut.shape], indexing="ij"), axis=-1).reshape(-1, 3)
    reach = target.to_index(source.to_mm(ends))
    low = np.clip(np.floor(reach.min(axis=0)), 0, target.shape).astype(int)
    high = np.clip(np.ceil(reach.max(axis=0)) + 1, 0, target.shape).astype(int)
    if np.any(high <= low):
        return placed
    box = dataclasses.replace(target, origin_mm=target.to_mm(low), shape=tuple(high - low))
    placed[tuple(map(slice, low, high))] = _resample(cut, source, box)
    return placed


def _take_thickness(grid, target):
    """The grid of a single slice, moved to the target's nearest slice and as thick as that."""
    middle = grid.to_mm((np.array(grid.shape) - 1) / 2)
    height = target.to_index(middle)[0]
    distance = target.spacing_mm[0]
    origin = grid.origin_mm + (np.round(height) - height) * distance * target.axes[0]
    spacing = np.array([distance, *grid.spacing_mm[1:]])
    return dataclasses.replace(grid, origin_mm=origin, spacing_mm=spacing, thickness_told=True)


def _resample(mask, source, target):
    nearest = _sample(mask.view(np.uint8), source, target, 0) > 0
    if np.isclose(nearest.sum() * target.voxel_mm3, mask.sum() * source.voxel_mm3, rtol=VOLUME_TOLERANCE):
        return nearest
    index = target.to_index(source.to_mm(np.argwhere(mask)))
    inside = np.all((index > -0.5) & (index < np.array(target.shape) - 0.5), axis=1).sum()
    wanted = int(round(inside * source.voxel_mm3 / target.voxel_mm3))
    if abs(nearest.sum() - wanted) <= VOLUME_TOLERANCE * wanted:
        return nearest
    coarser = np.abs(np.linalg.inv(source.affine) @ target.affine).sum(axis=1)
    soft = _sample(ndimage.gaussian_filter(mask.astype(np.float32), 0.5 * np.maximum(coarser, 1)), source, target, 1)
    kept = np.zeros(target.shape, bool)
    kept.ravel()[np.argsort(-soft, axis=None, kind="stable")[:wanted]] = True
    return kept & (soft > 0)


def _sample(values, source, target, order):
    """Values [source.shape] at the voxels of the target grid; 0 beyond."""
    inverse = np.linalg.inv(source.affine)
    offset = source.to_index(target.origin_mm)
    return ndimage.affine_transform(values, inverse @ target.affine, offset, tuple(target.shape), order=order)


def largest_component(mask):
    """The largest 26-connected part of a mask and the number of voxels of each other part, largest first."""
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count <= 1:
        return mask, []
    sizes = np.bincount(labels.ravel())[1:]
    return labels == sizes.argmax() + 1, sorted(np.delete(sizes, sizes.argmax()).tolist(), reverse=True)
