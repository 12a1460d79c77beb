import numpy as np
import pytest

from radiogenomics.data import geometry
from radiogenomics.errors import InputError

AXIAL = geometry.plane_axes([1, 0, 0, 0, 1, 0])


def stack(heights, max_missing=2, drift=0.0):
    heights = np.asarray(heights, float)
    planes = np.broadcast_to((100 * heights)[:, None, None], (len(heights), 6, 8)).astype(np.int16)
    positions = np.stack([np.zeros_like(heights), drift * heights, heights], axis=1)
    return geometry.stack_planes(planes, positions, AXIAL, np.array([1.0, 1.0]), max_missing, -1000)


def test_planes_are_sorted_along_the_normal():
    result = stack([4, 0, 2, 6])
    assert result.volume[:, 0, 0].tolist() == [0, 200, 400, 600]
    assert result.grid.spacing_mm.tolist() == [2, 1, 1]
    assert not result.interpolated.any() and not result.warnings


def test_a_missing_plane_is_interpolated_and_told():
    result = stack([0, 2, 4, 8, 10])
    assert result.volume[:, 0, 0].tolist() == [0, 200, 400, 600, 800, 1000]
    assert result.interpolated.tolist() == [False, False, False, True, False, False]
    assert result.warnings == ("1 of 6 slices missing, filled by interpolation",)


def test_too_many_missing_planes_are_refused():
    with pytest.raises(InputError, match="3 slices missing in a row; at most 2"):
        stack([0, 1, 2, 3, 7, 8])


def test_uneven_distances_are_told():
    result = stack([0, 1, 2, 3, 4.5, 5.5])
    assert "uneven slice distances of 1.00 to 1.50 mm" in result.warnings[0]
    assert np.allclose(result.volume[:, 0, 0], 100 * np.arange(6), atol=1)
    assert len(result.volume) == 6 and not result.interpolated.any()


def test_fewer_than_three_planes_are_refused():
    with pytest.raises(InputError, match="2 usable slices; expected at least 3"):
        stack([0, 1])


def test_gantry_tilt_is_undone():
    heights = np.arange(5.0) * 2
    column = np.zeros((5, 20, 4), np.int16)
    column[np.arange(5), 12 - np.arange(5)] = 100  # A vertical rod, seen on planes that drift by one pixel each.
    positions = np.stack([np.zeros(5), np.arange(5.0), heights], axis=1)
    result = geometry.stack_planes(column, positions, AXIAL, np.array([1.0, 1.0]), 0, -1000)
    assert (result.volume[:, 12] == 100).all()
    assert result.warnings == ("gantry tilt of 26.6 degrees undone by shifting the slices",)


def test_orientation_must_be_perpendicular():
    with pytest.raises(InputError, match="perpendicular"):
        geometry.plane_axes([1, 0, 0, 1, 0, 0])


@pytest.mark.parametrize("orientation", ([1, 0, 0, 0, 1, 0], [-1, 0, 0, 0, -1, 0], [1, 0, 0, 0, -1, 0]))
def test_canonical_volumes_agree_in_every_orientation(orientation):
    axes = geometry.plane_axes(orientation)
    grid = geometry.Grid(np.array([5.0, -7.0, 3.0]), axes, np.array([2.0, 1.0, 1.5]), (3, 4, 5))
    index = np.stack(np.indices(grid.shape), axis=-1)
    heads = grid.to_mm(index)[..., 2]
    turned, new = geometry.to_canonical(heads, grid)
    assert np.allclose(new.axes, AXIAL)
    assert np.allclose(turned, new.to_mm(index)[..., 2])


def test_sagittal_slices_are_refused():
    axes = geometry.plane_axes([0, 1, 0, 0, 0, -1])
    grid = geometry.Grid(np.zeros(3), axes, np.ones(3), (3, 4, 5))
    with pytest.raises(InputError, match="not axial"):
        geometry.to_canonical(np.zeros(grid.shape), grid)


def test_a_mask_goes_by_position_not_by_index():
    target = geometry.Grid(np.zeros(3), AXIAL, np.array([1.0, 1.0, 1.0]), (12, 20, 20))
    flipped = geometry.plane_axes([-1, 0, 0, 0, 1, 0])
    source = geometry.Grid(np.array([14.0, 4.0, 9.0]), flipped, np.array([1.0, 1.0, 1.0]), (5, 6, 7))
    mask = np.zeros(source.shape, bool)
    mask[1:3, 2:5, 1:4] = True
    placed = geometry.place_mask(mask, source, target)
    wanted = source.to_mm(np.argwhere(mask))  # x, y, z
    assert placed.sum() == mask.sum()
    assert {tuple(row) for row in np.argwhere(placed)} == {tuple(row[::-1].astype(int)) for row in wanted}


def test_a_mask_outside_of_the_target_is_empty():
    target = geometry.Grid(np.zeros(3), AXIAL, np.ones(3), (5, 5, 5))
    source = geometry.Grid(np.full(3, 50.0), AXIAL, np.ones(3), (5, 5, 5))
    assert not geometry.place_mask(np.ones((5, 5, 5), bool), source, target).any()


def test_volume_survives_a_coarser_mask_grid():
    target = geometry.Grid(np.zeros(3), AXIAL, np.array([1.0, 1.0, 1.0]), (20, 20, 20))
    source = geometry.Grid(np.array([0.5, 0.5, 0.5]), AXIAL, np.array([2.0, 2.0, 2.0]), (9, 9, 9))
    mask = np.zeros(source.shape, bool)
    mask[3:6, 2:5, 4:8] = True
    assert geometry.place_mask(mask, source, target).sum() * target.voxel_mm3 == mask.sum() * source.voxel_mm3


def test_frames_in_any_order_with_gaps_and_repeats():
    frames = np.zeros((4, 3, 3), bool)
    frames[0, 0, 0] = frames[1, 1, 1] = frames[2, 2, 2] = frames[3, 0, 2] = True
    positions = np.array([[0, 0, 8.0], [0, 0, 0.0], [0, 0, 2.0], [0, 0, 8.0]])
    mask, grid, warnings = geometry.place_frames(frames, positions, AXIAL, np.array([1.0, 1.0]), 2.0)
    assert np.argwhere(mask).tolist() == [[0, 1, 1], [1, 2, 2], [4, 0, 0], [4, 0, 2]]
    assert grid.origin_mm.tolist() == [0, 0, 0] and grid.spacing_mm[0] == 2
    assert warnings == ("several segmentation frames at one place, united",)


def test_the_largest_component_is_kept():
    mask = np.zeros((5, 5, 5), bool)
    mask[0, 0, :3] = mask[4, 4, 4] = True
    largest, others = geometry.largest_component(mask)
    assert largest.sum() == 3 and others == [1]
