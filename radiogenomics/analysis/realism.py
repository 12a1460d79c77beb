"""Realism of synthesised nodules against held-out real ones, without downloaded networks.

Distances between distributions are unbiased or bootstrapped over patients; a real-against-real value stands beside each
as the floor, since with 130 patients no distance is zero.
"""

import numpy as np
from scipy import ndimage, stats
from skimage import filters


def kernel_distance(a, a_owner, b, b_owner):
    """Squared MMD with the cubic polynomial kernel (KID, Binkowski et al. 2018) of vectors [n, F] and [m, F].

    Pairs within a sample count only where they come from different patients: patches of one patient are alike, and a
    bootstrap repeats patients, so that counting them would make any two samples look different.
    """
    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1.0) ** 3

    def within(values, owner):
        apart = owner[:, None] != owner[None, :]
        return kernel(values, values)[apart].mean()

    return float(within(a, a_owner) + within(b, b_owner) - 2.0 * kernel(a, b).mean())


def radiomic_distance(real, real_owner, synthetic, synthetic_owner, bootstraps, seed):
    """KID between feature vectors of real and synthesised patches, with a 95 % interval over patients.

    `floor` is the same distance between two random halves of the real patients, 0 on average. Patches with a missing
    feature are left out; features are standardised by the real patches. Everything is NaN where fewer than four
    patients are left, as with a generator that makes no nodules.
    """
    real, real_owner = _complete(real, real_owner)
    synthetic, synthetic_owner = _complete(synthetic, synthetic_owner)
    patients = np.intersect1d(real_owner, synthetic_owner)
    if len(patients) < 4:
        return dict.fromkeys(("kid", "kid_low", "kid_high", "floor"), np.nan)
    center, sd = real.mean(axis=0), np.maximum(real.std(axis=0), 1e-9)
    real, synthetic = (real - center) / sd, (synthetic - center) / sd
    generator = np.random.default_rng(seed)
    values, floors = [], []
    for _ in range(bootstraps):
        sample = generator.choice(patients, len(patients))
        values.append(
            kernel_distance(*_of(real, real_owner, sample), *_of(synthetic, synthetic_owner, sample))
        )
        one, other = np.array_split(generator.permutation(patients), 2)
        floors.append(kernel_distance(*_of(real, real_owner, one), *_of(real, real_owner, other)))
    return {
        "kid": kernel_distance(real, real_owner, synthetic, synthetic_owner),
        "kid_low": float(np.quantile(values, 0.025)),
        "kid_high": float(np.quantile(values, 0.975)),
        "floor": float(np.mean(floors)),
    }


def _complete(values, owner):
    known = np.isfinite(values).all(axis=1)
    return values[known], np.asarray(owner)[known]


def _of(values, owner, patients):
    """Vectors and owners of the listed patients, repeated as they are listed."""
    rows = np.concatenate([np.flatnonzero(owner == patient) for patient in patients])
    return values[rows], owner[rows]


def hu_distance(real_hu, synthetic_hu):
    """Wasserstein distance in HU between voxel intensities inside real and synthesised nodules."""
    return float(stats.wasserstein_distance(real_hu, synthetic_hu))


def mask_agreement(image_hu, mask):
    """Dice of a mask [*S] with an independent segmentation of its image: Otsu threshold, component nearest the centre.

    Returns 0 where the segmentation or the mask is empty.
    """
    bright = image_hu > filters.threshold_otsu(image_hu)
    # Opening cuts the vessels that lead into a nodule.
    labels, count = ndimage.label(ndimage.binary_opening(bright))
    if not count or not mask.any():
        return 0.0
    centre = np.array(ndimage.center_of_mass(mask))
    distance = np.linalg.norm(np.stack(np.nonzero(labels), axis=1) - centre, axis=1)
    segmented = labels == labels[labels > 0][distance.argmin()]
    return float(2 * (segmented & mask).sum() / (segmented.sum() + mask.sum()))
