"""Features of patients: equal weight a patch, adjusted by the fold that never saw the patient."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from radiogenomics.analysis import feature_files, features
from radiogenomics.data import covariates
from radiogenomics.errors import InputError
from radiogenomics.radiomics import feature_names, ibsi


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


def test_other_covariates_may_be_adjusted_for(run):
    values, fold = np.random.default_rng(0).standard_normal((24, 2)), run.folds[0]
    np.testing.assert_array_equal(
        features.adjust_features(run, values, run.config.genes.adjust), features.adjust_features(run, values)
    )
    centred = features.adjust_features(run, values, ())[fold.held_out]
    np.testing.assert_allclose(centred, values[fold.held_out] - values[fold.training].mean(axis=0), atol=1e-9)
    with pytest.raises(InputError, match="no covariate 'scanner'"):
        features.adjust_features(run, values, ["scanner"])


def test_feature_table_on_disk(cohort_folder, cohort, tmp_path):
    feature_files.write_features(cohort_folder, tmp_path / "features.csv", ["map"], ibsi.Settings())
    table = pd.read_csv(tmp_path / "features.csv", index_col=0)
    assert list(table.index) == list(cohort.patients) and list(table) == list(feature_names(2))
    definitions = json.loads((tmp_path / "features.json").read_text())
    assert list(definitions["features"]) == list(table) and definitions["spacing_mm"] == cohort.spacing_mm
    missing = {(row["patient"], row["feature"]) for row in definitions["undefined"]}
    assert {(name, column) for column in table for name in table.index[table[column].isna()]} <= missing


def test_families_stand_beside_the_features_of_maps(cohort_folder, cohort, tmp_path):
    settings = ibsi.Settings(bins=ibsi.FixedBinSize(30.0), range_hu=(-1000.0, 400.0))
    families = ["map", "statistics", "glcm"]
    feature_files.write_features(cohort_folder, tmp_path / "features.csv", families, settings)
    table = pd.read_csv(tmp_path / "features.csv", index_col=0)
    assert {"spiculation", "stat_mean", "glcm_contrast"} <= set(table) and table.columns.is_unique
    written = json.loads((tmp_path / "features.json").read_text())
    assert written["ibsi_settings"]["bins"]["width"] == 30.0
    assert written["ibsi_settings"]["range_hu"] == [-1000.0, 400.0]
    assert written["features"]["glcm_contrast"]["code"] == "ACUI"
    expected = features.real_ibsi_patches(cohort, dataclasses.replace(settings, families=("glcm",)))[0]
    mine = expected["glcm_contrast"].to_numpy()[cohort.nodules.patient == 3].mean()
    assert table["glcm_contrast"].iloc[3] == pytest.approx(mine, rel=1e-5)


def test_settings_that_were_not_used_are_not_recorded_and_the_table_is_no_json(cohort_folder, tmp_path):
    feature_files.write_features(cohort_folder, tmp_path / "features.csv", ["map"], ibsi.Settings())
    written = json.loads((tmp_path / "features.json").read_text())
    assert written["ibsi_settings"] is None and written["provenance"]["environment"]["packages"]["jax"]
    assert written["provenance"]["config"] == {"families": ["map"], "ibsi_settings": None}
    with pytest.raises(InputError, match="features.json: the definitions go beside"):
        feature_files.write_features(cohort_folder, tmp_path / "features.json", ["map"], ibsi.Settings())


def test_an_unknown_family_is_refused_before_anything_is_written(cohort_folder, tmp_path):
    with pytest.raises(InputError, match="'glcmm' is unknown"):
        feature_files.write_features(cohort_folder, tmp_path / "features.csv", ["map", "glcmm"], ibsi.Settings())
    assert list(tmp_path.iterdir()) == []


def test_missing_values_do_not_shrink_the_effect_that_is_removed():
    generator = np.random.default_rng(0)
    batch = np.repeat([0.0, 1.0], 100)
    values = np.stack([2.0 * batch, 2.0 * batch], axis=1)
    values[generator.random(200) < 0.5, 1] = np.nan
    adjusted = features.adjust_rows(np.stack([np.ones(200), batch], axis=1), values, np.arange(200), np.arange(200))
    np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(values))
    np.testing.assert_allclose(np.nan_to_num(adjusted), 0.0, atol=1e-9)
