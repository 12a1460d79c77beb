"""Image features of a cohort as a table on disk."""

import logging

from radiogenomics import outputs
from radiogenomics.analysis import features
from radiogenomics.data.cohort import load_cohort
from radiogenomics.radiomics import describe_feature, feature_names


def write_features(directory, out):
    """Writes a CSV with one row per patient (mean over patches) and, beside it, a JSON file that defines the columns.

    An empty cell is an undefined feature; its reason, patient by patient, is in the JSON file.
    """
    cohort = load_cohort(directory)
    names = feature_names(len(cohort.patch_shape))
    values, reasons = features.real_patches(cohort, names)
    table = features.patient_means(cohort, values, names)
    with outputs.new_file(out) as aside:
        table.to_csv(aside, float_format="%.6g")
    outputs.write_json(
        out.with_suffix(".json"),
        {
            "cohort_fingerprint": cohort.fingerprint,
            "spacing_mm": cohort.spacing_mm,
            "patch": list(cohort.patch_shape),
            "unit_of_row": "patient; equal-weight mean over the patient's patches",
            "features": {name: vars(describe_feature(name)) for name in names},
            "undefined": [
                {"patient": patient, "feature": feature, "reason": reason} for patient, feature, reason in reasons
            ],
        },
    )
    logging.info("%s: %d patients x %d features", out, *table.shape)
