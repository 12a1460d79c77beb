"""Synthesised nodules of held-out patients as every measure takes them, whoever made them: the generator or a rival."""

from typing import NamedTuple

import numpy as np

from radiogenomics.radiomics import exact_table


class PatientSample(NamedTuple):
    """Synthesised nodules of one held-out patient, D draws."""

    row: int
    image_hu: np.ndarray  # [D, *S]
    mask: np.ndarray  # [D, *S] bool
    features: np.ndarray  # [D, F] exact, NaN where undefined
    background_error_hu: float  # largest change outside the mask


def measure_sample(run, names, row, image_hu, soft_mask, background_hu):
    """The `PatientSample` of images [D, *S] with masks [D, *S] in 0..1 that were made on backgrounds [D, *S].

    The mask is cut at 0.5; the background counts as changed only where the soft mask is exactly zero.
    """
    mask = soft_mask >= 0.5
    values, _ = exact_table(image_hu, mask, run.cohort.spacing_mm, names, [run.cohort.patients[row]] * len(mask))
    changes = np.abs(image_hu - background_hu)[soft_mask == 0]
    return PatientSample(row, image_hu, mask, values, float(changes.max(initial=0)))
