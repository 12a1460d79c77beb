"""Another cohort's patients are mapped by the generator trained on everybody, and only they."""

import dataclasses

import numpy as np
import pytest

from radiogenomics.analysis import mapping, patient_effects, transfer
from radiogenomics.errors import InputError


@pytest.fixture
def whole(run):
    """The tiny run as if its first fold had been trained on everybody."""
    return dataclasses.replace(run, whole=run.folds[0])


def part_of(cohort, rows, **changes):
    """A cohort of some patients, genes in another order, as if made elsewhere."""
    patches = {}
    for name in ("nodules", "backgrounds"):
        table = getattr(cohort, name)
        kept = np.isin(table.patient, rows)
        patches[name] = dataclasses.replace(
            table, image_hu=table.image_hu[kept], mask=None if table.mask is None else table.mask[kept],
            patient=np.searchsorted(rows, table.patient[kept]), slice=table.slice[kept],
        )
    return dataclasses.replace(
        cohort, patients=tuple(cohort.patients[row] for row in rows), genes=cohort.genes[::-1],
        expression=cohort.expression[rows][:, ::-1], covariates=cohort.covariates.iloc[rows],
        measurements=cohort.measurements.iloc[rows], fingerprint="elsewhere", folds=(), **patches, **changes,
    )


def test_new_patients_are_seen_as_the_old_ones_were(whole, run):
    rows = run.folds[0].held_out
    carried = transfer.carry_over(whole, part_of(run.cohort, rows))
    (fold,) = carried.folds
    np.testing.assert_allclose(fold.components[fold.held_out], run.folds[0].components[rows], atol=1e-5)
    np.testing.assert_allclose(fold.components[fold.training], run.folds[0].components, atol=1e-5)
    assert [carried.cohort.patients[row] for row in fold.held_out] == [run.cohort.patients[row] for row in rows]
    assert carried.cohort.patients[0] == f"{run.cohort.patients[0]} (trained on)"
    for name in ("nodules", "backgrounds"):
        own, joined = getattr(run.cohort, name), getattr(carried.cohort, name)
        assert (joined.image_hu[joined.patient == 25] == own.image_hu[own.patient == rows[1]]).all()


def test_the_map_is_of_the_new_patients_alone(whole, run, monkeypatch):
    seen = []

    def make_effects(run, names, folds, weights):
        seen.extend(folds)
        values = np.random.default_rng(0).standard_normal((sum(len(rows) for _, rows in folds), 4, 2))
        gradient = np.concatenate([values, values, values[..., :1]], axis=-1)
        image = np.zeros((1, 16, 16))
        return patient_effects.Effects(
            gradient, values[..., :1], values[:, :1, :1], values[:, :3, 0], image, image
        )

    monkeypatch.setattr(patient_effects, "measure_effects", make_effects)
    other = part_of(run.cohort, run.folds[0].held_out)
    asked = {"genes": run.cohort.genes[:2], "features": ["mean_hu"], "weights": np.eye(200)[:, :1]}
    dataset = mapping.radiogenomic_map(whole, other, **asked)
    assert list(dataset["patient"].values) == list(other.patients)
    assert dataset.attrs["cohort_fingerprint"] == "elsewhere" and len(seen) == 1
    own = mapping.radiogenomic_map(whole, run.cohort, **asked)
    assert sorted(own["patient"].values) == sorted(run.cohort.patients)


def test_cohorts_that_cannot_be_mapped_are_told(whole, run):
    other = part_of(run.cohort, run.folds[0].held_out)
    with pytest.raises(InputError, match="no fold trained on everybody.*train.train_on_all=True"):
        transfer.carry_over(run, other)
    fewer = dataclasses.replace(other, genes=other.genes[:-1], expression=other.expression[:, :-1])
    with pytest.raises(InputError, match=f"gene '{run.cohort.genes[0]}' of the run is missing \\(1 of 200\\)"):
        transfer.carry_over(whole, fewer)
    with pytest.raises(InputError, match="patches are .* mm wide"):
        transfer.carry_over(whole, dataclasses.replace(other, spacing_mm=3.0))
