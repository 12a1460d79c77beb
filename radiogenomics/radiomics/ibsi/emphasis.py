"""The formulas that run length, size zone, distance zone and dependence matrices share.

A matrix counts items (runs, zones, zones, voxels) by grey level g and by size s (run length, zone size, zone distance,
dependence count). Only the sizes that occur have a column: zones may hold thousands of voxels.
N is the number of items, p(g, s) the share of one cell, N_v the number of voxels. Codes stand in the order of the
four matrices.
"""

import dataclasses

import numpy as np

from radiogenomics.radiomics.ibsi import aggregation as aggregations


@dataclasses.dataclass(frozen=True)
class Table:
    """Matrices of counts and what the formulas share; made by `describe`."""

    counts: np.ndarray  # [..., G, U] items, not all 0
    levels: np.ndarray  # [G]
    sizes: np.ndarray  # [U]
    voxels: np.ndarray  # [...] N_v: voxels that the items are made of
    by_level: np.ndarray  # [..., G] items
    by_size: np.ndarray  # [..., U] items
    small: np.ndarray  # [..., G] items over s^2
    large: np.ndarray  # [..., G] items times s^2
    total: np.ndarray  # [...] N


def tabulate(matrix, level, size, matrix_count, level_count):
    """Counts [K, G, U] of items by matrix (0..K-1), level (0..G-1) and size (> 0), and the sizes [U] that occur."""
    occurs = np.bincount(size) > 0
    sizes = np.flatnonzero(occurs)
    column = (np.cumsum(occurs) - 1)[size]
    shape = (matrix_count, level_count, len(sizes))
    key = (matrix * level_count + level) * len(sizes) + column
    return np.bincount(key, minlength=np.prod(shape)).reshape(shape), sizes


def describe(counts, levels, sizes, voxels):
    """Table of counts [..., G, U] for grey levels [G], sizes [U] and numbers of voxels [...]."""
    counts, sizes = np.asarray(counts, np.float64), np.asarray(sizes, np.float64)
    moments = counts @ np.stack([np.ones_like(sizes), 1 / sizes**2, sizes**2], axis=-1)
    by_level = moments[..., 0]
    return Table(
        counts=counts, levels=np.asarray(levels, np.float64), sizes=sizes, voxels=voxels,
        by_level=by_level, by_size=counts.sum(axis=-2),
        small=moments[..., 1], large=moments[..., 2], total=by_level.sum(axis=-1),
    )


def small_emphasis(table):
    """Mean of 1 / s^2 over the items (IBSI 22OV, 5QRC, 0GBI, SODN)."""
    return table.small.sum(axis=-1) / table.total


def large_emphasis(table):
    """Mean of s^2 over the items (IBSI W4KF, 48P8, MB4I, IMOQ)."""
    return table.large.sum(axis=-1) / table.total


def low_level_emphasis(table):
    """Mean of 1 / g^2 over the items (IBSI V3SW, XMSY, S1RA, TL9H)."""
    return table.by_level @ table.levels**-2 / table.total


def high_level_emphasis(table):
    """Mean of g^2 over the items (IBSI G3QZ, 5GN9, K26C, OAE7)."""
    return table.by_level @ table.levels**2 / table.total


def small_low_emphasis(table):
    """Mean of 1 / (g^2 s^2) over the items (IBSI HTZT, 5RAI, RUVG, EQ3F)."""
    return table.small @ table.levels**-2 / table.total


def small_high_emphasis(table):
    """Mean of g^2 / s^2 over the items (IBSI GD3A, HW1V, DKNJ, JA6D)."""
    return table.small @ table.levels**2 / table.total


def large_low_emphasis(table):
    """Mean of s^2 / g^2 over the items (IBSI IVPO, YH51, A7WM, NBZI)."""
    return table.large @ table.levels**-2 / table.total


def large_high_emphasis(table):
    """Mean of g^2 s^2 over the items (IBSI 3KUM, J17V, KLTH, 9QMG)."""
    return table.large @ table.levels**2 / table.total


def level_non_uniformity(table):
    """Sum over grey levels of the squared number of items, over N (IBSI R5YN, JNSA, VFT7, FP8K)."""
    return (table.by_level**2).sum(axis=-1) / table.total


def normalised_level_non_uniformity(table):
    """Sum over grey levels of the squared number of items, over N^2 (IBSI OVBL, Y1RO, 7HP3, 5SPA)."""
    return (table.by_level**2).sum(axis=-1) / table.total**2


def size_non_uniformity(table):
    """Sum over sizes of the squared number of items, over N (IBSI W92Y, 4JP3, V294, Z87G)."""
    return (table.by_size**2).sum(axis=-1) / table.total


def normalised_size_non_uniformity(table):
    """Sum over sizes of the squared number of items, over N^2 (IBSI IC23, VB3A, IATH, OKJI)."""
    return (table.by_size**2).sum(axis=-1) / table.total**2


def percentage(table):
    """N / N_v, where a voxel counts once for each merged direction (IBSI 9ZK5, P30P, VIWW, 6XV8)."""
    return table.total / table.voxels


def _measure_variance(items, values, total):
    """Variance [...] of values [U] that occur `items` [..., U] times."""
    mean = items @ values / total
    return (items * (values - mean[..., None]) ** 2).sum(axis=-1) / total


def level_variance(table):
    """Variance of g over the items (IBSI 8CE5, BYLV, QK93, 1PFV)."""
    return _measure_variance(table.by_level, table.levels, table.total)


def size_variance(table):
    """Variance of s over the items (IBSI SXLW, 3NSA, 7WT1, DNX2)."""
    return _measure_variance(table.by_size, table.sizes, table.total)


def entropy(table):
    """Minus the sum of p(g, s) log2 p(g, s) over grey levels and sizes, in bits (IBSI HJ9O, GU8N, GBDU, FCBV)."""
    logarithms = table.counts * np.log2(np.maximum(table.counts, 1))
    return np.log2(table.total) - logarithms.sum(axis=(-2, -1)) / table.total


def energy(table):
    """Sum of p(g, s)^2 over grey levels and sizes (IBSI CAS9; the other matrices have no such feature)."""
    return (table.counts**2).sum(axis=(-2, -1)) / table.total**2


def evaluate(table, features):
    """Values [..., F] of the features, whose functions take a Table."""
    return np.stack([feature.function(table) for feature in features], axis=-1)


def measure(items, layout, groups, features, region_count):
    """Features [N, F] of regions by their items, (part of the groups, level - lowest, size) each [items]; NaN if empty.

    For families without directions, whose every part has one matrix.
    """
    counts, sizes = tabulate(*items, len(groups.owner), layout.depth)
    table = describe(counts, layout.levels, sizes, groups.voxels)
    return aggregations.average(evaluate(table, features), groups.owner, region_count)
