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
    expected = {"r", "r_low", "r_high", "p", "p_holm", "r_shuffled", "r_shuffled_low", "r_shuffled_high",
                "r_best_direct", "best_direct", "ratio", "ratio_low", "ratio_high", "link", "ceiling", "in_loss",
                "supported"}
    for name, row in evaluated["gate"].items():
        assert expected <= set(row)
        assert row["in_loss"] == (name in config.train.radiomic_features)
        assert 0.0 < row["p"] <= row["p_holm"] <= 1.0
    linked = {link["feature"] for link in run.cohort.truth["links"]}
    assert {name for name, row in evaluated["gate"].items() if row["ceiling"] is not None} == linked
    assert {name for name, row in evaluated["gate"].items() if row["link"]} == linked


def test_what_moves_the_features_follows_the_contract(evaluated, config):
    assert set(evaluated["sensitivity"]) == set(evaluated["diversity"]) == set(config.map.features)
    for shares in evaluated["sensitivity"].values():
        assert set(shares) == {"genes", "background", "noise", "rest"}
        assert None in shares.values() or sum(shares.values()) == pytest.approx(1.0)
    for row in evaluated["diversity"].values():
        assert set(row) == {"noise", "background", "real", "ratio"}
    assert set(evaluated["gate_summary"]) == {
        "linear_mean_ratio", "linear_mean_ratio_low", "linear_mean_ratio_high", "linear_worst_ratio",
        "linear_worst_feature", "nonlinear", "unseen",
    }
    assert set(evaluated["gate_summary"]["unseen"]) == set(config.map.features) - set(config.train.radiomic_features)


def test_gene_codes_lie_beside_the_evaluation(evaluated, workdir, config):
    assert set(evaluated["gene_code"]) == {"neighbours", "agreement", "chance", "p", "features", "file"}
    assert evaluated["gene_code"]["features"] == list(config.map.features)
    assert (workdir / evaluated["gene_code"]["file"]).exists()


def test_likeness_is_told_of_every_candidate(evaluated):
    for part in ("realism", "mask", "memorisation"):
        assert set(evaluated[part]) == {"generator", "no-op", "copy"}
    assert 0.0 <= evaluated["mask"]["generator"]["dice"] <= 1.0


def test_findings_are_told_in_a_line_or_two(evaluated):
    lines = evaluation.tell(evaluated)
    assert lines[0].startswith(f"{sum(row['supported'] for row in evaluated['gate'].values())} of 9 features")
    summary = evaluated["gate_summary"] | {
        "linear_mean_ratio": 0.91, "linear_worst_ratio": 0.774, "linear_worst_feature": "spiculation",
    }
    told = evaluation.tell(evaluated | {"gate_summary": summary})
    assert len(told) == 2 and "0.91" in told[1] and "0.77 for spiculation" in told[1]
    assert len(evaluation.tell(evaluated | {"gate_summary": None})) == 1


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


@pytest.mark.long
def test_a_generator_without_nodules_is_told_not_hidden(run, tmp_path):
    """All masks empty: nothing is measured, nothing supported, and the file is still written."""
    folds = []
    for fold in run.folds:
        params = fold.variables["params"]
        bias = params["head"]["bias"] + np.array([0.0, -1000.0], np.float32)
        empty = params | {"head": params["head"] | {"bias": bias}}
        folds.append(dataclasses.replace(fold, variables=fold.variables | {"params": empty}))
    result = evaluation.evaluate(dataclasses.replace(run, folds=tuple(folds), workdir=tmp_path))
    assert result["mask"]["generator"]["empty_share"] == 1.0
    assert all(share is None for share in result["sensitivity"]["mean_hu"].values())
    assert not any(row["supported"] for row in result["gate"].values())
    assert result["background_max_abs_error_hu"] == 0.0
    assert (tmp_path / "evaluation.json").exists()


def test_draws_come_from_training_patients_and_are_the_same_for_all(run):
    for fold in run.folds:
        draws = synthesis.make_draws(run, fold, 3, 2)
        assert draws.background.shape == (6, 16, 16, 1) and draws.noise.shape == (6, 10)
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
