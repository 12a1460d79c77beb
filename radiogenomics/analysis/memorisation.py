"""Does the generator repeat training nodules? Distances inside the nodule only: the background is copied by design."""

import numpy as np

from radiogenomics.analysis import crops, intervals


def nodule_vectors(image_hu, mask, window_hu):
    """Nodules [n, *S] in their patch's centre as vectors [n, voxels] of HU above the window's lower end, 0 elsewhere.

    Centring finds a copy that was moved; attenuation is clipped to the window, which the generator cannot leave.
    """
    low, high = window_hu
    nodules, _ = crops.crop_nodules(np.clip(image_hu, low, high), mask, low)
    return nodules.reshape(len(nodules), int(np.prod(nodules.shape[1:]))) - np.float32(low)


def distances_hu(vectors, references):
    """RMS distance [n, m] in HU over the patch from each vector [n, voxels] to each reference [m, voxels]."""
    squared = (
        np.square(vectors).sum(axis=1)[:, None] + np.square(references).sum(axis=1)[None] - 2 * vectors @ references.T
    )
    return np.sqrt(np.maximum(squared, 0.0) / vectors.shape[1])


def audit(synthetic, held_out, training):
    """Compares how near synthesised and held-out real nodules come to the training nodules.

    Returns the median nearest distances, their ratio (below 1: synthesised nodules are nearer than real ones of unseen
    patients), and `copies`, the share of synthesised nodules nearer than any held-out real one; vectors [n, voxels].
    """
    of_synthetic, of_held_out = (distances_hu(vectors, training).min(axis=1) for vectors in (synthetic, held_out))
    return {
        "nearest_synthetic_hu": float(np.median(of_synthetic)),
        "nearest_held_out_hu": float(np.median(of_held_out)),
        "ratio": float(np.median(of_synthetic) / max(np.median(of_held_out), 1e-9)),
        "copies": float((of_synthetic < of_held_out.min()).mean()),
    }


def patient_distances(distances, real_owner, synthetic_owner, patients, left_out):
    """The least of the distances [n, m] of each patient's real nodules to synthesised ones: [patients].

    Nodules synthesised for the patient in `left_out` [patients] do not count. For a held-out patient that is the
    patient itself: gene control brings its nodules near without any leak. A training patient leaves out some held-out
    patient, since the nearest of fewer nodules is farther.
    """
    return np.array([
        distances[np.ix_(real_owner == patient, synthetic_owner != other)].min()
        for patient, other in zip(patients, left_out, strict=True)
    ])


def membership_auc(training, held_out, training_weights, held_out_weights):
    """How well the nearest distance tells training patients [t] from held-out ones [h]: AUC [W]; 0.5 is no leak.

    The attack of Hayes et al. 2019 as an audit, the patient as its unit; ties count half. Weights [W, t] and [W, h].
    """
    nearer = (training[None] < held_out[:, None]) + 0.5 * (training[None] == held_out[:, None])
    return ((held_out_weights @ nearer) * training_weights).sum(axis=1)


def audit_folds(real, real_owner, synthetic, synthetic_owner, folds, weights):
    """The audits of each fold's held-out patients against its training patients, averaged over folds (design 4.4).

    Args:
      real, synthetic: vectors [n, voxels] of `nodule_vectors`, with the rows of their patients [n].
      folds: list with the rows `held_out` and `training`.
      weights: [W, patients], see `intervals.patient_weights`.

    Returns:
      A dict of numbers, NaN where no fold has a synthesised nodule.
    """
    audits, areas = [], []
    for fold in folds:
        made, rows = np.isin(synthetic_owner, fold.held_out), (fold.training, fold.held_out)
        if len(np.unique(synthetic_owner[made])) < 2:
            continue
        sides = [np.isin(real_owner, patients) for patients in rows]
        audits.append(audit(synthetic[made], real[sides[1]], real[sides[0]]))
        left_out = (np.resize(fold.held_out, len(fold.training)), fold.held_out)
        apart = distances_hu(real, synthetic[made])
        nearest = [
            patient_distances(apart, real_owner, synthetic_owner[made], patients, others)
            for patients, others in zip(rows, left_out, strict=True)
        ]
        areas.append(membership_auc(*nearest, *(intervals.renormalise(weights, patients) for patients in rows)))
    keys = ("nearest_synthetic_hu", "nearest_held_out_hu", "ratio", "copies")
    result = {key: float(np.mean([found[key] for found in audits])) if audits else np.nan for key in keys}
    area = intervals.summarise(np.mean(areas, axis=0) if areas else np.full(len(weights), np.nan), (0.0, 1.0))
    return result | dict(zip(("membership_auc", "membership_auc_low", "membership_auc_high"), area, strict=True))
