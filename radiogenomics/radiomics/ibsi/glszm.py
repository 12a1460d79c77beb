"""Grey level size zone matrix (IBSI 9SAK): 16 features of connected zones of equal grey level.

Neighbours share a face, an edge or a corner. Formulas in `emphasis`. A region without a voxel gives NaN; every other
value is defined.
"""

import dataclasses

import numpy as np
from skimage.measure import label

from radiogenomics.radiomics.ibsi import aggregation as aggregations
from radiogenomics.radiomics.ibsi import directions, emphasis
from radiogenomics.radiomics.ibsi.definition import Feature

FEATURES = (
    Feature("glszm_small_zone_emphasis", "5QRC", "", emphasis.small_emphasis),
    Feature("glszm_large_zone_emphasis", "48P8", "", emphasis.large_emphasis),
    Feature("glszm_low_grey_level_zone_emphasis", "XMSY", "", emphasis.low_level_emphasis),
    Feature("glszm_high_grey_level_zone_emphasis", "5GN9", "", emphasis.high_level_emphasis),
    Feature("glszm_small_zone_low_grey_level_emphasis", "5RAI", "", emphasis.small_low_emphasis),
    Feature("glszm_small_zone_high_grey_level_emphasis", "HW1V", "", emphasis.small_high_emphasis),
    Feature("glszm_large_zone_low_grey_level_emphasis", "YH51", "", emphasis.large_low_emphasis),
    Feature("glszm_large_zone_high_grey_level_emphasis", "J17V", "", emphasis.large_high_emphasis),
    Feature("glszm_grey_level_non_uniformity", "JNSA", "", emphasis.level_non_uniformity),
    Feature("glszm_normalised_grey_level_non_uniformity", "Y1RO", "", emphasis.normalised_level_non_uniformity),
    Feature("glszm_zone_size_non_uniformity", "4JP3", "", emphasis.size_non_uniformity),
    Feature("glszm_normalised_zone_size_non_uniformity", "VB3A", "", emphasis.normalised_size_non_uniformity),
    Feature("glszm_zone_percentage", "P30P", "", emphasis.percentage),
    Feature("glszm_grey_level_variance", "BYLV", "", emphasis.level_variance),
    Feature("glszm_zone_size_variance", "3NSA", "", emphasis.size_variance),
    Feature("glszm_zone_size_entropy", "GU8N", "", emphasis.entropy),
)


@dataclasses.dataclass(frozen=True)
class Zones:
    """Connected zones of equal grey level of a Layout."""

    of_voxel: np.ndarray  # [V] zone, 0.., of each voxel of the layout
    sizes: np.ndarray  # [zones] voxels
    levels: np.ndarray  # [zones] level of the layout - 1
    positions: np.ndarray  # [zones] flat position of one voxel


def find_zones(layout, planar):
    """Zones of a Layout: 8-connected within slices, or 26-connected."""
    count, depth, height, width = layout.shape
    # The margins of the layout keep stacked slices, or regions, from touching.
    stack = layout.flat.reshape((count * depth * height, width) if planar else (count * depth, height, width))
    of_voxel = label(stack, background=0, connectivity=stack.ndim).reshape(-1)[layout.voxels] - 1
    sizes = np.bincount(of_voxel)
    positions = np.empty(len(sizes), np.int64)
    positions[of_voxel] = layout.voxels
    return Zones(of_voxel, sizes, layout.flat[positions] - 1, positions)


def measure(levels, level_count, aggregation):
    """GLSZM features [N, 16] of grey levels [N, Z, Y, X]: 0 outside, 1..level_count[n] inside; level_count [N].

    NaN for an empty region. InputError: levels out of range or an unknown aggregation.
    """
    way = aggregations.parse_undirected(aggregation)
    layout = directions.lay_out(levels, level_count, way.planar)
    groups = directions.group(layout, way.by_slice)
    zones = find_zones(layout, way.planar)
    items = groups.find(zones.positions), zones.levels, zones.sizes
    return emphasis.measure(items, layout, groups, FEATURES, len(levels))
