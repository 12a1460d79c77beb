"""Dependence features against loops, by hand, and on regions without texture."""

import collections

import numpy as np
import pytest
import textures

from radiogenomics.radiomics.ibsi import ngldm

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("ngldm_") for feature in ngldm.FEATURES]


def count(part, offsets):
    return collections.Counter(
        (level, 1 + sum(textures.look(part, place, offset) == level for offset in offsets))
        for place, level in textures.list_voxels(part)
    )


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
@pytest.mark.parametrize("highest", [(3, 5, 4, 7), (1, 2, 1, 300)])
def test_equals_loops(aggregation, highest):
    levels, level_count = textures.make_regions(highest=highest)
    slow = [textures.measure_slowly(region, aggregation, count, textures.evaluate_items, False) for region in levels]
    np.testing.assert_allclose(ngldm.measure(levels, level_count, aggregation), slow, rtol=1e-9, atol=1e-12)


def test_by_hand():
    levels = np.array([[[[1, 1], [2, 1]]]], np.int32)  # dependences 3, 3, 3 of level 1 and 1 of level 2
    values = dict(zip(NAMES, ngldm.measure(levels, np.array([2]), "3D")[0], strict=True))
    expected = {
        "low_dependence_emphasis": (3 / 9 + 1) / 4, "high_dependence_emphasis": 28 / 4,
        "dependence_count_energy": (9 + 1) / 16, "dependence_count_percentage": 1.0,
        "high_dependence_low_grey_level_emphasis": (27 + 0.25) / 4,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
def test_degenerate_regions(aggregation):
    levels = np.zeros((2, 2, 3, 3), np.int32)
    levels[1, 0, 2, 2] = 5
    values = ngldm.measure(levels, np.array([5, 5]), aggregation)
    assert np.isnan(values[0]).all()
    np.testing.assert_allclose(values[1], textures.evaluate_items(collections.Counter({(5, 1): 1}), 1), atol=1e-12)
    assert np.isnan(ngldm.measure(levels[:1], np.array([5]), aggregation)).all()
