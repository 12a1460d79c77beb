"""Do synthesised masks fit their images, and are they shaped like real ones?"""

import numpy as np
from scipy import ndimage, stats
from skimage import filters

from radiogenomics.analysis import intervals


def score_masks(synthetic, synthetic_owner, shapes, real, real_owner, real_shapes, weights):
    """The "mask" part of evaluation.json for one candidate (design 4.4).

    `dice` is the mean `mask_agreement` over patients' means, with its interval. The Wasserstein distances between the
    distributions over patches are in SDs of the real patches.

    Args:
      synthetic, real: (image_hu, mask) [n, *S] each.
      synthetic_owner, real_owner: rows of patients [n].
      shapes, real_shapes: {"area", "sphericity", "spiculation"}: values [n], NaN where undefined.
      weights: [W, patients], see `intervals.patient_weights`.
    """
    dice, low, high = intervals.summarise(
        intervals.mean_of_known(_agreements(synthetic, synthetic_owner, weights.shape[1]), weights), (0.0, 1.0)
    )
    dice_real = intervals.mean_of_known(_agreements(real, real_owner, weights.shape[1]), weights[:1])
    return {
        "dice": dice,
        "dice_low": low,
        "dice_high": high,
        "dice_real": float(dice_real[0]),
        "empty_share": float(np.mean([not mask.any() for mask in synthetic[1]])),
        "area_share": float(np.mean(synthetic[1])),
        "area_share_real": float(np.mean(real[1])),
    } | {f"{name}_wasserstein": shape_distance(values, real_shapes[name]) for name, values in shapes.items()}


def _agreements(pairs, owners, patients):
    """Mean Dice [patients] of each patient's patches, NaN for those without a patch."""
    dice = np.array([mask_agreement(image, mask) for image, mask in zip(*pairs, strict=True)])
    counts = np.bincount(owners, minlength=patients)
    return np.where(counts > 0, np.bincount(owners, dice, patients) / np.maximum(counts, 1), np.nan)


def shape_distance(values, real):
    """Wasserstein distance between two samples in SDs of `real`, NaN left out; NaN where nothing is left to compare."""
    values, real = values[np.isfinite(values)], real[np.isfinite(real)]
    if not len(values) or not len(real) or real.std() == 0:
        return np.nan
    return float(stats.wasserstein_distance(values, real) / real.std())


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
