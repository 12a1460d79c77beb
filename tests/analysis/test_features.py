"""Features of patients: equal weight a patch, adjusted by the fold that never saw the patient."""

import numpy as np
import pytest

from radiogenomics.analysis import feature_files, features
from radiogenomics.data import covariates


def test_patient_value_is_the_mean_of_its_patches(cohort):
    names = ("mean_hu", "equivalent_diameter_mm")
    frame = features.real_features(cohort, names)
    assert list(frame.index) == list(cohort.patients) and list(frame) == list(names)
    mine = cohort.nodules.patient == 3
    expected = np.mean([
        image[mask > 0].mean() for image, mask in zip(
            cohort.nodules.image_hu[mine], cohort.nodules.mask[mine], strict=True)
    ])
    assert frame["mean_hu"].iloc[3] == pytest.approx(expected, rel=1e-5)


def test_mean_of_known():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    np.testing.assert_array_equal(features.mean_of_known(values), [2.0, 5.0, np.nan])


def test_adjustment_is_fitted_on_training_patients(run):
    values = np.random.default_rng(0).standard_normal((24, 2))
    values[2, 1] = np.nan
    adjusted = features.adjust_features(run, values)
    assert np.isnan(adjusted[2, 1]) and np.isfinite(np.delete(adjusted[:, 1], 2)).all()
    fold = run.folds[0]
    changed = values.copy()
    changed[fold.held_out[0]] += 100.0
    after = features.adjust_features(run, changed)
    others = fold.held_out[1:]
    np.testing.assert_array_equal(adjusted[others], after[others])
    assert after[fold.held_out[0], 0] - adjusted[fold.held_out[0], 0] == pytest.approx(100.0)
    design = fold.transform.covariates.design(run.cohort.covariates)
    effects = covariates.fit_effects(design[fold.training], values[fold.training, 0])
    expected = values[fold.held_out, 0] - design[fold.held_out] @ effects
    np.testing.assert_allclose(adjusted[fold.held_out, 0], expected, atol=1e-9)


def test_feature_table_on_disk(cohort_folder, cohort, tmp_path):
    feature_files.write_features(cohort_folder, tmp_path / "features.csv")
    lines = (tmp_path / "features.csv").read_text().splitlines()
    assert len(lines) == 25 and lines[0].startswith("patient,equivalent_diameter_mm,mean_hu")
    assert [line.split(",")[0] for line in lines[1:]] == list(cohort.patients)
    assert (tmp_path / "features.json").exists()
