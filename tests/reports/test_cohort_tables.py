"""Rows about the cohort."""

import pandas as pd
from made_up import FOLDS, PATIENTS

from radiogenomics.reports import cohort_tables


def test_drops_are_counted_by_reason():
    quality = {"patients": [{"kept": True}, *({"kept": False, "reason": text} for text in ("no CT", "no CT", None))]}
    expected = [{"reason": "no CT", "count": 2}, {"reason": "no reason recorded", "count": 1}]
    assert cohort_tables.drop_rows(quality) == expected


def test_covariates_are_told_by_fold():
    frame = pd.DataFrame(
        {"site": ["A"] * 12 + ["B"] * 12, "slice_thickness_mm": [1.0] * 24, "scanner": [f"S{n}" for n in range(24)]},
        index=PATIENTS,
    )
    rows = cohort_tables.covariate_rows(frame, FOLDS)
    assert rows[0] == {"name": "site", "level": "A", "cells": ["12", "8", "4", "0"]}
    assert rows[2]["name"] == "slice thickness (mm)" and rows[2]["cells"][0] == "1.00 (0)"
    assert rows[-1]["level"] == "18 other levels" and rows[-1]["cells"][0] == "18"
