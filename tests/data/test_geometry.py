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


@pytest.mark.parametrize("number", (400, 37))
def test_rounded_positions_do_not_add_up(number):
    exact = 0.625 * np.arange(number)
    result = stack(np.round(exact, 2))
    assert len(result.volume) == number and result.warnings == () and not result.interpolated.any()
    places = result.grid.to_mm(np.stack([np.arange(number), np.zeros(number), np.zeros(number)], axis=1))[:, 2]
    assert np.abs(places - exact).max() <= 0.0101


@pytest.mark.parametrize("missing", ([200], [150, 151, 320]))
def test_planes_missing_between_rounded_positions(missing):
    exact = 0.625 * np.arange(400)
    result = stack(np.delete(np.round(exact, 2), missing))
    assert np.flatnonzero(result.interpolated).tolist() == missing
    assert result.warnings == (f"{len(missing)} of 400 slices missing, filled by interpolation",)
    assert result.grid.spacing_mm[0] == pytest.approx(0.625, abs=1e-4)
    assert np.abs(result.volume[:, 0, 0] - 100 * exact).max() <= 2  # 0.01 mm are 1 HU here.


def test_exact_positions_give_the_distance_of_the_file():
    assert stack(-313.75 + 1.25 * np.arange(301) + 0.1).grid.spacing_mm[0] == 1.25
    assert stack(0.7 * np.arange(97) - 12.3).grid.spacing_mm[0] == 0.7


def test_a_distance_that_changes_slowly_is_regularised():
    heights = np.concatenate([np.arange(60.0), 59 + 1.015 * np.arange(1, 61)])
    result = stack(heights)
    assert result.warnings[0] == "uneven slice distances of 1.00 to 1.02 mm, interpolated to 1.01 mm"
    places = result.grid.origin_mm[2] + result.grid.spacing_mm[0] * np.arange(len(result.volume))
    assert np.abs(result.volume[:, 0, 0] - 100 * places).max() <= 2 and not result.interpolated.any()


def test_fewer_than_three_planes_are_refused():
    with pytest.raises(InputError, match="2 usable slices; expected at least 3"):
        stack([0, 1])


def test_gantry_tilt_is_undone():
    heights = np.arange(5.0) * 2
    column = np.zeros((5, 20, 4), np.int16)
    column[np.arange(5), 4 - np.arange(5)] = 100  # A vertical rod, seen on planes that drift by one pixel each.
    for sign in (1, -1):  # The gantry leans to either side.
        planes, positions = column[:, ::sign], np.stack([np.zeros(5), sign * np.arange(5.0), heights], axis=1)
        result = geometry.stack_planes(planes, positions, AXIAL, np.array([1.0, 1.0]), 0, -1000)
        assert result.volume.shape == (5, 24, 4)  # All of every plane stays in view.
        rod = result.grid.to_index(np.array([0.0, 4.0 if sign == 1 else 15.0, 0.0]))[1]
        assert (result.volume[:, round(rod)] == 100).all() and (result.volume == 100).sum() == 20
        assert result.warnings == ("gantry tilt of 26.6 degrees undone by shifting the slices",)


def test_a_tilt_of_no_gantry_is_refused():
    with pytest.raises(InputError, match="slices lean by 63 degrees; expected at most 40"):
        stack([0, 1, 2, 3], drift=2.0)


def test_slices_beside_each_other_are_told_from_tilt():
    positions = np.array([[0, 0, 0], [0, 3, 2], [0, 0, 4], [0, 0, 6.0]])
    planes = np.zeros((4, 6, 8), np.int16)
    result = geometry.stack_planes(planes, positions, AXIAL, np.array([1.0, 1.0]), 0, -1000)
    assert result.warnings == ("slices up to 3.0 mm beside each other, undone by shifting them",)
    with pytest.raises(InputError, match="side by side at one height"):
        geometry.stack_planes(planes, positions * [1, 1, 0], AXIAL, np.array([1.0, 1.0]), 0, -1000)


@pytest.mark.parametrize("shape", ((2**10, 2**10, 2**10), (1, np.inf, 1), (np.nan, 1, 1)))
def test_absurd_volumes_are_refused(shape):
    with pytest.raises(InputError, match="voxels; expected at most 536870912"):
        geometry.check_voxels(shape, "it")


def test_frames_that_span_an_absurd_volume_are_refused():
    positions = np.array([[0, 0, 0], [0, 0, 0.05], [0, 0, 1e7]])
    with pytest.raises(InputError, match="voxels"):
        geometry.place_frames(np.ones((3, 9, 9), bool), positions, AXIAL, np.array([1.0, 1.0]), 2.0)


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


