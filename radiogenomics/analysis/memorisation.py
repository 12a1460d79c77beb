"""Does the generator repeat training nodules? Distances inside the nodule only: the background is copied by design."""

import numpy as np


def nodule_vectors(image_hu, mask):
    """Nodules [n, *S] with all but the nodule blanked to -1000 HU, as vectors [n, voxels]."""
    return np.where(mask, image_hu, -1000.0).reshape(len(image_hu), -1).astype(np.float32)


def nearest_distance(vectors, references):
    """RMS distance [n] in HU over the patch from each vector to its nearest reference."""
    squared = (
        np.square(vectors).sum(axis=1)[:, None] + np.square(references).sum(axis=1)[None] - 2 * vectors @ references.T
    )
    return np.sqrt(np.maximum(squared.min(axis=1), 0.0) / vectors.shape[1])


def audit(synthetic, held_out, training):
    """Compares how near synthesised and held-out real nodules come to the training nodules.

    Returns the median nearest distances, their ratio (below 1: synthesised nodules are nearer than real ones of unseen
    patients), and `copies`, the share of synthesised nodules nearer than any held-out real one.
    """
    of_synthetic, of_held_out = nearest_distance(synthetic, training), nearest_distance(held_out, training)
    return {
        "nearest_synthetic_hu": float(np.median(of_synthetic)),
        "nearest_held_out_hu": float(np.median(of_held_out)),
        "ratio": float(np.median(of_synthetic) / max(np.median(of_held_out), 1e-9)),
        "copies": float((of_synthetic < of_held_out.min()).mean()),
    }
