"""Loading a run: what training fitted, nothing else."""

import json
import shutil

import numpy as np
import pytest

import radiogenomics
from radiogenomics.analysis.run import load_run
from radiogenomics.data import transform as gene_transform
from radiogenomics.errors import InputError


def test_folds_hold_what_training_stored(run, cohort, workdir):
    assert [fold.name for fold in run.folds] == ["fold_0", "fold_1"] and run.whole is None
    for fold, held_out in zip(run.folds, cohort.folds, strict=True):
        assert [cohort.patients[row] for row in fold.held_out] == list(held_out)
        assert not set(fold.training) & set(fold.held_out)
        stored = gene_transform.load_transform(workdir / fold.name / "transform")
        np.testing.assert_array_equal(fold.transform.loadings, stored.loadings)
        np.testing.assert_allclose(fold.components[fold.training].std(axis=0), 1.0, atol=1e-3)
        np.testing.assert_allclose(fold.genes @ stored.loadings, fold.components, atol=1e-4)
    for row in range(24):
        assert row in run.fold_of(row).held_out


def test_cohort_is_found_where_it_was_and_where_it_moved(workdir, cohort_folder, tmp_path):
    assert radiogenomics.load_run(str(workdir)).cohort.directory == cohort_folder
    moved = shutil.copytree(cohort_folder, tmp_path / "moved")
    assert load_run(workdir, moved).cohort.directory == moved


def test_what_is_not_a_finished_run(workdir, cohort, tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        load_run(tmp_path, cohort)
    copied = shutil.copytree(workdir, tmp_path / "copied")
    (copied / "fold_1" / "TRAIN_DONE").unlink()
    with pytest.raises(InputError, match="fold_1: not trained to the end"):
        load_run(copied, cohort)
    environment = json.loads((copied / "environment.json").read_text())
    (copied / "environment.json").write_text(json.dumps(environment | {"cohort": str(tmp_path / "gone")}))
    with pytest.raises(InputError, match="gone: not a cohort folder"):
        load_run(copied)
    settings = json.loads((copied / "config.json").read_text())
    del settings["model"]["dtype"]
    (copied / "config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="config.json: written by another version .*model.dtype"):
        load_run(copied, cohort)
