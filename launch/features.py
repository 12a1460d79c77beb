"""Writes exact image features of a cohort's real nodules, one row per patient.

    python launch/features.py --cohort=DIR --out=features.csv
    python launch/features.py --cohort=DIR --out=features.csv --families=morphology,statistics,glcm --bin_width_hu=25
"""

import pathlib

import entry
from absl import flags

from radiogenomics.analysis import feature_files
from radiogenomics.errors import InputError
from radiogenomics.radiomics import LEVELS, ibsi

COHORT = entry.define_folder("cohort", "Cohort folder made by prepare.py.")
OUT = entry.define_folder("out", "CSV file to write; definitions and settings go beside it as .json.")
FAMILIES = flags.DEFINE_list(
    "families",
    [feature_files.MAPPED],
    f"'{feature_files.MAPPED}' (the features that maps use) and IBSI families: {', '.join(ibsi.FAMILIES)}.",
)
AGGREGATION = flags.DEFINE_string("aggregation", None, f"Of texture matrices: {'; '.join(ibsi.AGGREGATIONS)}.")
BIN_WIDTH = flags.DEFINE_float("bin_width_hu", None, f"Grey levels of this many HU; by default {LEVELS.width:g}.")
BIN_NUMBER = flags.DEFINE_integer("bin_number", None, "This many grey levels between each nodule's extremes instead.")
RANGE = flags.DEFINE_list("range_hu", None, "Lowest and highest HU of the voxels kept for all but shape.")
RESAMPLE = flags.DEFINE_float("resample_mm", None, "Voxel edge to resample to first; by default the cohort's.")


def main():
    for flag in (AGGREGATION, BIN_WIDTH, BIN_NUMBER, RANGE, RESAMPLE):
        if flag.value is not None and FAMILIES.value == [feature_files.MAPPED]:
            raise InputError(f"--{flag.name}: given without an IBSI family in --families, expected with one.")
    settings = ibsi.Settings(
        aggregation=AGGREGATION.value, bins=_bins(), resample_mm=RESAMPLE.value, range_hu=_range()
    )
    feature_files.write_features(entry.existing(COHORT), pathlib.Path(OUT.value), FAMILIES.value, settings)


def _bins():
    if BIN_WIDTH.value is not None and BIN_NUMBER.value is not None:
        raise InputError("--bin_width_hu and --bin_number: both given, expected one of the two.")
    if BIN_NUMBER.value is not None:
        return ibsi.FixedBinNumber(BIN_NUMBER.value)
    return LEVELS if BIN_WIDTH.value is None else ibsi.FixedBinSize(BIN_WIDTH.value, LEVELS.lowest)


def _range():
    if RANGE.value is None:
        return None
    try:
        lowest, highest = map(float, RANGE.value)
    except ValueError as error:
        raise InputError(f"--range_hu: {','.join(RANGE.value)}, expected two numbers as -1000,400.") from error
    return lowest, highest


if __name__ == "__main__":
    entry.run(main, [COHORT, OUT, FAMILIES, AGGREGATION, BIN_WIDTH, BIN_NUMBER, RANGE, RESAMPLE])
