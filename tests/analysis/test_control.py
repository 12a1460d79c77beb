"""Gene control is scored alike for the generator and for anybody else's samples."""

import dataclasses
import types

import numpy as np
import pytest

from radiogenomics.analysis import control, features, rivals
from radiogenomics.models import response

NAMES = ("mean_hu", "equivalent_diameter_mm", "elongation")


@pytest.fixture(scope="module")
def predictions(run):
    """Direct predictions that are simply the real features with noise, so that nothing has to be fitted."""
    real = features.real_features(run.cohort, NAMES).to_numpy()
    noise = np.random.default_rng(0).standard_normal(real.shape)
    return {"ridge": np.nan_to_num(real) + np.nanstd(real, axis=0) * noise}


def make_samples(run, draws=4):
    """Samples whose features are the patients' own real ones, the same in every draw."""
    real = features.real_features(run.cohort, NAMES).to_numpy()
    return [types.SimpleNamespace(row=row, features=np.tile(real[row], (draws, 1))) for row in range(len(real))]


def test_a_perfect_generator_is_told_as_such(run, predictions):
    scores = control.score_control(run, NAMES, make_samples(run), predictions)
    assert set(scores) == {"gate", "gate_summary", "retrieval", "values", "sensitivity", "diversity"}
    row = scores["gate"]["mean_hu"]
    assert row["r_unadjusted"] == pytest.approx(1.0, abs=1e-4) and row["supported"] and row["best_direct"] == "ridge"
    assert row["ratio"] == pytest.approx(row["r"] / row["r_best_direct"], rel=1e-5)
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"] and row["link"] == "linear"
    assert scores["gate"]["elongation"]["link"] == "interaction"
    assert scores["sensitivity"]["mean_hu"]["genes"] == pytest.approx(1.0)
    assert scores["diversity"]["mean_hu"]["noise"] == scores["diversity"]["mean_hu"]["ratio"] == 0.0
    assert scores["retrieval"]["r_at_1"] > 0.5


def test_summary_follows_from_the_table(run, predictions):
    scores = control.score_control(run, NAMES, make_samples(run), predictions)
    table, summary = scores["gate"], scores["gate_summary"]
    ratios = {name: table[name]["ratio"] for name in ("mean_hu", "equivalent_diameter_mm")}
    assert summary["linear_mean_ratio"] == pytest.approx(np.mean(list(ratios.values())), rel=1e-5)
    assert summary["linear_mean_ratio_low"] < summary["linear_mean_ratio"] < summary["linear_mean_ratio_high"]
    assert summary["linear_worst_feature"] == min(ratios, key=ratios.get)
    assert summary["linear_worst_ratio"] == min(ratios.values())
    assert summary["nonlinear"] == {"elongation": {key: table["elongation"][key] for key in ("r", "r_best_direct")}}
    assert summary["unseen"] == {}


def test_without_planted_truth_there_is_no_summary(run, predictions):
    real = features.real_features(run.cohort, NAMES).to_numpy()
    bare = types.SimpleNamespace(patients=run.cohort.patients, truth=None)
    config = run.config.copy_and_resolve_references()
    config.train.radiomic_features = ["mean_hu"]
    unplanted = types.SimpleNamespace(config=config, folds=run.folds, cohort=bare)
    table, summary = control.score_features(unplanted, NAMES, real, real, real, predictions)
    assert summary is None
    assert all(row["link"] is None and np.isnan(row["ceiling"]) for row in table.values())
    assert [bool(row["in_loss"]) for row in table.values()] == [True, False, False]


def test_samples_of_a_rival_are_scored(run, predictions):
    scores = control.score_control(run, NAMES, rivals.copy_training(run, NAMES), predictions)
    assert scores["gate"]["mean_hu"]["r"] < 0.9
    assert np.isfinite(scores["sensitivity"]["mean_hu"]["genes"])


@pytest.mark.filterwarnings("error")
def test_samples_in_another_number_have_no_variance_shares(run, predictions):
    scores = control.score_control(run, NAMES, make_samples(run, draws=3), predictions)
    assert scores["gate"]["mean_hu"]["supported"]
    assert all(np.isnan(value) for value in scores["sensitivity"]["mean_hu"].values())


def test_the_response_surface_is_scored_beside_the_nodules(run):
    """Of two features of the loss one follows the surface and one its reverse; the third is not in the surface."""
    names = ("mean_hu", "edge_sharpness_hu_per_mm", "equivalent_diameter_mm")
    trained = run.config.train.radiomic_features
    generator = np.random.default_rng(0)
    surface = response.ResponseSurface(
        constant=np.zeros(8), linear=generator.standard_normal((8, 5)), quadratic=np.zeros((8, 5, 5))
    )
    folds = [
        dataclasses.replace(fold, variables=fold.variables | {"response": {"encoder": {"surface": surface}}})
        for fold in run.folds
    ]
    made = dataclasses.replace(run, folds=tuple(folds))
    expected = run.folds[0].components @ surface.linear.T
    for fold in folds:
        expected[fold.held_out] = fold.components[fold.held_out] @ surface.linear.T
    adjusted = np.stack([
        expected[:, trained.index("mean_hu")], expected[:, 0], -expected[:, trained.index("equivalent_diameter_mm")]
    ], axis=1)
    scored = control.correlate_response(made, names, adjusted, [fold.held_out for fold in folds])
    np.testing.assert_allclose(scored, [1.0, np.nan, -1.0], atol=1e-4)
