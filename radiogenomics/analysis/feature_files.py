"""Image features of a cohort's real nodules as a table on disk."""

import dataclasses
import logging

import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.analysis import features
from radiogenomics.data.cohort import load_cohort
from radiogenomics.errors import InputError
from radiogenomics.radiomics import LEVELS, describe_feature, feature_names, ibsi

MAPPED = "map"  # the features that maps use, beside the families of the IBSI manual


def write_features(directory, out, families, settings):
    """Writes a CSV with one row per patient (mean over patches) and, beside it, a JSON file that defines the columns.

    `families` are "map" (the features that maps use) and families of `ibsi.FAMILIES`, which are computed by `settings`;
    a feature that both have is the family's. An empty cell is an undefined feature; its reason, patient by patient, is
    in the JSON file. Raises InputError for an unknown family or settings that cannot be meant.
    """
    if out.suffix == ".json":
        raise InputError(f"{out}: the definitions go beside the table as .json; expected another suffix, such as .csv.")
    cohort = load_cohort(directory)
    table, definitions = _measure(cohort, families, settings)
    asked = {"families": list(families), "ibsi_settings": definitions["ibsi_settings"]}
    definitions["provenance"] = provenance.describe(asked, cohort.fingerprint)
    with outputs.new_file(out) as aside:
        table.to_csv(aside, float_format="%.6g")
    outputs.write_json(out.with_suffix(".json"), definitions)
    logging.info("%s: %d patients x %d features, %d cells undefined", out, *table.shape, table.isna().sum().sum())


def _measure(cohort, families, settings):
    """(table [patients, features], definitions of its columns) of the families, those for maps first."""
    tables, described, undefined = [], {}, []
    asked = tuple(family for family in families if family != MAPPED)
    if asked or MAPPED not in families:
        settings = dataclasses.replace(settings, families=asked)
        values, reasons = features.real_ibsi_patches(cohort, settings)
        tables.append(features.patient_means(cohort, values, values.columns))
        described |= ibsi.describe_features(settings, len(cohort.patch_shape)).to_dict("index")
        undefined += reasons
    else:
        settings = None
    if MAPPED in families:
        mapped = feature_names(len(cohort.patch_shape))
        names = [name for name in mapped if name not in described]
        if len(names) < len(mapped) and settings.bins != LEVELS:
            logging.warning("glcm_*: with the bins given, other than those of maps (%s)", LEVELS)
        values, reasons = features.real_patches(cohort, names)
        tables.insert(0, features.patient_means(cohort, values, names))
        described = {name: vars(describe_feature(name)) for name in names} | described
        undefined += reasons
    return pd.concat(tables, axis=1), _describe(cohort, settings, described, undefined)


def _describe(cohort, settings, described, undefined):
    return {
        "cohort_fingerprint": cohort.fingerprint,
        "spacing_mm": cohort.spacing_mm,
        "patch": list(cohort.patch_shape),
        "unit_of_row": "patient; equal-weight mean over the patient's patches",
        "ibsi_settings": _plain_settings(settings),
        "features": described,
        "undefined": [
            {"patient": patient, "feature": feature, "reason": reason} for patient, feature, reason in undefined
        ],
    }


def _plain_settings(settings):
    if settings is None:  # only features of maps, which have none
        return None
    bins = settings.bins
    return dataclasses.asdict(settings) | {"bins": {"kind": type(bins).__name__} | dataclasses.asdict(bins)}
