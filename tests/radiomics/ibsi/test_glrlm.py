"""Run length features against loops, by hand, and on regions without texture."""

import collections

import numpy as np
import pytest
import textures

from radiogenomics.radiomics.ibsi import glrlm

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("glrlm_") for feature in glrlm.FEATURES]


def count(part, offsets):
    runs = collections.Counter()
    for place, level in textures.list_voxels(part):
        for offset in offsets:
            if textures.look(part, place, offset, -1) == level:
                continue
            length = 1
            while textures.look(part, place, offset, length) == level:
                length += 1
            runs[level, length] += 1
    return runs


def evaluate(runs, voxels):
    return textures.evaluate_items(runs, voxels)[:16]


@pytest.mark.parametrize("aggregation", textures.DIRECTED)
def test_equals_loops(aggregation):
    levels, level_count = textures.make_regions(highest=(1, 2, 3, 9))
    slow = [textures.measure_slowly(region, aggregation, count, evaluate) for region in levels]
    np.testing.assert_allclose(glrlm.measure(levels, level_count, aggregation), slow, rtol=1e-9, atol=1e-12)


def test_percentage_counts_the_voxels_once_for_each_merged_direction():
    levels, level_count = textures.make_regions(highest=(2, 3, 3, 3))
    column = NAMES.index("run_percentage")
    for space in ("2.5D, direction-merged", "2.5D, merged"), ("3D, averaged", "3D, merged"):
        apart, merged = (glrlm.measure(levels, level_count, way)[:, column] for way in space)
        np.testing.assert_allclose(apart, merged)


def test_by_hand():
    levels = np.array([[[[2, 2, 2, 0, 2, 1]]]], np.int32)  # along x runs of 3, 1 and 1, else three times 5 runs of 1
    values = dict(zip(NAMES, glrlm.measure(levels, np.array([2]), "2D, slice-merged")[0], strict=True))
    expected = {
        "short_runs_emphasis": (2 + 1 / 9 + 15) / 18, "long_runs_emphasis": (2 + 9 + 15) / 18,
        "run_percentage": 18 / 20,
        "high_grey_level_run_emphasis": (14 * 4 + 4) / 18, "run_length_non_uniformity": (17**2 + 1) / 18,
        "long_run_high_grey_level_emphasis": (36 + 13 * 4 + 4) / 18,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("aggregation", textures.DIRECTED)
def test_degenerate_regions(aggregation):
    levels = np.zeros((2, 2, 3, 3), np.int32)
    levels[1, 0, 2, 2] = 5
    values = glrlm.measure(levels, np.array([5, 5]), aggregation)
    assert np.isnan(values[0]).all()
    slow = textures.measure_slowly(levels[1], aggregation, count, evaluate)
    np.testing.assert_allclose(values[1], slow, atol=1e-12)
    assert values[1, NAMES.index("run_percentage")] == 1.0
    assert np.isnan(glrlm.measure(levels[:1], np.array([5]), aggregation)).all()
