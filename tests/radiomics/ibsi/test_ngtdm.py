"""Grey tone difference features against loops, by hand, and on regions without texture."""

import collections

import numpy as np
import pytest
import textures

from radiogenomics.radiomics.ibsi import ngtdm

pytestmark = pytest.mark.filterwarnings("error")


def count(part, offsets):
    """Counter {(level, "n"): voxels with a neighbour, (level, "s"): summed differences}."""
    tones = collections.Counter()
    for place, level in textures.list_voxels(part):
        around = [level for level in (textures.look(part, place, offset) for offset in offsets) if level]
        if around:
            tones[level, "n"] += 1
            tones[level, "s"] += abs(level - np.mean(around))
    return tones


def evaluate(tones, voxels):
    """The 5 features by their definitions, term by term."""
    present = sorted({level for level, _ in tones})
    n = np.array([tones[level, "n"] for level in present], float)
    s = np.array([tones[level, "s"] for level in present])
    i, p, total, pairs = np.array(present, float), n / n.sum(), n.sum(), range(len(present))

    def add(function):
        return sum(function(a, b) for a in pairs for b in pairs)

    def divide(top, bottom):
        return top / bottom if bottom > 1e-12 else np.nan

    return [
        divide(1, p @ s),
        divide(add(lambda a, b: p[a] * p[b] * (i[a] - i[b]) ** 2) * s.sum(), len(i) * (len(i) - 1) * total),
        divide(p @ s, add(lambda a, b: abs(i[a] * p[a] - i[b] * p[b]))),
        add(lambda a, b: abs(i[a] - i[b]) * (p[a] * s[a] + p[b] * s[b]) / (p[a] + p[b])) / total,
        divide(add(lambda a, b: (p[a] + p[b]) * (i[a] - i[b]) ** 2), s.sum()),
    ]


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
@pytest.mark.parametrize("highest", [(3, 5, 4, 7), (1, 40, 2, 300)])
def test_equals_loops(aggregation, highest):
    levels, level_count = textures.make_regions(highest=highest)
    levels[2, :2] = 0
    levels[2, 0, 0, 0] = 1  # a slice without a pair of neighbours
    slow = [textures.measure_slowly(region, aggregation, count, evaluate, False) for region in levels]
    np.testing.assert_allclose(ngtdm.measure(levels, level_count, aggregation), slow, rtol=1e-9, atol=1e-12)


def test_by_hand():
    levels = np.array([[[[1, 3]]]], np.int32)  # n = 1, 1; s = 2, 2; p = 1 / 2
    values = ngtdm.measure(levels, np.array([3]), "3D")[0]
    # 1 / 2; (2 / 4 * 4 / 2) * (4 / 2); 2 / (2 * (3 / 2 - 1 / 2)); 2 * 2 * 2 / 2; 2 * 4 / 4
    np.testing.assert_allclose(values, [0.5, 2.0, 1.0, 4.0, 2.0])


@pytest.mark.parametrize("aggregation", textures.UNDIRECTED)
def test_without_texture(aggregation):
    levels = np.zeros((3, 2, 3, 3), np.int32)
    levels[1, 0, 1, 1] = 2  # a voxel without a neighbour
    levels[2, :, 1:, 1:] = 7  # one grey level: no difference, complexity 0
    values = ngtdm.measure(levels, np.array([7, 7, 7]), aggregation)
    assert np.isnan(values[:2]).all()
    np.testing.assert_array_equal(values[2], [np.nan, np.nan, np.nan, 0.0, np.nan])
    assert np.isnan(ngtdm.measure(levels[:1], np.array([7]), aggregation)).all()
