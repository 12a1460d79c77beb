"""Size zone features against loops, by hand, and on regions without texture."""

import collections

import numpy as np
import pytest
import textures

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi import glszm

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("glszm_") for feature in glszm.FEATURES]


def count(part, offsets):
    return collections.Counter((part[zone[0]], len(zone)) for zone in textures.flood(part, offsets))


def evaluate(zones, voxels):
    return textures.evaluate_items(zones, voxels)[:16]


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
@pytest.mark.parametrize("highest", [(3, 5, 4, 7), (1, 2, 1, 2)])
def test_equals_loops(aggregation, highest):
    levels, level_count = textures.make_regions(highest=highest)
    slow = [textures.measure_slowly(region, aggregation, count, evaluate, False) for region in levels]
    np.testing.assert_allclose(glszm.measure(levels, level_count, aggregation), slow, rtol=1e-9, atol=1e-12)


def test_by_hand():
    levels = np.array([[[[1, 2, 0], [2, 1, 0], [0, 0, 2]]]], np.int32)  # corners join: zones of 2, 2 and 1 pixels
    values = dict(zip(NAMES, glszm.measure(levels, np.array([2]), "2D, averaged")[0], strict=True))
    expected = {
        "small_zone_emphasis": (0.25 + 0.25 + 1) / 3, "large_zone_emphasis": 3.0, "zone_percentage": 3 / 5,
        "grey_level_non_uniformity": 5 / 3, "zone_size_entropy": np.log2(3), "low_grey_level_zone_emphasis": 0.5,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
def test_full_arrays_do_not_join(aggregation):
    """Regions and slices that fill the array touch in memory, not in the image."""
    levels = np.full((3, 2, 4, 4), 2, np.int32)
    values = glszm.measure(levels, np.array([2, 2, 2]), aggregation)
    size = 32 if aggregation == "3D" else 16
    np.testing.assert_allclose(values[:, NAMES.index("large_zone_emphasis")], size**2)


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
def test_degenerate_regions(aggregation):
    levels = np.zeros((2, 2, 3, 3), np.int32)
    levels[1, 0, 2, 2] = 5
    values = glszm.measure(levels, np.array([5, 5]), aggregation)
    assert np.isnan(values[0]).all()
    np.testing.assert_allclose(values[1], evaluate(collections.Counter({(5, 1): 1}), 1), atol=1e-12)
    assert np.isnan(glszm.measure(levels[:1], np.array([5]), aggregation)).all()


def test_only_the_part_before_the_comma_counts():
    levels, level_count = textures.make_regions()
    for text in textures.DIRECTED:
        plain = glszm.measure(levels, level_count, text.split(",")[0])
        np.testing.assert_array_equal(glszm.measure(levels, level_count, text), plain)
    with pytest.raises(InputError, match="found '3D, mixed', expected one of '2D', '2.5D', '3D'"):
        glszm.measure(levels, level_count, "3D, mixed")
