"""No patient crosses the split: what a fold is fitted on never depends on whom it holds out."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from radiogenomics.data import pipeline
from radiogenomics.data import transform as gene_transform
from radiogenomics.train import folds


def distorted(cohort, rows):
    """The cohort with expression, covariates and images of some patients replaced by noise."""
    generator = np.random.default_rng(9)
    expression, covariates = cohort.expression.copy(), cohort.covariates.copy()
    expression[rows] = generator.lognormal(6.0, 4.0, expression[rows].shape)
    for name in ("sequencing_batch", "site"):
        covariates.iloc[rows, covariates.columns.get_loc(name)] = "new"
    patches = {}
    for table in ("nodules", "backgrounds"):
        image = getattr(cohort, table).image_hu.copy()
        mine = np.isin(getattr(cohort, table).patient, rows)
        image[mine] = generator.integers(-1000, 500, image[mine].shape)
        patches[table] = dataclasses.replace(getattr(cohort, table), image_hu=image)
    mask = cohort.nodules.mask.copy()
    mask[np.isin(cohort.nodules.patient, rows)] = 1
    patches["nodules"] = dataclasses.replace(patches["nodules"], mask=mask)
    return dataclasses.replace(cohort, expression=expression, covariates=covariates, **patches)


def fitted(config, cohort, rows):
    transform = folds.fit_folds(config, cohort)["fold_0"]
    return transform, folds.training_arrays(cohort, rows, transform, folds.patch_features(config, cohort))


def test_folds_partition_the_patients(cohort, config, make_config):
    names = folds.fold_names(config, cohort)
    assert names == ["fold_0", "fold_1"]
    assert folds.fold_names(make_config(train={"train_on_all": True}), cohort) == [*names, "fold_all"]
    held_out = [folds.held_out_patients(cohort, name) for name in names]
    assert sorted(itertools.chain(*held_out)) == sorted(cohort.patients)
    for name, patients in zip(names, held_out, strict=True):
        training = folds.training_rows(cohort, name)
        assert not set(training) & set(cohort.indices(patients))
        assert len(training) + len(patients) == len(cohort.patients)
    np.testing.assert_array_equal(folds.training_rows(cohort, "fold_all"), np.arange(24))
    assert folds.held_out_patients(cohort, "fold_all") == ()


def test_components_are_limited_to_half_of_the_patients(cohort, make_config, caplog):
    for wanted, expected, front_end in ((6, 6, "pca"), (7, 6, "metagenes"), (500, 6, "pca"), (500, 500, "none")):
        config = make_config(genes={"components": wanted, "front_end": front_end})
        assert folds.limit_components(config, cohort).genes.components == expected
        assert config.genes.components == wanted
    assert "genes.components: 500 lowered to 6" in caplog.text


@pytest.mark.parametrize("front_end", ("pca", "metagenes", "pathways", "none"))
def test_nothing_fitted_sees_a_held_out_patient(cohort, make_config, front_end, tmp_path):
    sets = [cohort.genes[:20], cohort.genes[15:60]]
    (tmp_path / "sets.gmt").write_text("".join(f"S{len(genes)}\t\t" + "\t".join(genes) + "\n" for genes in sets))
    treatments = {} if front_end == "pca" else {"not_detected": "half_minimum", "implausible": "median"}
    config = make_config(genes={"front_end": front_end, "gene_sets": str(tmp_path / "sets.gmt"), **treatments})
    rows = folds.training_rows(cohort, "fold_0")
    held_out = cohort.indices(folds.held_out_patients(cohort, "fold_0"))
    other = distorted(cohort, held_out)
    (transform, arrays), (other_transform, other_arrays) = fitted(config, cohort, rows), fitted(config, other, rows)
    for name in gene_transform.ARRAYS:
        np.testing.assert_array_equal(getattr(transform, name), getattr(other_transform, name), err_msg=name)
    assert transform.covariates == other_transform.covariates
    np.testing.assert_array_equal(arrays.scaled.target_mean, other_arrays.scaled.target_mean)
    np.testing.assert_array_equal(arrays.scaled.target_sd, other_arrays.scaled.target_sd)
    np.testing.assert_array_equal(arrays.scaled.targets[rows], other_arrays.scaled.targets[rows])
    np.testing.assert_array_equal(arrays.scaled.components[rows], other_arrays.scaled.components[rows])
    # The distortion was real; a single gene may be clipped both times.
    assert (arrays.scaled.components[held_out] != other_arrays.scaled.components[held_out]).mean(axis=1).min() > 0.8
    assert (arrays.scaled.targets[held_out] != other_arrays.scaled.targets[held_out]).any(axis=0).all()


def test_batches_do_not_depend_on_held_out_patients(cohort, config):
    rows = folds.training_rows(cohort, "fold_0")
    held_out = cohort.indices(folds.held_out_patients(cohort, "fold_0"))
    other = distorted(cohort, held_out)
    batches = [pipeline.index_batches(each, rows, 8, 0) for each in (cohort, other)]
    for one, two in itertools.islice(zip(*batches, strict=True), 20):
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])
        assert not np.isin(cohort.nodules.patient[one["nodule"]], held_out).any()
        assert not np.isin(cohort.backgrounds.patient[one["background"]], held_out).any()
        for table, name in (("nodules", "nodule"), ("backgrounds", "background")):
            np.testing.assert_array_equal(
                getattr(cohort, table).image_hu[one[name]], getattr(other, table).image_hu[one[name]]
            )


def test_targets_are_patients_means_in_sds_of_the_training_patients(cohort, config):
    rows = folds.training_rows(cohort, "fold_1")
    features = folds.patch_features(config, cohort)
    arrays = folds.training_arrays(cohort, rows, folds.fit_folds(config, cohort)["fold_1"], features)
    np.testing.assert_allclose(arrays.scaled.targets[rows].mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(arrays.scaled.targets[rows].std(axis=0), 1.0, atol=1e-5)
    mine = features[cohort.nodules.patient == rows[0]].mean(axis=0)
    scaled = arrays.scaled
    np.testing.assert_allclose(scaled.targets[rows[0]] * scaled.target_sd + scaled.target_mean, mine, rtol=1e-4)


def test_stored_transform_wins(cohort, config, tmp_path):
    first, second = (folds.fit_folds(config, cohort)[name] for name in ("fold_0", "fold_1"))
    stored = folds.stored_transform(tmp_path, first, ["a", "b"])
    assert json.loads((tmp_path / "patients.json").read_text()) == ["a", "b"]
    np.testing.assert_array_equal(stored.loadings, first.loadings)
    again = folds.stored_transform(tmp_path, second, ["c"])
    np.testing.assert_array_equal(again.loadings, first.loadings)


@pytest.mark.parametrize("name", ["fold_0", "fold_1"])
def test_a_run_records_whom_it_was_trained_on(workdir, cohort, name):
    listed = json.loads((workdir / name / "transform" / "patients.json").read_text())
    assert sorted([*listed, *folds.held_out_patients(cohort, name)]) == sorted(cohort.patients)
