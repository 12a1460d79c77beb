"""A batch that moves genes' predictions and features shows as a hit without adjustment and as a range with it."""

import types

import ml_collections
import numpy as np
import pandas as pd
import pytest

from radiogenomics.analysis import confounders, features, gene_effects, statistics

FOLDS = np.split(np.arange(80), 2)


@pytest.fixture
def made_up():
    """(run, predicted, measured, adjusted): gene 0 follows feature 0 everywhere, gene 1 at site A only, gene 2 only the
    batch, which moves feature 1."""
    generator = np.random.default_rng(0)
    batch, site = np.arange(80) % 2, np.where(np.arange(80) // 2 % 2, "A", "B")
    adjusted = generator.standard_normal((80, 2))
    predicted = generator.standard_normal((80, 2, 3)).astype(np.float32)
    predicted[:, 0, 0] += 3 * adjusted[:, 0]
    predicted[:, 0, 1] += 3 * adjusted[:, 0] * (site == "A")
    predicted[:, 1, 2] += 3 * batch
    measured = adjusted + np.stack([0 * batch, 3 * batch], axis=1)
    covariates = pd.DataFrame({"site": site, "sequencing_batch": batch.astype(str), "age": 60.0})
    run = types.SimpleNamespace(
        cohort=types.SimpleNamespace(covariates=covariates),
        config=ml_collections.ConfigDict({"seed": 0, "map": {"permutations": 199}}),
    )
    return run, predicted, measured, adjusted


def make_table(run, unadjusted, predicted, adjusted):
    groups = confounders.find_groups(run.cohort.covariates, FOLDS)
    low, high = gene_effects.score_range(predicted, adjusted, [kept for _, kept in groups])
    return confounders.confounder_table(unadjusted, types.SimpleNamespace(low=low, high=high), groups)


def test_what_the_batch_alone_explains_is_kept_beside(made_up):
    run, predicted, measured, adjusted = made_up
    unadjusted = statistics.permutation_evidence(predicted, measured, FOLDS, 199, 0)
    table = make_table(run, unadjusted, predicted, adjusted)
    adjusted_score = statistics.permutation_evidence(predicted, adjusted, FOLDS, 199, 0)
    assert float(table["score_unadjusted"][2, 1]) > 0.5 and float(table["p_unadjusted"][2, 1]) == pytest.approx(1 / 200)
    assert adjusted_score.score[2, 1] < 0.3
    np.testing.assert_allclose(table["score_unadjusted"][:, 0], adjusted_score.score[:, 0], atol=1e-6)
    assert all(table[name].dtype == np.float32 and table[name].attrs["note"] for name in table)


def test_the_range_shows_a_link_of_one_site_only(made_up):
    run, predicted, measured, adjusted = made_up
    unadjusted = statistics.permutation_evidence(predicted, measured, FOLDS, 99, 0)
    table = make_table(run, unadjusted, predicted, adjusted)
    low, high = table["score_range_low"][:, 0], table["score_range_high"][:, 0]
    assert float(low[0]) > 0.8 and float(low[1]) < 0.4 and float(high[1]) > 0.8
    told = table["score_range_low"].attrs["note"]
    assert "site A (40 of 80 patients); site B" in told and "sequencing batch 1" in told


def test_the_range_is_over_scores_of_the_patients_left(made_up):
    run, predicted, _, adjusted = made_up
    kept = [folds for _, folds in confounders.find_groups(run.cohort.covariates, FOLDS)]
    low, high = gene_effects.score_range(predicted, adjusted, kept)
    scores = [
        np.mean([np.corrcoef(predicted[rows, 1, 2], adjusted[rows, 1])[0, 1] for rows in folds]) for folds in kept
    ]
    assert len(scores) == 4
    assert (low[2, 1], high[2, 1]) == pytest.approx((min(scores), max(scores)), abs=1e-5)


def test_groups_without_which_a_fold_is_too_small_stay_in(made_up):
    covariates = made_up[0].cohort.covariates.assign(sequencing_batch="only one", site=["unknown"] * 76 + ["C"] * 4)
    assert [name for name, _ in confounders.find_groups(covariates, FOLDS)] == ["site C (4 of 80 patients)"]
    assert confounders.find_groups(covariates[["age"]], FOLDS) == []
    low, high = gene_effects.score_range(made_up[1], made_up[3], [])
    assert np.isnan(low).all() and np.isnan(high).all()


def test_the_map_keeps_them_beside_its_score(mapped, run):
    names = list(mapped["feature"].values)
    rows = run.cohort.indices(list(mapped["patient"].values))
    difference = features.real_features(run.cohort, names).to_numpy()[rows] - mapped["feature_value"].values
    assert np.nanmax(np.abs(difference)) > 0.0
    for name in ("score_unadjusted", "p_unadjusted", "score_range_low", "score_range_high"):
        assert mapped[name].dims == ("gene", "feature")
    assert np.isfinite(mapped["score_unadjusted"]).all() and (mapped["score_unadjusted"] != mapped["score"]).any()
    assert not (mapped["score_range_low"] > mapped["score_range_high"]).any()
