"""The IBSI suite: our exact features of the digital phantom against the published consensus values.

The reference folder holds `ibsi1_reference_values.csv` and the phantom's image and mask (NIfTI) as IBSI gives them.
"""

import logging
import pathlib

import numpy as np
import pandas as pd
import SimpleITK

from radiogenomics import outputs, provenance
from radiogenomics.errors import InputError
from radiogenomics.radiomics import ibsi

IMAGE = "ibsi_1_digital_phantom/nifti/image/phantom.nii.gz"
MASK = "ibsi_1_digital_phantom/nifti/mask/mask.nii.gz"
VALUES = "ibsi1_reference_values.csv"
DATASET = "dig. phantom"
# Rows of the published table with a neighbour's or the family's code; the manual's own, by the start of the name.
MISPRINTED = {r"10\ :sup:`th` discretised": "GPMT", r"90\ :sup:`th` discretised": "OZ0C", "Small zone emphasis": "5QRC"}
SIGNIFICANT_DIGITS = 3  # of the published values; trailing zeros are not printed
ROUNDING = 1e-9  # relative, where a difference meets its tolerance exactly


def run_suite(reference, out):
    """Writes `ibsi.csv` (one row a reference value) and `ibsi.json`; returns counts by family and aggregation."""
    table = compare(reference)
    with outputs.new_file(out / "ibsi.csv") as aside:
        table.to_csv(aside, index=False, float_format="%.6g")
    summary = summarise(table)
    failed = table[~table.passed].to_dict("records")
    outputs.write_json(
        out / "ibsi.json",
        {
            "values": len(table),
            "passed": int(table.passed.sum()),
            "failed": failed,
            "by_family": summary.reset_index().to_dict("records"),
        } | provenance.describe({"reference": str(reference)}, None),
    )
    logging.info("%s: %d of %d reference values met", out / "ibsi.csv", table.passed.sum(), len(table))
    return summary


def compare(reference):
    """A DataFrame of every reference value of the digital phantom, ours beside it, and whether it is met.

    Raises InputError where `reference` lacks a file.
    """
    folder = pathlib.Path(reference)
    for name in (VALUES, IMAGE, MASK):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file; expected the IBSI reference values and digital phantom.")
    expected = _read_values(folder / VALUES)
    expected = expected[expected.dataset == DATASET].fillna({"aggregation": ""}).reset_index(drop=True)
    for start, code in MISPRINTED.items():
        expected.loc[expected.feature.str.startswith(start), "code"] = code
    # A code stands twice under one aggregation where it is given at 10 % and at 90 %, in that order in both tables.
    expected["occurrence"] = expected.groupby(["code", "aggregation"]).cumcount()
    compared = expected.merge(_measure(folder), how="left", on=["code", "aggregation", "occurrence"])
    tolerance = np.where(compared.tol_num > 0, compared.tol_num, _half_last_digit(compared.value_num))
    error = (compared.ours - compared.value_num).abs()
    compared["passed"] = error <= tolerance + ROUNDING * compared.value_num.abs()
    compared = compared.rename(columns={"value_num": "reference", "tol_num": "tolerance"})
    return compared[["family", "feature", "code", "aggregation", "reference", "tolerance", "ours", "passed"]]


def _read_values(path):
    columns = ["family", "feature", "code", "dataset", "aggregation", "value_num", "tol_num"]
    try:
        table = pd.read_csv(path, dtype={"aggregation": str})
        return table[columns]
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path}: not the IBSI reference table, expected the columns {', '.join(columns)}.") from error


def _read_image(path):
    try:
        return SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: not a readable image, expected NIfTI.") from error


def _half_last_digit(values):
    """Half a unit of the last printed digit of published values without a tolerance."""
    size = np.where(values == 0, 1.0, values.abs())
    return 0.5 * 10.0 ** (np.floor(np.log10(size)) - SIGNIFICANT_DIGITS + 1)


def summarise(table):
    """Counts of reference values and of those met, by family and aggregation."""
    return table.groupby(["family", "aggregation"], sort=False).passed.agg(values="size", met="sum")


def _measure(folder):
    """Every feature of the phantom under every aggregation: code, aggregation, occurrence, ours."""
    image, mask = (_read_image(folder / name) for name in (IMAGE, MASK))
    arrays = SimpleITK.GetArrayFromImage(image), SimpleITK.GetArrayFromImage(mask)
    tables = [
        ibsi.extract(*arrays, image.GetSpacing()[::-1], families=tuple(ibsi.FAMILIES), aggregation=name, bins=None)
        for name in ibsi.AGGREGATIONS
    ]
    measured = pd.concat(tables).reset_index().drop_duplicates(["feature", "aggregation"])
    measured["occurrence"] = measured.groupby(["code", "aggregation"]).cumcount()
    return measured.rename(columns={"value": "ours"})[["code", "aggregation", "occurrence", "ours"]]
