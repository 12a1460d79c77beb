"""Grey level co-occurrence matrix (IBSI LFYI): 25 features of pairs of neighbouring voxels.

The formulas run on numpy and, traced and differentiated, on jax.numpy: they use the array namespace of the
probabilities and keep every gradient finite. They need a symmetric matrix, whose marginals are equal. The probabilities
p(i, j) enter through the distributions of i, of i + j and of |i - j| where these suffice, so that only three formulas
read the whole matrix.

Undefined values (correlation and information correlations of a single grey level) are `Joint.undefined`: NaN in exact
features, where the manual sets 1 or 0; a soft matrix may ask for a number. A matrix without a pair is NaN throughout
and left out of averages.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from radiogenomics.radiomics.ibsi import aggregation as aggregations
from radiogenomics.radiomics.ibsi import directions
from radiogenomics.radiomics.ibsi.definition import Feature

BLOCK_CELLS = 1 << 17  # cells of matrices that are described at a time: their temporary arrays stay in the cache


@dataclasses.dataclass(frozen=True)
class Joint:
    """Symmetric joint distributions of two neighbours' grey levels, and what the formulas share; made by `describe`."""

    probabilities: Any  # [..., G, G], sum 1
    levels: Any  # [G] consecutive grey levels
    level_count: Any  # [...] or scalar: N_g, the number of grey levels of the discretisation
    undefined: float
    marginal: Any  # [..., G] p(i)
    differences: Any  # [G] values of |i - j|
    difference_probabilities: Any  # [..., G]
    sums: Any  # [2G - 1] values of i + j
    sum_probabilities: Any  # [..., 2G - 1]
    mean: Any  # [...]
    variance: Any  # [...]
    entropy: Any  # [...] of the joint distribution, bits
    marginal_entropy: Any  # [...] bits

    @property
    def namespace(self):
        """The array namespace of the probabilities."""
        return self.probabilities.__array_namespace__()

    @property
    def tolerance(self):
        """Below this, a variance or an entropy is that of a single grey level: rounding."""
        return 16 * self.namespace.finfo(self.probabilities.dtype).eps


def sum_diagonals(matrices):
    """Sums [..., 2G - 1] of matrices [..., G, G] over i + j = 0..2G - 2."""
    # Rows padded to width 2G and read with width 2G - 1 are skewed: i + j becomes the column.
    xp = matrices.__array_namespace__()
    *lead, size, _ = matrices.shape
    wide = xp.reshape(xp.concat([matrices, xp.zeros_like(matrices)], axis=-1), (*lead, 2 * size * size))
    return xp.sum(xp.reshape(wide[..., : size * (2 * size - 1)], (*lead, size, 2 * size - 1)), axis=-2)


def measure_entropy(probabilities, axis=-1):
    """Entropy in bits of probabilities along an axis (or axes); 0 log 0 is 0, also in the gradient."""
    xp = probabilities.__array_namespace__()
    # 0 minus: a certain level has 0 bits, not -0.0.
    return 0.0 - xp.sum(probabilities * xp.log2(xp.where(probabilities > 0, probabilities, 1.0)), axis=axis)


def describe(probabilities, levels, level_count, undefined=float("nan")):
    """Joint of symmetric probabilities [..., G, G] (floating, sum 1) for consecutive grey levels [G].

    `level_count` is N_g, a scalar or [...]. `undefined` stands where a feature is undefined: NaN, or
    a number where gradients have to stay finite.
    """
    xp = probabilities.__array_namespace__()
    size = probabilities.shape[-1]
    levels = xp.asarray(levels, dtype=probabilities.dtype)
    steps = xp.arange(2 * size - 1, dtype=probabilities.dtype)
    marginal = xp.sum(probabilities, axis=-1)
    mean = xp.sum(marginal * levels, axis=-1)
    signed = sum_diagonals(xp.flip(probabilities, axis=-1))  # index i - j + G - 1
    apart = signed[..., size:] + xp.flip(signed[..., : size - 1], axis=-1)
    return Joint(
        probabilities=probabilities, levels=levels, undefined=undefined,
        level_count=xp.asarray(level_count, dtype=probabilities.dtype),
        marginal=marginal, differences=steps[:size],
        difference_probabilities=xp.concat([signed[..., size - 1: size], apart], axis=-1),
        sums=2 * levels[0] + steps, sum_probabilities=sum_diagonals(probabilities),
        mean=mean, variance=xp.sum(marginal * (levels - mean[..., None]) ** 2, axis=-1),
        entropy=measure_entropy(probabilities, axis=(-2, -1)), marginal_entropy=measure_entropy(marginal),
    )


