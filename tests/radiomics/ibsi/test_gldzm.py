"""Distance zone features against loops, by hand, and on regions without texture."""

import collections
import itertools

import numpy as np
import pytest
import textures

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi import gldzm

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("gldzm_") for feature in gldzm.FEATURES]


def measure_distance(mask, place, planar):
    """Least number of face steps from a place to any place outside the mask, beyond the array included."""
    ranges = [range(-1, size + 1) for size in mask.shape]
    outside = [
        sum(abs(a - b) for a, b in zip(place, other, strict=True)) for other in itertools.product(*ranges)
        if not textures.look(mask, other, (0, 0, 0)) and not (planar and other[0] != place[0])
    ]
    return min(outside)


def make_count(mask, planar):
    def count(part, offsets):
        zones = textures.flood(part, offsets)
        return collections.Counter(
            (part[zone[0]], min(measure_distance(mask, place, planar) for place in zone)) for zone in zones)

    return count


def evaluate(zones, voxels):
    return textures.evaluate_items(zones, voxels)[:16]


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
def test_equals_loops(aggregation):
    levels, level_count = textures.make_regions(shape=(2, 5, 6, 6), highest=(4, 9))
    filled = np.random.default_rng(5).random(levels.shape) < 0.9  # the morphological mask has fewer holes
    mask = (levels > 0) | filled
    slow = [
        textures.measure_slowly(region, aggregation, make_count(hull, aggregation != "3D"), evaluate, False)
        for region, hull in zip(levels, mask, strict=True)
    ]
    np.testing.assert_allclose(gldzm.measure(levels, mask, level_count, aggregation), slow, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("aggregation, nearest", [("2D", 3), ("2.5D", 3), ("3D", 1)])
def test_by_hand(aggregation, nearest):
    levels = np.ones((1, 1, 5, 5), np.int32)
    levels[0, 0, 2, 2] = 2  # one pixel in the centre, three steps from outside the array; one step along z
    values = gldzm.measure(levels, levels > 0, np.array([2]), aggregation)[0]
    values = dict(zip(NAMES, values, strict=True))
    assert values["large_distance_emphasis"] == pytest.approx((1 + nearest**2) / 2)
    assert values["large_distance_high_grey_level_emphasis"] == pytest.approx((1 + 4 * nearest**2) / 2)
    assert values["zone_percentage"] == pytest.approx(2 / 25)


def test_distances_are_to_the_edge_of_the_mask():
    levels = np.zeros((1, 1, 7, 7), np.int32)
    levels[0, 0, 3, 3] = 1
    mask = np.zeros(levels.shape, bool)
    mask[0, 0, 1:6, 1:6] = True
    column = NAMES.index("large_distance_emphasis")
    assert gldzm.measure(levels, mask, np.array([1]), "2D")[0, column] == 9.0
    assert gldzm.measure(levels, levels > 0, np.array([1]), "2D")[0, column] == 1.0


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
def test_degenerate_regions(aggregation):
    levels = np.zeros((2, 2, 3, 3), np.int32)
    levels[1, 0, 2, 2] = 5
    values = gldzm.measure(levels, levels > 0, np.array([5, 5]), aggregation)
    assert np.isnan(values[0]).all()
    np.testing.assert_allclose(values[1], evaluate(collections.Counter({(5, 1): 1}), 1), atol=1e-12)
    assert np.isnan(gldzm.measure(levels[:1], levels[:1] > 0, np.array([5]), aggregation)).all()


def test_a_mask_must_hold_the_region():
    levels = np.ones((1, 1, 3, 3), np.int32)
    with pytest.raises(InputError, match="outside the mask"):
        gldzm.measure(levels, np.arange(9).reshape(levels.shape) > 0, np.array([1]), "2D")
    with pytest.raises(InputError, match="expected bool of shape"):
        gldzm.measure(levels, levels, np.array([1]), "2D")
