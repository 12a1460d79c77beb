"""Likeness as a whole: every measure tells the generator's rivals from new nodules of the real kind."""

import numpy as np
import pytest
from made_up_run import NAMES, empty_samples, make_run, make_samples

from radiogenomics.analysis import extractors, likeness, rivals

SPACE = {f"{key}{end}" for key in ("density", "coverage") for end in ("", "_low", "_high", "_floor")} | {
    "kid", "kid_low", "kid_high", "floor",
}
MASK = {
    "dice", "dice_low", "dice_high", "dice_real", "empty_share", "area_share", "area_share_real", "area_wasserstein",
    "sphericity_wasserstein", "spiculation_wasserstein",
}
AUDIT = {
    "nearest_synthetic_hu", "nearest_held_out_hu", "ratio", "copies", "membership_auc", "membership_auc_low",
    "membership_auc_high",
}


@pytest.fixture(scope="module", params=[2, 3])
def scores(request):
    run = make_run(ndim=request.param, size=12)
    candidates = {
        "generator": make_samples(run), "no-op": rivals.no_op(run, NAMES), "copy": rivals.copy_training(run, NAMES),
        "empty": empty_samples(run),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extractors, "STEPS", 20 if request.param == 2 else 4)
        patch.setattr(extractors, "CHUNK", 72)
        return likeness.score_likeness(run, NAMES, candidates)


def test_contents_follow_the_contract(scores):
    assert set(scores) == {"realism", "mask", "memorisation"}
    for part in scores.values():
        assert list(part) == ["generator", "no-op", "copy", "empty"]
    for row in scores["realism"].values():
        assert set(row) == {"radiomic", "random", "trained", "frechet", "hu_wasserstein", "sd_between_patients"}
        assert all(set(row[space]) == SPACE for space in ("radiomic", "random", "trained"))
        assert all(set(row[part]) == {"value", "low", "high", "floor"} for part in ("frechet", "hu_wasserstein"))
        assert set(row["sd_between_patients"]) == set(NAMES)
    assert all(set(row) == MASK for row in scores["mask"].values())
    assert all(set(row) == AUDIT for row in scores["memorisation"].values())


def test_adding_nothing_loses_in_every_space(scores):
    for space in ("radiomic", "random", "trained"):
        fresh, nothing = scores["realism"]["generator"][space], scores["realism"]["no-op"][space]
        assert nothing["kid_low"] > fresh["kid_high"] and nothing["kid_low"] > 1.0 and fresh["kid_low"] < 0.5
        assert nothing["density"] < 0.6 * fresh["density"] and fresh["density"] > 0.6
        assert nothing["coverage_high"] < fresh["coverage_low"]
    for part, least in (("frechet", 5.0), ("hu_wasserstein", 200.0)):
        fresh, nothing = scores["realism"]["generator"][part], scores["realism"]["no-op"][part]
        assert nothing["low"] > max(fresh["high"], least) and fresh["low"] <= fresh["value"] < 3 * fresh["floor"]
    assert scores["mask"]["no-op"]["dice_high"] < scores["mask"]["generator"]["dice_low"]


def test_copies_look_real_but_are_found_out(scores):
    for space in ("radiomic", "random", "trained"):
        assert scores["realism"]["copy"][space]["kid"] < 0.5 * scores["realism"]["no-op"][space]["kid"]
    fresh, copied = scores["memorisation"]["generator"], scores["memorisation"]["copy"]
    assert copied["copies"] == 1.0 and copied["ratio"] < 0.05 and copied["membership_auc_low"] > 0.8
    assert fresh["copies"] < 0.3 and fresh["ratio"] > 0.7 and abs(fresh["membership_auc"] - 0.5) < 0.15


def test_new_nodules_have_the_shapes_and_spread_of_real_ones(scores):
    row = scores["mask"]["generator"]
    assert row["dice"] == pytest.approx(row["dice_real"], abs=0.05) and row["dice"] > 0.8
    assert row["area_wasserstein"] < 0.6 and row["sphericity_wasserstein"] < 0.6
    spread = scores["realism"]["generator"]["sd_between_patients"]["mean_hu"]
    assert 0.6 < spread["synthetic"] / spread["real"] < 1.6


def test_no_nodules_no_scores(scores):
    realism, mask = scores["realism"]["empty"], scores["mask"]["empty"]
    for space in ("radiomic", "random", "trained"):
        assert np.isnan([realism[space][key] for key in ("kid", "kid_low", "density", "coverage_high")]).all()
        assert np.isfinite(realism[space]["floor"])
    assert np.isnan(realism["frechet"]["value"]) and np.isnan(realism["hu_wasserstein"]["value"])
    assert np.isnan(realism["sd_between_patients"]["mean_hu"]["synthetic"])
    assert mask["empty_share"] == 1.0 and mask["dice"] == 0.0 and np.isnan(mask["area_wasserstein"])
    assert np.isnan(list(scores["memorisation"]["empty"].values())).all()


@pytest.mark.filterwarnings("error:::radiogenomics")
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_no_nodules_no_warnings(monkeypatch):
    monkeypatch.setattr(extractors, "STEPS", 2)
    run = make_run(patients=10)
    result = likeness.score_likeness(run, NAMES, {"generator": empty_samples(run)})
    assert np.isnan(result["realism"]["generator"]["trained"]["kid"])


def test_draws_are_capped_and_spread_over_all(monkeypatch):
    monkeypatch.setattr(likeness, "DRAWS", 3)
    samples = make_samples(make_run(patients=4))
    stacked = likeness._stack(samples)
    assert stacked.owner.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    np.testing.assert_array_equal(stacked.mask[:3], samples[0].mask[[0, 2, 5]])
    np.testing.assert_array_equal(stacked.features[3:6], samples[1].features[[0, 2, 5]])