def divide(joint, top, bottom):
    """Ratio top / bottom [...], `joint.undefined` where the bottom is 0 up to rounding; gradients stay finite."""
    xp = joint.namespace
    defined = bottom > joint.tolerance
    return xp.where(defined, top / xp.where(defined, bottom, 1.0), joint.undefined)


def sum_over_differences(joint, weights):
    """Sum [...] of p(|i - j| = k) times the weights [G] or [..., G] of k."""
    return joint.namespace.sum(joint.difference_probabilities * weights, axis=-1)


def sum_over_sums(joint, weights):
    """Sum [...] of p(i + j = k) times the weights [2G - 1] or [..., 2G - 1] of k."""
    return joint.namespace.sum(joint.sum_probabilities * weights, axis=-1)


def sum_cluster_power(joint, power):
    """Sum [...] of p(i, j) (i + j - 2 mu)^power, mu the mean grey level."""
    deviations = joint.sums - 2 * joint.mean[..., None]
    return sum_over_sums(joint, math.prod([deviations] * power))  # products: a power of 3 or 4 is slow


def joint_maximum(joint):
    """Largest p(i, j) (IBSI GYBY)."""
    return joint.namespace.max(joint.probabilities, axis=(-2, -1))


def joint_average(joint):
    """Mean grey level mu: sum of p(i, j) i over all pairs of grey levels (IBSI 60VM)."""
    return joint.mean


def joint_variance(joint):
    """Sum of p(i, j) (i - mu)^2 over all pairs of grey levels, mu the joint average (IBSI UR99)."""
    return joint.variance


def joint_entropy(joint):
    """Minus the sum of p(i, j) log2 p(i, j) over all pairs of grey levels, in bits (IBSI TU9B)."""
    return joint.entropy


def difference_average(joint):
    """Mean of |i - j|: sum of k p(|i - j| = k) over k (IBSI TF7R)."""
    return sum_over_differences(joint, joint.differences)


def difference_variance(joint):
    """Variance of |i - j|: sum of p(|i - j| = k) (k - difference average)^2 over k (IBSI D3YU)."""
    return sum_over_differences(joint, (joint.differences - difference_average(joint)[..., None]) ** 2)


def difference_entropy(joint):
    """Minus the sum of p(|i - j| = k) log2 p(|i - j| = k) over k, in bits (IBSI NTRS)."""
    return measure_entropy(joint.difference_probabilities)


def sum_average(joint):
    """Mean of i + j: sum of k p(i + j = k) over k (IBSI ZGXS)."""
    return sum_over_sums(joint, joint.sums)


def sum_variance(joint):
    """Variance of i + j: sum of p(i + j = k) (k - sum average)^2 over k (IBSI OEEB)."""
    return sum_over_sums(joint, (joint.sums - sum_average(joint)[..., None]) ** 2)


def sum_entropy(joint):
    """Minus the sum of p(i + j = k) log2 p(i + j = k) over k, in bits (IBSI P6QZ)."""
    return measure_entropy(joint.sum_probabilities)


def angular_second_moment(joint):
    """Sum of p(i, j)^2 over all pairs of grey levels; also called energy (IBSI 8ZQL)."""
    return joint.namespace.sum(joint.probabilities**2, axis=(-2, -1))


def contrast(joint):
    """Sum of p(i, j) (i - j)^2 over all pairs of grey levels (IBSI ACUI)."""
    return sum_over_differences(joint, joint.differences**2)


