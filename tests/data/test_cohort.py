"""A cohort on disk is what was written; damage is told, never read over."""

import json
import shutil

import numpy as np
import pytest

from radiogenomics.data import cohort as cohorts
from radiogenomics.data import phantom, prepare
from radiogenomics.errors import InputError


@pytest.fixture
def copied(cohort_folder, tmp_path):
    return shutil.copytree(cohort_folder, tmp_path / "copied")


def test_round_trip(cohort, config):
    collected = phantom.simulate(config)
    assert cohort.genes == tuple(collected.genes)
    assert cohort.patients == tuple(patient.patient for patient in collected.patients)
    for row, patient in enumerate(collected.patients):
        mine = cohort.nodules.patient == row
        np.testing.assert_array_equal(cohort.nodules.image_hu[mine], patient.nodule_image_hu)
        np.testing.assert_array_equal(cohort.nodules.mask[mine], patient.nodule_mask)
        np.testing.assert_array_equal(cohort.nodules.slice[mine], patient.nodule_slice)
        theirs = cohort.backgrounds.patient == row
        np.testing.assert_array_equal(cohort.backgrounds.image_hu[theirs], patient.background_image_hu)
        np.testing.assert_array_equal(cohort.expression[row], patient.expression)
        assert cohort.covariates.iloc[row].to_dict() == patient.covariates
        assert cohort.measurements.iloc[row].to_dict() == pytest.approx(patient.measurements)
    assert cohort.nodules.image_hu.dtype == np.int16 and cohort.nodules.mask.dtype == np.uint8
    assert cohort.backgrounds.mask is None
    assert cohort.spacing_mm == 2.0 and cohort.patch_shape == (16, 16)
    assert cohort.truth["links"] and np.isnan(cohort.expression).any()


def test_indices_name_the_unknown_patient(cohort):
    np.testing.assert_array_equal(cohort.indices(cohort.patients[3:5]), [3, 4])
    with pytest.raises(InputError, match="no patient 'nobody'"):
        cohort.indices([cohort.patients[0], "nobody"])


def test_fingerprint_follows_the_content(cohort, copied):
    assert cohorts.fingerprint(copied) == cohort.fingerprint
    split = json.loads((copied / "split.json").read_text())
    split["folds"].reverse()
    (copied / "split.json").write_text(json.dumps(split))
    assert cohorts.fingerprint(copied) != cohort.fingerprint


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("table", cohorts.TABLES)
def test_truncated_records(copied, table, share):
    record = next((copied / table).rglob("*array_record*"))
    record.write_bytes(record.read_bytes()[: int(share * record.stat().st_size)])
    with pytest.raises(InputError, match=str(copied / table)):
        cohorts.load_cohort(copied)


@pytest.mark.parametrize(
    "folds", [[["P001"]], [["P001", "P001"], []], [], "P001", [["P001", 3]], None, {"folds": []}]
)
def test_folds_that_do_not_partition_the_patients(tmp_path, folds):
    (tmp_path / "split.json").write_text(json.dumps({"folds": folds}))
    with pytest.raises(InputError, match="split.json"):
        cohorts.read_folds(tmp_path / "split.json", ("P001", "P002"))


def test_genes_must_fit_the_expression(copied):
    (copied / "genes.txt").write_text("EGFR\nKRAS\n")
    with pytest.raises(InputError, match="genes.txt: 2 genes, but the expression vectors have 200"):
        cohorts.load_cohort(copied)


def test_nobody_left_gives_the_reasons(tmp_path):
    collected = cohorts.Collected(patients=[], genes=[], qc=[{"patient": "A", "kept": False, "reason": "no CT"}])
    with pytest.raises(InputError, match="no usable patient; reasons met: no CT"):
        cohorts.write_cohort(tmp_path / "out", collected, [], {})
    assert list(tmp_path.iterdir()) == []


def test_prepare_again_changes_nothing_and_other_settings_are_refused(cohort_folder, make_config):
    before = {path: path.stat().st_mtime_ns for path in cohort_folder.rglob("*")}
    prepare.prepare(make_config(), cohort_folder)
    with pytest.raises(InputError, match="made with other settings"):
        prepare.prepare(make_config(data={"folds": 3}), cohort_folder)
    assert before == {path: path.stat().st_mtime_ns for path in cohort_folder.rglob("*")}


def test_interrupted_preparation_leaves_nothing(make_config, tmp_path, monkeypatch):
    def fail(directory, collected):
        raise KeyboardInterrupt

    monkeypatch.setattr(cohorts.qc, "write_qc", fail)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(make_config(phantom={"patients": 5}), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
