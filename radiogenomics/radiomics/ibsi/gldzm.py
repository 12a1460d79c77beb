"""Grey level distance zone matrix (IBSI VMDZ): 16 features of zones of equal grey level and their distance to the edge.

The distance of a zone is the least number of steps, to face neighbours, from one of its voxels out of the morphological
mask: 1 at the edge. The border of the array counts as outside. Zones as in `glszm`, formulas in `emphasis`.
A region without a voxel gives NaN; every other value is defined.
"""

import numpy as np
from scipy import ndimage

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi import aggregation as aggregations
from radiogenomics.radiomics.ibsi import directions, emphasis
from radiogenomics.radiomics.ibsi.definition import Feature
from radiogenomics.radiomics.ibsi.glszm import find_zones

FEATURES = (
    Feature("gldzm_small_distance_emphasis", "0GBI", "", emphasis.small_emphasis),
    Feature("gldzm_large_distance_emphasis", "MB4I", "", emphasis.large_emphasis),
    Feature("gldzm_low_grey_level_zone_emphasis", "S1RA", "", emphasis.low_level_emphasis),
    Feature("gldzm_high_grey_level_zone_emphasis", "K26C", "", emphasis.high_level_emphasis),
    Feature("gldzm_small_distance_low_grey_level_emphasis", "RUVG", "", emphasis.small_low_emphasis),
    Feature("gldzm_small_distance_high_grey_level_emphasis", "DKNJ", "", emphasis.small_high_emphasis),
    Feature("gldzm_large_distance_low_grey_level_emphasis", "A7WM", "", emphasis.large_low_emphasis),
    Feature("gldzm_large_distance_high_grey_level_emphasis", "KLTH", "", emphasis.large_high_emphasis),
    Feature("gldzm_grey_level_non_uniformity", "VFT7", "", emphasis.level_non_uniformity),
    Feature("gldzm_normalised_grey_level_non_uniformity", "7HP3", "", emphasis.normalised_level_non_uniformity),
    Feature("gldzm_zone_distance_non_uniformity", "V294", "", emphasis.size_non_uniformity),
    Feature("gldzm_normalised_zone_distance_non_uniformity", "IATH", "", emphasis.normalised_size_non_uniformity),
    Feature("gldzm_zone_percentage", "VIWW", "", emphasis.percentage),
    Feature("gldzm_grey_level_variance", "QK93", "", emphasis.level_variance),
    Feature("gldzm_zone_distance_variance", "7WT1", "", emphasis.size_variance),
    Feature("gldzm_zone_distance_entropy", "GBDU", "", emphasis.entropy),
)


def measure_distances(mask, planar):
    """Steps [N, Z, Y, X] through faces from each voxel of a mask [N, Z, Y, X] out of it; within slices if `planar`."""
    box = (slice(None), *directions.find_box(mask))
    padded = directions.pad(mask[box], planar)
    count, depth, height, width = padded.shape
    stack = padded.reshape((count * depth * height, width) if planar else (count * depth, height, width))
    steps = ndimage.distance_transform_cdt(stack, metric="taxicab").reshape(padded.shape)
    distances = np.zeros(mask.shape, np.int32)
    distances[box] = steps[:, :, 1:-1, 1:-1] if planar else steps[:, 1:-1, 1:-1, 1:-1]
    return distances


def measure(levels, mask, level_count, aggregation):
    """GLDZM features [N, 16] of grey levels [N, Z, Y, X]: 0 outside, 1..level_count[n] inside; level_count [N].

    `mask` [N, Z, Y, X], bool, is the morphological mask, which holds the region. NaN for an empty region.
    InputError: levels out of range, a region outside its mask or an unknown aggregation.
    """
    way = aggregations.parse_undirected(aggregation)
    layout = directions.lay_out(levels, level_count, way.planar)
    if mask.shape != levels.shape or mask.dtype != bool:
        raise InputError(f"mask: found {mask.dtype} of shape {mask.shape}, expected bool of shape {levels.shape}.")
    distances = measure_distances(mask, way.planar)[(slice(None), *layout.box)]
    distances = directions.pad(distances, way.planar).reshape(-1)[layout.voxels]
    if not distances.all():
        raise InputError("mask: found a grey level outside the mask, expected a mask that holds the region.")
    groups = directions.group(layout, way.by_slice)
    zones = find_zones(layout, way.planar)
    nearest = np.full(len(zones.sizes), np.iinfo(np.int32).max, np.int32)
    np.minimum.at(nearest, zones.of_voxel, distances)
    items = groups.find(zones.positions), zones.levels, nearest
    return emphasis.measure(items, layout, groups, FEATURES, len(levels))
