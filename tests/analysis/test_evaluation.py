"""evaluation.json of the tiny run: complete, on held-out patients, the background untouched."""

import dataclasses
import json

import numpy as np
import pytest

from radiogenomics.analysis import evaluation, synthesis


def test_background_is_untouched_exactly(evaluated):
    assert evaluated["background_max_abs_error_hu"] == 0.0


def test_contents_follow_the_contract(evaluated, run, workdir, config):
    assert json.loads((workdir / "evaluation.json").read_text()) == evaluated
    assert evaluated["patients"] == list(run.cohort.patients)
    assert evaluated["folds"] == [list(fold) for fold in run.cohort.folds]
    assert set(evaluated["gate"]) == set(config.map.features)
    expected = {"r", "r_low", "r_high", "p", "p_holm", "r_shuffled", "r_best_direct", "best_direct", "ceiling",
                "in_loss", "supported"}
    for name, row in evaluated["gate"].items():
        assert expected <= set(row)
        assert row["in_loss"] == (name in config.train.radiomic_features)
        assert 0.0 < row["p"] <= row["p_holm"] <= 1.0
    linked = {link["feature"] for link in run.cohort.truth["links"]}
    assert {name for name, row in evaluated["gate"].items() if row["ceiling"] is not None} == linked
    assert set(evaluated["memorisation"]) == {"nearest_synthetic_hu", "nearest_held_out_hu", "ratio", "copies"}
    assert 0.0 <= evaluated["mask"]["dice_synthetic"] <= 1.0 and evaluated["mask"]["dice_real"] > 0.5


def test_every_patient_is_synthesised_once_by_the_fold_that_never_saw_it(run):
    samples = evaluation.sample_held_out(run, ("mean_hu",))
    assert sorted(sample.row for sample in samples) == list(range(24))
    assert all(sample.image_hu.shape == (4, 16, 16) for sample in samples)
    sample = samples[0]
    fold = run.fold_of(sample.row)
    assert sample.row not in fold.training
    draws = synthesis.make_draws(run, fold, 2, 2)
    image_hu, _ = synthesis.images_of(run, fold, fold.components[sample.row], draws)
    np.testing.assert_array_equal(image_hu, sample.image_hu)


def test_a_generator_without_nodules_is_told_not_hidden(run, tmp_path):
    """All masks empty: nothing is measured, nothing supported, and the file is still written."""
    folds = []
    for fold in run.folds:
        head = fold.variables["params"]["head"]
        empty = fold.variables["params"] | {"head": head | {"bias": head["bias"] + np.array([0.0, -1000.0], np.float32)}}
        folds.append(dataclasses.replace(fold, variables={"params": empty}))
    result = evaluation.evaluate(dataclasses.replace(run, folds=tuple(folds), workdir=tmp_path))
    assert result["mask"]["empty_share"] == 1.0 and result["mask"]["dice_synthetic"] == 0.0
    assert not any(row["supported"] for row in result["gate"].values())
    assert result["background_max_abs_error_hu"] == 0.0
    assert (tmp_path / "evaluation.json").exists()


def test_draws_come_from_training_patients_and_are_the_same_for_all(run):
    for fold in run.folds:
        draws = synthesis.make_draws(run, fold, 3, 2)
        assert draws.background.shape == (6, 16, 16, 1) and draws.noise.shape == (6, 3)
        held_out = np.isin(run.cohort.backgrounds.patient, fold.held_out)
        low, high = run.config.data.window_hu
        images = np.clip(run.cohort.backgrounds.image_hu.astype(np.float32), low, high)
        shown = np.unique((draws.background[..., 0] + 1.0) * (high - low) / 2 + low, axis=0)
        matches = np.abs(shown[:, None] - images[None]).max(axis=(2, 3)) < 0.1
        assert matches.any(axis=1).all() and not (matches & held_out).any()


@pytest.mark.parametrize("backgrounds, noises", [(2, 3), (1, 1)])
def test_every_background_meets_every_noise(run, backgrounds, noises):
    draws = synthesis.make_draws(run, run.folds[0], backgrounds, noises)
    pairs = {(image.tobytes(), noise.tobytes()) for image, noise in zip(draws.background, draws.noise, strict=True)}
    assert len(pairs) == backgrounds * noises