def dissimilarity(joint):
    """Sum of p(i, j) |i - j| over all pairs of grey levels; equals the difference average (IBSI 8S9J)."""
    return sum_over_differences(joint, joint.differences)


def inverse_difference(joint):
    """Sum of p(i, j) / (1 + |i - j|) over all pairs of grey levels (IBSI IB1Z)."""
    return sum_over_differences(joint, 1 / (1 + joint.differences))


def normalised_inverse_difference(joint):
    """Sum of p(i, j) / (1 + |i - j| / N_g) over all pairs of grey levels, N_g their number (IBSI NDRX)."""
    return sum_over_differences(joint, 1 / (1 + joint.differences / joint.level_count[..., None]))


def inverse_difference_moment(joint):
    """Sum of p(i, j) / (1 + (i - j)^2) over all pairs of grey levels; also called homogeneity (IBSI WF0Z)."""
    return sum_over_differences(joint, 1 / (1 + joint.differences**2))


def normalised_inverse_difference_moment(joint):
    """Sum of p(i, j) / (1 + (i - j)^2 / N_g^2) over all pairs of grey levels, N_g their number (IBSI 1QCO)."""
    return sum_over_differences(joint, 1 / (1 + (joint.differences / joint.level_count[..., None]) ** 2))


def inverse_variance(joint):
    """Sum of p(i, j) / (i - j)^2 over all pairs of different grey levels (IBSI E8JP)."""
    xp = joint.namespace
    squares = joint.differences**2
    return sum_over_differences(joint, xp.where(squares > 0, 1 / xp.where(squares > 0, squares, 1.0), 0.0))


def correlation(joint):
    """Sum of p(i, j) (i - mu) (j - mu) over all pairs of grey levels, over the joint variance (IBSI NI2N).

    Undefined for one grey level.
    """
    covariance = (sum_cluster_power(joint, 2) - contrast(joint)) / 4  # (a + b)^2 - (a - b)^2 = 4 a b
    return divide(joint, covariance, joint.variance)


def autocorrelation(joint):
    """Sum of p(i, j) i j over all pairs of grey levels (IBSI QWB0)."""
    return (sum_over_sums(joint, joint.sums**2) - contrast(joint)) / 4


def cluster_tendency(joint):
    """Sum of p(i, j) (i + j - 2 mu)^2 over all pairs of grey levels, mu the joint average (IBSI DG8W)."""
    return sum_cluster_power(joint, 2)


def cluster_shade(joint):
    """Sum of p(i, j) (i + j - 2 mu)^3 over all pairs of grey levels, mu the joint average (IBSI 7NFM)."""
    return sum_cluster_power(joint, 3)


def cluster_prominence(joint):
    """Sum of p(i, j) (i + j - 2 mu)^4 over all pairs of grey levels, mu the joint average (IBSI AE86)."""
    return sum_cluster_power(joint, 4)


def information_correlation_1(joint):
    """(H(i, j) - H1) / H(i), where H1, minus the sum of p(i, j) log2(p(i) p(j)), is 2 H(i) (IBSI R8DG).

    Undefined for one grey level.
    """
    return divide(joint, joint.entropy - 2 * joint.marginal_entropy, joint.marginal_entropy)


def information_correlation_2(joint):
    """sqrt(1 - exp(-2 (H2 - H(i, j)))), where H2, minus the sum of p(i) p(j) log2(p(i) p(j)), is 2 H(i) (IBSI JN9H).

    Undefined for one grey level.
    """
    xp = joint.namespace
    mutual = 2 * joint.marginal_entropy - joint.entropy
    dependent = mutual > joint.tolerance  # at independence the root has no slope
    root = xp.where(dependent, xp.sqrt(1 - xp.exp(-2 * xp.where(dependent, mutual, 1.0))), 0.0)
    return xp.where(joint.marginal_entropy > joint.tolerance, root, joint.undefined)


