"""Rivals: what each puts where, on the generator's own draws, from training patients only."""

import numpy as np
import pytest
from made_up_run import NAMES, WINDOW_HU, make_run

from radiogenomics.analysis import evaluation, rivals, synthesis
from radiogenomics.data import window

ALL = (rivals.no_op, rivals.copy_training, rivals.paste_nearest)


@pytest.fixture(scope="module", params=[2, 3])
def made_up(request):
    return make_run(ndim=request.param, patients=10)


def backgrounds_of(run, fold):
    draws = synthesis.make_draws(run, fold, run.config.evaluate.backgrounds, run.config.evaluate.noises)
    return window.to_hu(draws.background[..., 0], WINDOW_HU)


def sources(run, sample):
    """For each draw the rows of the real nodules with its mask and, inside, its attenuation."""
    nodules = run.cohort.nodules
    real = np.clip(nodules.image_hu, *WINDOW_HU).astype(np.float32)
    return [
        [
            row for row in range(len(real))
            if np.array_equal(nodules.mask[row] > 0, mask) and np.array_equal(real[row][mask], image[mask])
        ]
        for image, mask in zip(sample.image_hu, sample.mask, strict=True)
    ]


@pytest.mark.parametrize("rival", ALL)
def test_every_held_out_patient_once_with_all_draws_and_the_background_kept(made_up, rival):
    samples = rival(made_up, NAMES)
    assert [sample.row for sample in samples] == list(range(10))
    for sample in samples:
        fold = made_up.folds[sample.row // 5]
        background_hu = backgrounds_of(made_up, fold)
        assert sample.image_hu.shape == sample.mask.shape == background_hu.shape
        assert sample.background_error_hu == 0.0 and np.isfinite(sample.features).all()
        np.testing.assert_array_equal(sample.image_hu[~sample.mask], background_hu[~sample.mask])


@pytest.mark.parametrize("rival", ALL)
def test_every_draw_uses_a_nodule_of_a_training_patient(made_up, rival):
    owners, masks = made_up.cohort.nodules.patient, made_up.cohort.nodules.mask > 0
    for sample in rival(made_up, NAMES):
        training = made_up.folds[sample.row // 5].training
        for mask in sample.mask:
            donors = owners[(masks == mask).all(axis=tuple(range(1, masks.ndim)))]
            assert np.isin(donors, training).any()


def test_no_op_adds_nothing(made_up):
    for sample in rivals.no_op(made_up, NAMES):
        np.testing.assert_array_equal(sample.image_hu, backgrounds_of(made_up, made_up.folds[sample.row // 5]))


def test_copies_are_of_several_patients(made_up):
    owners = made_up.cohort.nodules.patient
    for sample in rivals.copy_training(made_up, NAMES):
        found = sources(made_up, sample)
        assert all(len(rows) == 1 for rows in found)
        assert len({int(owners[rows[0]]) for rows in found}) > 1
        assert np.isin(owners[np.concatenate(found)], made_up.folds[sample.row // 5].training).all()


def test_nearest_patient_gives_one_slice_after_the_other(made_up):
    owners = made_up.cohort.nodules.patient
    for sample in rivals.paste_nearest(made_up, NAMES):
        fold = made_up.folds[sample.row // 5]
        apart = [np.square(fold.components[row] - fold.components[sample.row]).sum() for row in fold.training]
        slices = np.flatnonzero(owners == fold.training[int(np.argmin(apart))])
        assert [rows[0] for rows in sources(made_up, sample)] == [*slices, *slices]


def test_same_draws_as_the_generator(run):
    generated = evaluation.sample_held_out(run, ("mean_hu",))
    for rival in ALL:
        made = rival(run, ("mean_hu",))
        assert [sample.row for sample in made] == [sample.row for sample in generated]
        untouched = ~made[0].mask & ~generated[0].mask & (made[0].image_hu == generated[0].image_hu)
        assert untouched.mean() > 0.3 and made[0].image_hu.shape == generated[0].image_hu.shape
