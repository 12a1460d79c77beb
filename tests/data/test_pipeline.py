"""Index batches: training patients only, each as often as the others, the same for the same seed."""

import asyncio
import dataclasses
import itertools

import jax
import numpy as np
import pytest

from radiogenomics.data import pipeline
from radiogenomics.errors import InputError

ROWS = np.array([1, 2, 5, 7, 11, 12, 13], np.int32)


def draw(cohort, seed=0, batch_size=8, count=20):
    return list(itertools.islice(pipeline.index_batches(cohort, ROWS, batch_size, seed), count))


def test_only_training_patients_are_drawn(cohort):
    for batch in draw(cohort):
        assert np.isin(batch["patient"], ROWS).all()
        assert np.isin(batch["other"], ROWS).all()
        assert {name: values.dtype for name, values in batch.items()} == dict.fromkeys(batch, np.dtype(np.int32))


def test_patches_belong_to_the_patient_and_other_is_another(cohort):
    for batch in draw(cohort):
        np.testing.assert_array_equal(cohort.nodules.patient[batch["nodule"]], batch["patient"])
        np.testing.assert_array_equal(cohort.backgrounds.patient[batch["background"]], batch["patient"])
        assert (batch["other"] != batch["patient"]).all()


def test_patients_weigh_equally_whatever_their_slices(cohort):
    # One patient keeps a single slice, another shows six times as many.
    kept = np.flatnonzero(cohort.nodules.patient == 1)[1:]
    order = np.concatenate([np.setdiff1d(np.arange(len(cohort.nodules.patient)), kept)]
                           + [np.flatnonzero(cohort.nodules.patient == 2)] * 5)
    nodules = dataclasses.replace(cohort.nodules, patient=cohort.nodules.patient[order])
    uneven = dataclasses.replace(cohort, nodules=nodules)
    drawn = np.concatenate([batch["patient"] for batch in draw(uneven, batch_size=7, count=10)])
    np.testing.assert_array_equal(np.bincount(drawn, minlength=14)[ROWS], 10)


def test_others_and_slices_are_drawn_evenly(cohort):
    batches = draw(cohort, batch_size=7, count=300)
    others = np.bincount(np.concatenate([batch["other"] for batch in batches]), minlength=14)[ROWS]
    nodules = np.bincount(np.concatenate([batch["nodule"] for batch in batches]))
    nodules = nodules[np.isin(cohort.nodules.patient[: len(nodules)], ROWS)]
    assert np.abs(others - 300).max() < 5 * np.sqrt(300)
    assert np.abs(nodules - 150).max() < 5 * np.sqrt(150)


def test_draws_depend_on_the_seed_alone(cohort):
    one, again, other = draw(cohort, 3), draw(cohort, 3), draw(cohort, 4)
    for first, second in zip(one, again, strict=True):
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
    assert any((first["nodule"] != second["nodule"]).any() for first, second in zip(one, other, strict=True))


class Folder:
    """A folder as Orbax hands it to what is saved."""

    def __init__(self, path):
        self.path = path

    async def await_creation(self):
        return self.path


def store(batches, folder):
    async def run():
        await (await batches.save(Folder(folder)))

    asyncio.run(run())


def resume(batches, folder):
    async def run():
        await (await batches.load(folder))

    asyncio.run(run())


def test_iterator_continues_where_it_was_whatever_the_process(cohort, tmp_path, monkeypatch):
    batches = pipeline.index_batches(cohort, ROWS, 8, 0)
    for _ in range(3):
        next(batches)
    store(batches, tmp_path)
    expected = [next(batches) for _ in range(4)]
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    resumed = pipeline.index_batches(cohort, ROWS, 8, 0)
    store(resumed, tmp_path)  # The second process writes nothing.
    resume(resumed, tmp_path)
    for batch in expected:
        for name, values in next(resumed).items():
            np.testing.assert_array_equal(values, batch[name])


def test_too_few_patients(cohort):
    with pytest.raises(InputError, match="1 training patients"):
        pipeline.index_batches(cohort, ROWS[:1], 8, 0)


def test_patient_without_patches_is_named(cohort):
    backgrounds = dataclasses.replace(cohort.backgrounds, patient=np.zeros_like(cohort.backgrounds.patient))
    with pytest.raises(InputError, match=f"'{cohort.patients[1]}' has no background patch"):
        pipeline.index_batches(dataclasses.replace(cohort, backgrounds=backgrounds), ROWS, 8, 0)