@pytest.mark.parametrize("spacing_mm", ((3.0, 0.9, 0.9), (1.1, 1.3, 0.7), (5.0, 2.0, 2.0)))
@pytest.mark.parametrize("degrees", (0.0, 12.0))
def test_a_mask_keeps_its_volume_on_another_grid(spacing_mm, degrees):
    """A ball of 9 mm radius, from 1 mm voxels to a shifted, turned and coarser grid."""
    source = geometry.Grid(np.array([-15.0, -15.0, -15.0]), AXIAL, np.ones(3), (31, 31, 31))
    ball = np.linalg.norm(source.to_mm(np.stack(np.indices(source.shape), axis=-1)), axis=-1) < 9
    turn = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    axes = geometry.plane_axes([turn[0], turn[1], 0, -turn[1], turn[0], 0])
    target = geometry.Grid(np.array([-20.3, -19.1, -21.7]), axes, np.array(spacing_mm), (40, 50, 60))
    placed = geometry.place_mask(ball, source, target)
    voxel_share = target.voxel_mm3 / ball.sum()
    assert placed.sum() * target.voxel_mm3 == pytest.approx(ball.sum(), rel=max(0.01, voxel_share / 2))
    center = target.to_mm(np.argwhere(placed)).mean(axis=0)
    assert np.abs(center).max() < 0.5
    farthest = np.linalg.norm(target.to_mm(np.argwhere(placed)), axis=1).max()
    assert farthest < 9 + np.linalg.norm(spacing_mm) / 2


def test_what_lies_beyond_the_target_is_not_made_up():
    target = geometry.Grid(np.zeros(3), AXIAL, np.ones(3), (8, 8, 8))
    source = geometry.Grid(np.array([-4.0, 0.0, 0.0]), AXIAL, np.ones(3), (8, 8, 8))
    assert geometry.place_mask(np.ones((8, 8, 8), bool), source, target).sum() == 8 * 8 * 4


def test_leaning_frames_stay_in_view():
    frames = np.zeros((3, 4, 5), bool)
    frames[:, 0, 0] = frames[:, 3, 4] = True
    positions = np.array([[0, 0, 0], [-2, 1, 2], [-4, 2, 4.0]])
    mask, grid, _ = geometry.place_frames(frames, positions, AXIAL, np.array([1.0, 1.0]), 2.0)
    assert mask.sum() == 6 and mask.shape == (3, 6, 9)
    wanted = [position + offset for position in positions for offset in ([0, 0, 0], [4, 3, 0])]
    assert np.allclose(grid.to_mm(np.argwhere(mask)), wanted)


def test_frames_in_any_order_with_gaps_and_repeats():
    frames = np.zeros((4, 3, 3), bool)
    frames[0, 0, 0] = frames[1, 1, 1] = frames[2, 2, 2] = frames[3, 0, 2] = True
    positions = np.array([[0, 0, 8.0], [0, 0, 0.0], [0, 0, 2.0], [0, 0, 8.0]])
    mask, grid, warnings = geometry.place_frames(frames, positions, AXIAL, np.array([1.0, 1.0]), 2.0)
    assert np.argwhere(mask).tolist() == [[0, 1, 1], [1, 2, 2], [4, 0, 0], [4, 0, 2]]
    assert grid.origin_mm.tolist() == [0, 0, 0] and grid.spacing_mm[0] == 2
    assert warnings == ("several segmentation frames at one place, united",)


@pytest.mark.parametrize("left_out", (range(0), range(30, 70), range(5, 100, 7)))
def test_rounded_frames_do_not_tear_the_mask(left_out):
    exact = np.delete(0.625 * np.arange(500), [*left_out, *range(100, 480)])  # Two nodules, far from each other.
    heights = np.round(exact, 2)
    positions = np.stack([np.zeros_like(heights), np.zeros_like(heights), heights], axis=1)
    frames = np.ones((len(heights), 2, 2), bool)
    order = np.random.default_rng(0).permutation(len(heights))
    mask, grid, warnings = geometry.place_frames(frames, positions[order], AXIAL, np.ones(2), 5.0)
    shown = np.flatnonzero(mask.any(axis=(1, 2)))
    assert shown.tolist() == np.round(exact / 0.625).astype(int).tolist() and warnings == ()
    assert grid.spacing_mm[0] == pytest.approx(0.625, abs=1e-4)
    assert np.abs(grid.origin_mm[2] + shown * grid.spacing_mm[0] - exact).max() <= 0.01


@pytest.mark.parametrize("orientation", ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, -1, 0]))
@pytest.mark.parametrize("beside_mm", (0.0, 1.9, -1.9))
def test_a_slice_without_thickness_is_the_nearest_of_the_target(orientation, beside_mm):
    target = geometry.Grid(np.array([0.0, 0.0, -40.0]), AXIAL, np.array([5.0, 1.0, 1.0]), (12, 20, 20))
    axes = geometry.plane_axes(orientation)
    frame = np.zeros((1, 20, 20), bool)
    frame[0, 4:9, 3:7] = True
    position = np.array([[0.0, 0.0 if axes[1, 1] > 0 else 19.0, -40 + 5 * 7 + beside_mm]])
    mask, grid, warnings = geometry.place_frames(frame, position, axes, np.ones(2), None)
    placed = geometry.place_mask(mask, grid, target)
    assert np.array_equal(placed[7], frame[0] if axes[1, 1] > 0 else frame[0, ::-1]) and placed.sum() == 20
    assert warnings == (geometry.UNTOLD,) and "volume cannot be known" in geometry.UNTOLD
    above = position + [0.0, 0.0, 60.0]
    assert not geometry.place_mask(*geometry.place_frames(frame, above, axes, np.ones(2), None)[:2], target).any()


def test_the_largest_component_is_kept():
    mask = np.zeros((5, 5, 5), bool)
    mask[0, 0, :3] = mask[4, 4, 4] = True
    largest, others = geometry.largest_component(mask)
    assert largest.sum() == 3 and others == [1]
