"""Distances between two clouds of patches with the patient as the unit; every one for many weightings of the patients.

All take `first` [N, F] with `first_owner` [N], `second` [M, F] with `second_owner` [M], and `weights` [W, n] whose rows
sum to 1: row 0 may be equal weights and the others bootstrap samples. Owners are positions 0..n-1, each with a patch on
both sides. Patches of one patient share its weight. Position p on both sides is one patient, as where p's nodules are
synthesised from p's genes; the two are not independent, and neither are patches of a patient, so that the measures
built on pairs leave out pairs within a position.
"""

import numpy as np
from scipy.spatial.distance import cdist

NEIGHBOURS = 5  # Naeem et al. 2020


def kernel_distance(first, first_owner, second, second_owner, weights):
    """Squared MMD [W] with the cubic polynomial kernel (KID, Binkowski et al. 2018), unbiased: 0 on average if alike.

    The kernel is averaged over the patches of two patients and then over pairs of different patients, which a bootstrap
    that repeats patients would otherwise take for likeness.
    """
    first_mean, second_mean = (_averages(owner, weights.shape[1]) for owner in (first_owner, second_owner))
    cross = first_mean @ _kernel(first, second) @ second_mean.T
    contrast = first_mean @ _kernel(first, first) @ first_mean.T - cross - cross.T
    contrast += second_mean @ _kernel(second, second) @ second_mean.T
    np.fill_diagonal(contrast, 0.0)
    pairs = 1.0 - np.square(weights).sum(axis=1)
    return ((weights @ contrast) * weights).sum(axis=1) / np.maximum(pairs, 1e-9)


def _kernel(rows, columns):
    base = rows @ columns.T / rows.shape[1] + 1.0
    return base * base * base  # several times as fast as a power


def _averages(owner, count):
    """The matrix [count, N] that averages patches to patients."""
    belongs = (np.arange(count)[:, None] == owner[None]).astype(np.float64)
    return belongs / belongs.sum(axis=1, keepdims=True)


def density_coverage(first, first_owner, second, second_owner, weights, repeats=20, seed=0):
    """Density and coverage [2, W] of `second` in the manifold of `first` (Naeem et al. 2020).

    Both are about 1 for like samples (coverage 1 - 2^-k with many patients). A ball around each patch of `first`
    reaches to its k-th neighbour, k = 5. Density counts the balls that a patch of `second` falls into, coverage the
    balls with such a patch. Each of `repeats` rounds takes one random patch of every patient, because neighbours of the
    same patient would shrink the balls; this also keeps the cost at n^2. Weights act on the patients' contributions
    (to first order for density) with the balls as they are: resampled patients would be their own neighbours.
    """
    count, generator = weights.shape[1], np.random.default_rng(seed)
    neighbours = min(NEIGHBOURS, count - 1)
    apart = ~np.eye(count, dtype=bool)
    hits, covered = np.zeros((count, count)), np.zeros(count)
    for _ in range(repeats):
        centres, points = (
            values[_one_of_each(owner, generator)] for values, owner in ((first, first_owner), (second, second_owner))
        )
        radius = np.sort(cdist(centres, centres), axis=1)[:, neighbours]
        inside = (cdist(centres, points) < radius[:, None]) & apart
        hits += inside
        covered += inside.any(axis=1)
    hits *= count**2 / (neighbours * (count - 1) * repeats)
    density = weights @ hits.mean(axis=1) + weights @ hits.mean(axis=0) - hits.mean()
    return np.stack([density, weights @ covered / repeats])


def _one_of_each(owner, generator):
    """Rows [n] of one random patch of each owner, in their order."""
    order = generator.permutation(len(owner))
    return order[np.unique(owner[order], return_index=True)[1]]


def frechet_distance(first, first_owner, second, second_owner, weights):
    """Squared Frechet distance [W] between Gaussians with the patients' mean and covariance over all their patches.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Dowson and Landau 1982); of radiomic vectors as in FRD (Konz et al.
    2026), without its logarithm. It grows as the number of patients falls: read it beside its floor.
    """
    first_mean, first_covariance = _moments(first, first_owner, weights)
    second_mean, second_covariance = _moments(second, second_owner, weights)
    values, vectors = np.linalg.eigh(first_covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ np.swapaxes(vectors, 1, 2)
    product = np.linalg.eigvalsh(root @ second_covariance @ root)
    spread = np.trace(first_covariance + second_covariance, axis1=1, axis2=2)
    return (
        np.square(first_mean - second_mean).sum(axis=1) + spread - 2.0 * np.sqrt(np.maximum(product, 0.0)).sum(axis=1)
    )


def _moments(values, owner, weights):
    """Means [W, F] and covariances [W, F, F] of patches that share their patient's weight."""
    shares = weights @ _averages(owner, weights.shape[1])
    mean = shares @ values
    second = np.stack([(values * share[:, None]).T @ values for share in shares])
    return mean, second - mean[:, :, None] * mean[:, None, :]


def histogram_distance(first, first_owner, second, second_owner, weights, edges):
    """Wasserstein distance [W] in the unit of the values [N] and [M], to the width of the even bins between `edges`.

    Each patient's histogram has the same weight, however many values it has.
    """
    def cumulative(values, owner):
        counts, _, _ = np.histogram2d(owner, values, bins=(np.arange(weights.shape[1] + 1), edges))
        return weights @ (counts.cumsum(axis=1) / counts.sum(axis=1, keepdims=True))

    return np.abs(cumulative(first, first_owner) - cumulative(second, second_owner)).sum(axis=1) * (edges[1] - edges[0])
