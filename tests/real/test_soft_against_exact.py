"""The differentiable face against the exact one on real nodules, and the exact one against the reference values."""

import os
import pathlib

import numpy as np
import pandas as pd
import pytest
import SimpleITK
from scipy import ndimage
from soft_agreement import find_disagreements

from radiogenomics.data import files
from radiogenomics.radiomics import describe_feature, exact_features, feature_names

ROOT = pathlib.Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
NODULES = pathlib.Path(os.environ.get("RADIOGENOMICS_REAL_DATA", SHARED / "nsclc_mini"))
IBSI = SHARED / "ibsi"


@pytest.fixture(scope="module")
def patches(full_config):
    """Images and masks of up to four slices of every patient, and the spacing in mm."""
    if not NODULES.is_dir():
        pytest.skip(f"no real data at {NODULES} (set RADIOGENOMICS_REAL_DATA to the folder nsclc_mini)")
    config = full_config("nsclc")
    config.data.slices_per_patient = 4
    patients = files.collect(config, NODULES).patients
    images, masks = (
        np.concatenate([getattr(patient, field) for patient in patients]).astype(np.float32)
        for field in ("nodule_image_hu", "nodule_mask")
    )
    return images, masks, config.data.extent_mm / config.data.size


@pytest.mark.parametrize("kind", ["binary", "blurred"])
def test_soft_features_rank_real_nodules_as_the_exact_ones_do(patches, kind):
    images, masks, spacing_mm = patches
    if kind == "blurred":
        sigmas = np.random.default_rng(0).uniform(0.5, 0.8, len(masks))  # voxels
        masks = np.stack([ndimage.gaussian_filter(mask, sigma) for mask, sigma in zip(masks, sigmas, strict=True)])
    assert (masks.max((1, 2)) >= 0.5).sum() > 50
    assert find_disagreements(images, masks, spacing_mm) == {}


@pytest.fixture(scope="module")
def reference():
    """Reference values and tolerances of the digital phantom by IBSI code."""
    if not IBSI.is_dir():
        pytest.skip(f"no reference values at {IBSI}")
    table = pd.read_csv(IBSI / "ibsi1_reference_values.csv")
    table = table[(table["dataset"] == "dig. phantom") & table["aggregation"].isin([np.nan, "3D, merged"])]
    return table.drop_duplicates("code").set_index("code")


@pytest.fixture(scope="module")
def digital_phantom(reference):
    """Grey levels and mask of the digital phantom; spacing 2 mm."""
    folder = IBSI / "ibsi_1_digital_phantom" / "nifti"
    levels, mask = (
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(folder / name))
        for name in ("image/phantom.nii.gz", "mask/mask.nii.gz")
    )
    return levels.astype(float), mask


def _agrees(value, row):
    digits = len(row["value"].rpartition(".")[2]) if "." in row["value"] else 0
    if row["tol_num"] == 0.0:
        return round(value, digits) == row["value_num"]
    return abs(value - row["value_num"]) <= row["tol_num"]


def test_shape_and_intensity_have_the_reference_values(reference, digital_phantom):
    levels, mask = digital_phantom
    names = [name for name in feature_names(3) if describe_feature(name).ibsi in reference.index]
    names = [name for name in names if not name.startswith("glcm_")]
    values = exact_features(levels, mask, 2.0, names)
    assert {"surface_mm2", "sphericity", "elongation", "flatness", "maximum_diameter_mm", "kurtosis"} <= set(names)
    wrong = {name for name in names if not _agrees(values[name], reference.loc[describe_feature(name).ibsi])}
    assert wrong == set()


def test_texture_has_the_reference_values(reference, digital_phantom):
    levels, mask = digital_phantom
    names = [
        name for name in feature_names(3)
        if name.startswith("glcm_") and "normalised" not in name  # which know the number of bins, 28 instead of 6
    ]
    values = exact_features(50.0 * levels - 1025.0, mask, 2.0, names)
    wrong = {name for name in names if not _agrees(values[name], reference.loc[describe_feature(name).ibsi])}
    assert len(names) == 23 and wrong == set()
