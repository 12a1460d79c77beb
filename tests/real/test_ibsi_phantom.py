"""The digital phantom of the Image Biomarker Standardisation Initiative and its 482 consensus values."""

import os
import pathlib

import pytest

from radiogenomics.benchmark import conformance

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = pathlib.Path(os.environ.get("RADIOGENOMICS_IBSI", ROOT.parent / "shared" / "data" / "ibsi"))

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no IBSI reference at {FOLDER} (set RADIOGENOMICS_IBSI to its folder)"
)


@pytest.fixture(scope="module")
def compared():
    return conformance.compare(FOLDER)


def test_every_reference_value_is_met(compared):
    assert len(compared) == 482
    assert compared[~compared.passed].to_dict("records") == []


def test_all_families_and_aggregations_are_compared(compared):
    counts = conformance.summarise(compared)["values"]
    assert set(compared.family) == {"morph", "loc", "stat", "int", "cm", "rlm", "szm", "dzm", "ngtdm", "ngldm"}
    assert (counts["cm"] == 25).all() and len(counts["cm"]) == 6
