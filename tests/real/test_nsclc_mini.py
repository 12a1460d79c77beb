"""The small cohort in the shape of TCIA "NSCLC Radiogenomics", with the defects of the public collection."""

import importlib.util
import json
import os
import pathlib

import numpy as np
import pytest
from scipy import ndimage

from radiogenomics.data import cohort, files, prepare

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = pathlib.Path(os.environ.get("RADIOGENOMICS_REAL_DATA", ROOT.parent / "shared" / "data" / "nsclc_mini"))

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no real data at {FOLDER} (set RADIOGENOMICS_REAL_DATA to the folder nsclc_mini)"
)

DROPPED = {
    "R01-090": "no expression profile in the expression table",
    "R01-148": "no segmentation (DICOM SEG)",
    "R01-157": "no segmentation (DICOM SEG)",
}
RECOVERED = {
    "R01-023": "highdicom refused it",  # no derivation items
    "R01-029": "1 of 38 CT slices cannot be read",  # truncated, far from the nodule
    "R01-065": "1 of 38 slices missing, filled by interpolation",  # beside the nodule
    "R01-133": "38 repeated references",
}


def make_config():
    spec = importlib.util.spec_from_file_location("nsclc_config", ROOT / "configs" / "nsclc.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.data.size = 64  # The smallest nodules measure 3 mm; the shells below are counted in pixels of 0.94 mm.
    return config


@pytest.fixture(scope="module")
def collected():
    return files.collect(make_config(), FOLDER)


def rows(collected):
    return {row["patient"]: row for row in collected.qc}


def test_every_usable_patient_is_kept_and_every_other_has_its_reason(collected):
    assert len(collected.qc) == 21 and len(collected.patients) == 18
    assert {name: row["reason"] for name, row in rows(collected).items() if not row["kept"]} == DROPPED


@pytest.mark.parametrize("patient, told", RECOVERED.items())
def test_defects_that_can_be_mended_are_mended_and_told(collected, patient, told):
    row = rows(collected)[patient]
    assert row["kept"] and row["nodule_slices_missing"] == 0
    assert any(told in warning for warning in row["warnings"])


def test_processes_make_the_same_cohort(collected, tmp_path):
    prepare.prepare(make_config(), tmp_path / "two", FOLDER, workers=2)
    folds = json.loads((tmp_path / "two" / "split.json").read_text())["folds"]
    cohort.write_cohort(tmp_path / "one", collected, folds, {})
    assert cohort.fingerprint(tmp_path / "two") == cohort.fingerprint(tmp_path / "one")
    assert (tmp_path / "two" / "qc.json").read_bytes() == (tmp_path / "one" / "qc.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_the_batch_is_named_with_its_place(collected):
    assert any("R01-097" in finding for finding in collected.findings)
    assert len(collected.samples) == 130 and collected.samples["batch"].value_counts().to_dict() == {"1": 82, "2": 48}


def test_masks_keep_their_volume_and_sit_on_nodules(collected):
    for patient in collected.patients:
        row = rows(collected)[patient.patient]
        assert row["mask_volume_mm3"] == pytest.approx(row["segmentation_volume_mm3"], rel=0.01)
        masks = patient.nodule_mask > 0
        shell = ndimage.binary_dilation(masks, np.ones((1, 3, 3)), iterations=4)
        shell &= ~ndimage.binary_dilation(masks, np.ones((1, 3, 3)), iterations=2)
        contrast_hu = patient.nodule_image_hu[masks].mean() - patient.nodule_image_hu[shell].mean()
        assert contrast_hu > 60, patient.patient
        center = np.argwhere(masks)[:, 1:].mean(axis=0)
        assert np.abs(center - (masks.shape[-1] - 1) / 2).max() < 6, patient.patient


def test_the_series_of_the_segmentation_is_used(collected):
    assert rows(collected)["R01-021"]["slice_spacing_mm"] == 1.25  # Not the companion of 5 mm.
    assert rows(collected)["R01-071"]["slices"] == 38  # Not the PET.


def test_padding_is_air(collected):
    for row in rows(collected).values():
        assert row.get("lowest_hu", -1000) >= -1024


def test_backgrounds_are_lung(collected):
    for patient in collected.patients:
        assert len(patient.background_image_hu) == 8, patient.patient
        middle = patient.background_image_hu[:, 24:40, 24:40].astype(float)
        assert np.median(middle) < -600 and np.median(middle) > -960, patient.patient


def test_genes_batches_and_covariates(collected):
    assert len(collected.genes) == 1119 and "3-Mar" in collected.genes
    batches = {patient.patient: patient.covariates["sequencing_batch"] for patient in collected.patients}
    assert batches == {name: "1" if name < "R01-098" else "2" for name in batches}
    assert {batches["R01-017"], batches["R01-133"]} == {"1", "2"}
    keys = {tuple(patient.covariates) for patient in collected.patients}
    assert len(keys) == 1
    assert {patient.covariates["site"] for patient in collected.patients} == {"Stanford", "VA"}


def test_nothing_identifying_is_told(collected):
    told = json.dumps(collected.qc)
    for year in range(1989, 1998):
        assert str(year) not in told.replace(".", " ").split()
    assert str(FOLDER) not in told and "-NA-" not in told
