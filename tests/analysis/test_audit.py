"""The retrained audit on the tiny run: permuted pairings, trained, compared, kept, and not repeated."""

import dataclasses
import json

import numpy as np
import pytest

from radiogenomics.analysis import audit
from radiogenomics.errors import InputError
from radiogenomics.train import loop


@pytest.fixture
def trainings(run, trainer, monkeypatch):
    """The cohorts of all trainings, which share the compiled functions of the tiny run."""
    seen, train = [], loop.train_folds

    def watch(trainer, names, workdir):
        seen.append(trainer.cohort)
        return train(trainer, names, workdir)

    monkeypatch.setattr(audit, "make_trainer", lambda config, cohort: trainer)
    monkeypatch.setattr(loop, "train_folds", watch)
    return seen


def test_an_audit_trains_on_permuted_pairings_and_goes_on_where_it_was(run, trainings, tmp_path):
    copy = dataclasses.replace(run, workdir=tmp_path)
    first = audit.audit_run(copy, permutations=1)
    result = audit.audit_run(copy, permutations=2)
    assert len(trainings) == 2 and json.loads((tmp_path / "audit.json").read_text()) == result
    assert result["all"]["null"][:1] == first["all"]["null"] and len(result["all"]["null"]) == 2
    assert not (tmp_path / "audit" / "fold_0" / "training").exists()
    assert result["all"]["largest"] == pytest.approx(max(row["largest"] for row in result["features"].values()))
    assert 1 / 3 - 1e-9 <= result["all"]["p"] <= 1.0 and len(result["features"]) == 9
    assert "2 times on fold 0" in audit.tell(result) and "strata of sequencing_batch, site" in audit.tell(result)
    cells, _ = audit.exchangeable_cells(run, run.folds[0])
    for cohort in trainings:
        assert (cohort.expression != run.cohort.expression).any(axis=1).sum() > 6
        for rows in cells:  # The same profiles, at other patients of the cell.
            np.testing.assert_array_equal(
                np.sort(np.nan_to_num(cohort.expression[rows]), axis=0),
                np.sort(np.nan_to_num(run.cohort.expression[rows]), axis=0),
            )
    assert (trainings[0].expression != trainings[1].expression).any()


def test_cells_keep_folds_and_strata_apart(run):
    fold, table = run.folds[1], run.cohort.covariates
    cells, strata = audit.exchangeable_cells(run, fold)
    assert strata == ["sequencing_batch", "site"]
    assert sorted(np.concatenate(cells)) == list(range(24))
    for rows in cells:
        assert len({(table["site"].iloc[row], table["sequencing_batch"].iloc[row]) for row in rows}) == 1
        assert len({row in fold.held_out for row in rows}) == 1


def test_what_no_training_reaches_is_told():
    null = [{"largest": [0.2, 0.3], "family_wise": 0, "hits": 0}, {"largest": [0.4, 0.1], "family_wise": 3, "hits": 7}]
    found = audit.summarise_audit(["a", "b"], {"largest": [0.5, 0.2]}, null)
    assert found["features"]["a"]["p"] == pytest.approx(1 / 3) and found["features"]["b"]["p"] == pytest.approx(2 / 3)
    assert found["all"] == {"largest": 0.5, "null": [0.3, 0.4], "p": pytest.approx(1 / 3)}
    assert found["family_wise_errors"] == 1 and found["false_hits"] == [0, 7]
    told = audit.tell(found | {"permutations": 2, "fold": 0, "held_out": 9, "strata": []})
    assert "never reached for: a." in told and "in 0 (p 0.33)" in told and "in 1 of 2" in told


def test_impossible_requests_are_told(run):
    with pytest.raises(InputError, match="permutations: 0; expected at least 1"):
        audit.audit_run(run, permutations=0)
    with pytest.raises(InputError, match="fold: 2; expected 0 to 1"):
        audit.audit_run(run, fold=2)
