"""What is measured of each patient, and the mean over trainings."""

import dataclasses

import numpy as np

from radiogenomics.analysis import jacobian, patient_effects, synthesis
from radiogenomics.errors import InputError


def test_a_metagene_moves_the_same_background_and_noise(run):
    """An effect of zero weight is exactly zero: nothing but the genes differs between the two ends."""
    fold = run.folds[0]
    draws = synthesis.make_draws(run, fold, 1, 1)
    measure = synthesis.measured_images(run, ("mean_hu",))
    still = dataclasses.replace(fold, components=fold.components * 0.0)
    weights = np.ones((200, 1)) / 200
    effects, image, mask = patient_effects.perturb_metagenes(still, fold.held_out[:2], weights, draws, measure)
    assert effects.shape == (2, 1, 1)
    np.testing.assert_array_equal(effects, 0.0)
    np.testing.assert_array_equal(image, 0.0)
    np.testing.assert_array_equal(mask, 0.0)


def make_effects(generator, shift):
    """`Effects` of 40 patients, two quantities, three genes and metagenes, whose means lie `shift` higher."""
    values = generator.standard_normal((40, 2, 3)) + shift
    return patient_effects.Effects(*[values] * 3, values[:, :, 0], values[0, :1], values[0, :1])


def test_trainings_are_averaged_and_their_seeds_have_an_error():
    generator = np.random.default_rng(0)
    each = [make_effects(generator, shift) for shift in (0.0, 1.0, 5.0)]
    mean, seeds = patient_effects.average_effects(each)
    np.testing.assert_allclose(mean.metagene_effect, np.mean([one.metagene_effect for one in each], axis=0), rtol=1e-5)
    means = [one.metagene_effect.mean(axis=0) for one in each]
    np.testing.assert_allclose(seeds["metagene_effect"], np.var(means, axis=0, ddof=1) / 3)
    alone, none = patient_effects.average_effects(each[:1])
    assert alone is each[0] and all((values == 0.0).all() for values in none.values())


def test_draws_that_do_not_fit_together_are_taken_in_parts(run, monkeypatch):
    fold = run.folds[0]
    draws, rows = synthesis.make_draws(run, fold, 2, 1), fold.held_out[:2]
    whole = jacobian.feature_sensitivity(synthesis.mean_features(run, ("mean_hu",)))
    seen = []

    def plan(quantities, variables, component, draws, memory_mb):
        seen.append(len(draws.noise))
        if len(draws.noise) > 1:
            raise InputError("too much")
        return 1

    monkeypatch.setattr(jacobian, "plan_gradients", plan)
    found = patient_effects.component_gradients(run, ("mean_hu",))(fold, rows, draws)
    expected = np.stack([whole(fold.variables, fold.components[row], draws) for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert seen == [2, 1] and np.abs(expected).max() > 0
