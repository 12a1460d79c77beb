"""Grey level run length matrix (IBSI TP0I): 16 features of runs of equal grey level along a direction.

Formulas in `emphasis`. A region without a voxel gives NaN; every other value is defined.
"""

import numpy as np

from radiogenomics.radiomics.ibsi import aggregation as aggregations
from radiogenomics.radiomics.ibsi import directions, emphasis
from radiogenomics.radiomics.ibsi.definition import Feature

FEATURES = (
    Feature("glrlm_short_runs_emphasis", "22OV", "", emphasis.small_emphasis),
    Feature("glrlm_long_runs_emphasis", "W4KF", "", emphasis.large_emphasis),
    Feature("glrlm_low_grey_level_run_emphasis", "V3SW", "", emphasis.low_level_emphasis),
    Feature("glrlm_high_grey_level_run_emphasis", "G3QZ", "", emphasis.high_level_emphasis),
    Feature("glrlm_short_run_low_grey_level_emphasis", "HTZT", "", emphasis.small_low_emphasis),
    Feature("glrlm_short_run_high_grey_level_emphasis", "GD3A", "", emphasis.small_high_emphasis),
    Feature("glrlm_long_run_low_grey_level_emphasis", "IVPO", "", emphasis.large_low_emphasis),
    Feature("glrlm_long_run_high_grey_level_emphasis", "3KUM", "", emphasis.large_high_emphasis),
    Feature("glrlm_grey_level_non_uniformity", "R5YN", "", emphasis.level_non_uniformity),
    Feature("glrlm_normalised_grey_level_non_uniformity", "OVBL", "", emphasis.normalised_level_non_uniformity),
    Feature("glrlm_run_length_non_uniformity", "W92Y", "", emphasis.size_non_uniformity),
    Feature("glrlm_normalised_run_length_non_uniformity", "IC23", "", emphasis.normalised_size_non_uniformity),
    Feature("glrlm_run_percentage", "9ZK5", "", emphasis.percentage),
    Feature("glrlm_grey_level_variance", "8CE5", "", emphasis.level_variance),
    Feature("glrlm_run_length_variance", "SXLW", "", emphasis.size_variance),
    Feature("glrlm_run_entropy", "HJ9O", "", emphasis.entropy),
)


def find_long_runs(layout, inside, step):
    """Flat positions of the first voxel, and lengths, of the runs of two voxels and more along a flat step."""
    flat = layout.flat
    active = np.flatnonzero((flat[:-step] == flat[step:]) & inside[:-step])
    active = active[flat[active - step] != flat[active]]
    found, length = [], 2
    while active.size:
        goes_on = flat[active + length * step] == flat[active]
        ended = active[~goes_on]
        found.append((ended, np.full(len(ended), length)))
        active, length = active[goes_on], length + 1
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def count_runs(layout, groups, steps, by_direction):
    """Counts of runs [K, D, G, U] (D is 1 where directions are merged), and their lengths [U]."""
    inside = layout.flat > 0
    runs = [find_long_runs(layout, inside, step) for step in steps]
    first, length = (np.concatenate(parts) for parts in zip(*runs, strict=True))
    slots = len(steps) if by_direction else 1
    matrix = groups.find(first) * slots
    if by_direction:
        matrix += np.repeat(np.arange(slots), [len(starts) for starts, _ in runs])
    parts = len(groups.owner)
    counts, lengths = emphasis.tabulate(matrix, layout.flat[first] - 1, length, parts * slots, layout.depth)
    counts = counts.reshape(parts, slots, layout.depth, len(lengths))
    key = groups.of_voxels() * layout.depth + layout.values
    voxels = np.bincount(key, minlength=parts * layout.depth).reshape(parts, 1, layout.depth)
    singles = voxels * (len(steps) // slots) - counts @ lengths  # a voxel in no longer run is a run of its own
    return np.concatenate([singles[..., None], counts], axis=-1), np.concatenate([[1], lengths])


def measure(levels, level_count, aggregation):
    """GLRLM features [N, 16] of grey levels [N, Z, Y, X]: 0 outside, 1..level_count[n] inside; level_count [N].

    NaN for an empty region. InputError: levels out of range or an unknown aggregation.
    """
    way = aggregations.parse(aggregation)
    layout = directions.lay_out(levels, level_count, way.planar)
    groups = directions.group(layout, way.by_slice)
    steps = [directions.step(layout, direction) for direction in way.directions]
    counts, lengths = count_runs(layout, groups, steps, way.by_direction)
    slots = counts.shape[1]
    voxels = groups.voxels[:, None] * np.full(slots, len(steps) // slots)
    values = emphasis.evaluate(emphasis.describe(counts, layout.levels, lengths, voxels), FEATURES)
    return aggregations.average(values.reshape(-1, len(FEATURES)), np.repeat(groups.owner, slots), len(levels))
