"""Neighbouring grey level dependence matrix (IBSI REK0): 17 features of the neighbours that share a voxel's grey level.

The dependence count of a voxel is 1 plus the number of its neighbours (Chebyshev distance 1) of the same grey level
(coarseness 0). Formulas in `emphasis`. A region without a voxel gives NaN; every other value is defined.
"""

import numpy as np

from radiogenomics.radiomics.ibsi import aggregation as aggregations
from radiogenomics.radiomics.ibsi import directions, emphasis
from radiogenomics.radiomics.ibsi.definition import Feature

FEATURES = (
    Feature("ngldm_low_dependence_emphasis", "SODN", "", emphasis.small_emphasis),
    Feature("ngldm_high_dependence_emphasis", "IMOQ", "", emphasis.large_emphasis),
    Feature("ngldm_low_grey_level_count_emphasis", "TL9H", "", emphasis.low_level_emphasis),
    Feature("ngldm_high_grey_level_count_emphasis", "OAE7", "", emphasis.high_level_emphasis),
    Feature("ngldm_low_dependence_low_grey_level_emphasis", "EQ3F", "", emphasis.small_low_emphasis),
    Feature("ngldm_low_dependence_high_grey_level_emphasis", "JA6D", "", emphasis.small_high_emphasis),
    Feature("ngldm_high_dependence_low_grey_level_emphasis", "NBZI", "", emphasis.large_low_emphasis),
    Feature("ngldm_high_dependence_high_grey_level_emphasis", "9QMG", "", emphasis.large_high_emphasis),
    Feature("ngldm_grey_level_non_uniformity", "FP8K", "", emphasis.level_non_uniformity),
    Feature("ngldm_normalised_grey_level_non_uniformity", "5SPA", "", emphasis.normalised_level_non_uniformity),
    Feature("ngldm_dependence_count_non_uniformity", "Z87G", "", emphasis.size_non_uniformity),
    Feature("ngldm_normalised_dependence_count_non_uniformity", "OKJI", "", emphasis.normalised_size_non_uniformity),
    Feature("ngldm_dependence_count_percentage", "6XV8", "", emphasis.percentage),
    Feature("ngldm_grey_level_variance", "1PFV", "", emphasis.level_variance),
    Feature("ngldm_dependence_count_variance", "DNX2", "", emphasis.size_variance),
    Feature("ngldm_dependence_count_entropy", "FCBV", "", emphasis.entropy),
    Feature("ngldm_dependence_count_energy", "CAS9", "", emphasis.energy),
)


def count_dependences(layout, steps):
    """Dependence counts [V] of a Layout: 1 plus the neighbours of equal level along the steps and back."""
    counts = np.ones(layout.flat.shape, np.uint8)
    for step in steps:
        equal = layout.flat[:-step] == layout.flat[step:]
        counts[:-step] += equal
        counts[step:] += equal
    return counts[layout.voxels]


def measure(levels, level_count, aggregation):
    """NGLDM features [N, 17] of grey levels [N, Z, Y, X]: 0 outside, 1..level_count[n] inside; level_count [N].

    NaN for an empty region. InputError: levels out of range or an unknown aggregation.
    """
    way = aggregations.parse_undirected(aggregation)
    layout = directions.lay_out(levels, level_count, way.planar)
    groups = directions.group(layout, way.by_slice)
    dependences = count_dependences(layout, [directions.step(layout, direction) for direction in way.directions])
    items = groups.of_voxels(), layout.values, dependences
    return emphasis.measure(items, layout, groups, FEATURES, len(levels))