FEATURES = (
    Feature("glcm_joint_maximum", "GYBY", "", joint_maximum),
    Feature("glcm_joint_average", "60VM", "", joint_average),
    Feature("glcm_joint_variance", "UR99", "", joint_variance),
    Feature("glcm_joint_entropy", "TU9B", "", joint_entropy),
    Feature("glcm_difference_average", "TF7R", "", difference_average),
    Feature("glcm_difference_variance", "D3YU", "", difference_variance),
    Feature("glcm_difference_entropy", "NTRS", "", difference_entropy),
    Feature("glcm_sum_average", "ZGXS", "", sum_average),
    Feature("glcm_sum_variance", "OEEB", "", sum_variance),
    Feature("glcm_sum_entropy", "P6QZ", "", sum_entropy),
    Feature("glcm_angular_second_moment", "8ZQL", "", angular_second_moment),
    Feature("glcm_contrast", "ACUI", "", contrast),
    Feature("glcm_dissimilarity", "8S9J", "", dissimilarity),
    Feature("glcm_inverse_difference", "IB1Z", "", inverse_difference),
    Feature("glcm_normalised_inverse_difference", "NDRX", "", normalised_inverse_difference),
    Feature("glcm_inverse_difference_moment", "WF0Z", "", inverse_difference_moment),
    Feature("glcm_normalised_inverse_difference_moment", "1QCO", "", normalised_inverse_difference_moment),
    Feature("glcm_inverse_variance", "E8JP", "", inverse_variance),
    Feature("glcm_correlation", "NI2N", "", correlation),
    Feature("glcm_autocorrelation", "QWB0", "", autocorrelation),
    Feature("glcm_cluster_tendency", "DG8W", "", cluster_tendency),
    Feature("glcm_cluster_shade", "7NFM", "", cluster_shade),
    Feature("glcm_cluster_prominence", "AE86", "", cluster_prominence),
    Feature("glcm_information_correlation_1", "R8DG", "", information_correlation_1),
    Feature("glcm_information_correlation_2", "JN9H", "", information_correlation_2),
)


def evaluate(joint, names=None):
    """Features [..., F] of a Joint in the order of `names`, or of FEATURES; KeyError for a name that is not there."""
    functions = {feature.name: feature.function for feature in FEATURES}
    return joint.namespace.stack([functions[name](joint) for name in names or functions], axis=-1)


def count_pairs(layout, groups, steps, by_direction):
    """Numbers [K, D, G, G] of pairs (voxel, its neighbour) by their grey levels; D is 1 where directions are merged."""
    depth = layout.depth
    shape = (len(groups.owner), depth, depth + 1)  # column 0: the neighbour lies outside the region
    rows = (groups.of_voxels() * depth + layout.values) * (depth + 1)
    counted = [np.bincount(rows + layout.flat[step:][layout.voxels], minlength=np.prod(shape)) for step in steps]
    if by_direction:
        return np.stack([counts.reshape(shape)[..., 1:] for counts in counted], axis=1)
    return sum(counted).reshape(shape)[:, None, :, 1:]


def measure(levels, level_count, aggregation):
    """GLCM features [N, 25] of grey levels [N, Z, Y, X]: 0 outside, 1..level_count[n] inside; level_count [N].

    Chebyshev distance 1, symmetric. NaN where undefined. InputError: levels out of range or an unknown aggregation.
    """
    way = aggregations.parse(aggregation)
    layout = directions.lay_out(levels, level_count, way.planar)
    groups = directions.group(layout, way.by_slice)
    steps = [directions.step(layout, direction) for direction in way.directions]
    counts = count_pairs(layout, groups, steps, way.by_direction)
    owner = np.repeat(groups.owner, counts.shape[1])
    counts = counts.reshape(-1, layout.depth, layout.depth)
    values = np.empty((len(owner), len(FEATURES)))
    block = max(BLOCK_CELLS // layout.depth**2, 1)
    for first in range(0, len(owner), block):
        part = slice(first, first + block)
        pairs = counts[part] + np.swapaxes(counts[part], -2, -1)
        with np.errstate(invalid="ignore"):
            probabilities = pairs / pairs.sum(axis=(-2, -1), keepdims=True)
        joint = describe(probabilities, layout.levels, np.asarray(level_count)[owner[part]])
        values[part] = evaluate(joint)
    return aggregations.average(values, owner, len(levels))
