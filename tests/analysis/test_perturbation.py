"""Perturbations of a made-up run whose features are known functions of its genes, and of the trained one."""

import types

import ml_collections
import numpy as np
import pytest
from scipy import stats

from radiogenomics.analysis import (
    association,
    features,
    mapping,
    modification,
    patient_effects,
    perturbation,
    perturbed_items,
    synthesis,
)
from radiogenomics.errors import InputError

GENES = tuple(f"EGF{letter}" for letter in "ABCDEF")
NAMES = ("mean_hu", "elongation", "core_to_rim_hu")


def true_features(components):
    """A line in the first gene, the product of the second and third, the square of the fourth: [..., 3]."""
    first, second, third, fourth = np.moveaxis(components[..., :4], -1, 0)
    return np.stack([30.0 * first, second * third, 5.0 * np.square(fourth)], axis=-1)


@pytest.fixture
def known(monkeypatch):
    """A run of 60 patients in three folds whose generator is `true_features`; the encoder sees the genes themselves."""
    generator = np.random.default_rng(0)
    genes = generator.standard_normal((60, 6))
    genes[:, 4] = 0.8 * genes[:, 0] + 0.6 * genes[:, 4]  # moves with the first, and does nothing
    held_out = np.split(np.arange(60), 3)
    transform = types.SimpleNamespace(components=lambda standardised: standardised)
    folds = tuple(
        types.SimpleNamespace(
            name=f"fold_{number}", genes=genes, components=genes, variables=None, transform=transform,
            training=np.setdiff1d(np.arange(60), rows), held_out=rows,
        )
        for number, rows in enumerate(held_out)
    )
    patients = tuple(f"P{row:02d}" for row in range(60))
    cohort = types.SimpleNamespace(
        genes=GENES, patients=patients, fingerprint="abc",
        indices=lambda names: np.array([patients.index(name) for name in names], int),
    )
    config = ml_collections.ConfigDict({
        "seed": 0, "data": {"ndim": 2}, "evaluate": {"bootstraps": 400},
        "map": {"features": NAMES, "backgrounds": 1, "noises": 1, "permutations": 999},
    })
    monkeypatch.setattr(synthesis, "make_draws", lambda *arguments: None)
    monkeypatch.setattr(
        synthesis, "measured_features", lambda run, names: lambda variables, values, draws: (true_features(values),)
    )
    real = true_features(genes) + generator.standard_normal((60, 3)) * [10.0, 0.5, 2.0]
    monkeypatch.setattr(features, "real_features", lambda cohort, names: types.SimpleNamespace(to_numpy=lambda: real))
    monkeypatch.setattr(features, "adjust_features", lambda run, values: values)
    return types.SimpleNamespace(folds=folds, cohort=cohort, config=config)


def test_a_knocked_down_gene_ends_at_the_quantile_of_the_training_patients(known):
    dataset = perturbation.perturb(known, genes=["EGFA"], how="knock_down", together=False)
    for fold in known.folds:
        low = np.quantile(fold.genes[fold.training, 0], 0.025)
        shown = dataset.sel(item="EGFA", patient=[known.cohort.patients[row] for row in fold.held_out])
        moved = 30.0 * (low - fold.genes[fold.held_out, 0])
        np.testing.assert_allclose(shown["change"].sel(feature="mean_hu"), moved, rtol=1e-4)
        np.testing.assert_allclose(shown["change"].sel(feature="elongation"), 0.0)
        sd = fold.genes[fold.training, 0].std()
        np.testing.assert_allclose(shown["shift_sd"] * sd, low - fold.genes[fold.held_out, 0], atol=1e-6)
    up = perturbation.perturb(known, genes=["EGFA"], how="over_express", together=False)
    assert float(up["mean"].sel(item="EGFA", feature="mean_hu")) > 0 > float(dataset["mean"].sel(feature="mean_hu")[0])


def test_what_moves_with_a_gene_counts_only_together(known):
    alone = perturbation.perturb(known, genes="EGFE", together=False)
    together = perturbation.perturb(known, genes="EGFE")
    assert float(alone["mean"].sel(feature="mean_hu")[0]) == pytest.approx(0.0, abs=1e-4)
    training = known.folds[0].genes[known.folds[0].training]
    slope = np.cov(training[:, 0], training[:, 4], bias=True)[0, 1] / training[:, 4].std()
    change = together["change"].sel(item="EGFE", patient="P00", feature="mean_hu")
    assert float(change) == pytest.approx(2 * 30.0 * slope, rel=1e-4) and slope > 0.6


def test_a_set_is_the_mean_of_its_known_genes(known):
    sets = {"pair": ("EGFA", "EGFC", "absent"), "one": ["EGFA"]}
    dataset = perturbation.perturb(known, sets=sets, together=False)
    assert list(dataset["genes"].values) == [2, 1] and list(dataset["kind"].values) == ["set", "set"]
    fold = known.folds[0]
    sd = fold.genes[fold.training][:, [0, 2]].mean(axis=1).std()
    change = dataset["change"].sel(item="pair", patient="P00", feature="mean_hu")
    assert float(change) == pytest.approx(2 * 30.0 * sd, rel=1e-5)


def test_the_mean_and_its_error_are_over_patients(known):
    dataset = perturbation.perturb(known, genes=["EGFB"], together=False)
    change = dataset["change"].sel(item="EGFB", feature="elongation").values
    row = dataset.sel(item="EGFB", feature="elongation")
    assert float(row["mean"]) == pytest.approx(change.mean(), rel=1e-5)
    within = np.mean([change[rows].var() for rows in np.split(np.arange(60), 3)])
    assert float(row["se"]) == pytest.approx(np.sqrt(within / 60), rel=0.15)
    assert row["low"] < row["mean"] < row["high"]


def test_two_patients_have_a_mean_and_no_error(known):
    dataset = perturbation.perturb(known, genes=["EGFA"], patients=["P00", "P59"])
    assert np.isfinite(dataset["mean"]).all() and np.isnan(dataset["se"]).all()
    few = perturbation.perturb(known, genes=["EGFB"], patients=["P00", "P01", "P20", "P21", "P59"], together=False)
    assert float(few["se"].sel(feature="elongation")[0]) > 0


def test_a_dose_response_follows_the_curve(known):
    dataset = perturbation.dose_response(known, genes=["EGFA", "EGFD"], together=False)
    assert dataset["mean"].dims == ("item", "dose", "feature") and dataset["mean"].shape == (2, 13, 3)
    np.testing.assert_allclose(dataset["dose"], np.arange(-6, 7) / 2)
    line = dataset["mean"].sel(item="EGFA", feature="mean_hu").values
    np.testing.assert_allclose(np.diff(line), 15.0 * known.folds[0].genes[:, 0].std(), rtol=0.1)
    curve = dataset["mean"].sel(item="EGFD", feature="core_to_rim_hu")
    assert abs(float(curve.idxmin("dose"))) <= 0.5 and float(curve[0]) > 20 < float(curve[-1])
    flat = dataset.sel(item="EGFA", feature="elongation")
    np.testing.assert_allclose(flat["high"] - flat["low"], float((flat["high"] - flat["low"])[0]), rtol=1e-4)


def test_support_counts_the_patients_near_a_dose():
    scores = np.array([[-3.2], [-0.1], [0.1], [0.24], [1.1], [9.0]])
    np.testing.assert_allclose(
        perturbation.dose_support(scores, np.array([-3.0, 0.0, 0.5, 1.0])), [[1 / 6, 3 / 6, 0.0, 1 / 6]]
    )
    normal = np.random.default_rng(0).standard_normal((20000, 1))
    expected = np.diff(stats.norm.cdf(np.arange(-6.5, 7.0) / 2))
    np.testing.assert_allclose(perturbation.dose_support(normal, perturbation.DOSES)[0], expected, atol=0.015)


def test_the_range_is_that_of_the_cohort(known):
    dataset = perturbation.dose_response(known, genes=["EGFB"], doses=[-1, 0, 1])
    weights = np.eye(6)[:, [1]]
    scores = np.concatenate([association.metagene_scores(fold, weights)[fold.held_out] for fold in known.folds])
    low, high = np.quantile(scores, [0.025, 0.975])
    assert float(dataset["range_low"][0]) == pytest.approx(low, rel=1e-5)
    assert float(dataset["range_high"][0]) == pytest.approx(high, rel=1e-5)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"genes": ["EGFX"]}, "'EGFX' is not among .* nearest symbols: EGF"),
        ({}, "none given"),
        ({"sets": {}}, "none given"),
        ({"sets": {"empty": ()}}, "'empty' has 0 genes, none of them among the run's 6"),
        ({"sets": {"strange": ("XYZ",)}}, "'strange' has 1 genes, none of them"),
        ({"sets": {"EGFA": ("EGFB",)}, "genes": ["EGFA"]}, "'EGFA' is named twice"),
        ({"metagenes": ["metagene 9"], "weights": np.eye(6)}, "'metagene 9' is unknown; .* 'metagene 6'"),
        ({"genes": ["EGFA"], "features": ["roundness_hu"]}, "roundness_hu"),
        ({"genes": ["EGFA"], "patients": []}, "patients: none given"),
    ],
)
def test_bad_input_is_told(known, asked, message):
    for ask in (perturbation.perturb, perturbation.dose_response):
        with pytest.raises(InputError, match=message):
            ask(known, **asked)


def test_unknown_ends_and_falling_doses_are_told(known):
    with pytest.raises(InputError, match="how: 'silence'; expected 'span'"):
        perturbation.perturb(known, genes=["EGFA"], how="silence")
    for doses in ([1.0, 0.0], [1.0], [0.0, np.nan]):
        with pytest.raises(InputError, match="expected two or more rising numbers"):
            perturbation.dose_response(known, genes=["EGFA"], doses=doses)


def test_effect_modification_sees_the_interaction_and_only_it(known):
    dataset = modification.effect_modification(known, np.eye(6))
    effect = dataset["effect"].sel(feature="elongation").values
    # (a b) at its four corners: 1 + 1 + 1 + 1, in SDs of both genes.
    assert effect[1, 2] == pytest.approx(4.0, rel=0.2) and effect[2, 1] == effect[1, 2]
    assert np.isnan(np.diag(effect)).all()
    assert np.nanmax(np.abs(dataset["effect"].sel(feature="mean_hu"))) == pytest.approx(0.0, abs=1e-3)
    found = dataset.sel(metagene="metagene 2", modifier="metagene 3", feature="elongation")
    assert float(found["score"]) > 0.6 and float(found["p"]) == pytest.approx(0.001) and float(found["p_max"]) < 0.01
    assert (dataset["p_max"].sel(feature=["mean_hu", "core_to_rim_hu"]).fillna(1.0) > 0.05).all()
    assert "exchangeable" in dataset["p"].attrs["null"] and "patient" in dataset["p"].attrs["null"]


def test_a_pair_that_cannot_be_told_apart_is_left_out(known):
    dataset = modification.effect_modification(known, np.eye(6)[:, [1, 2, 1]], features=NAMES)
    assert np.isnan(dataset["effect"].values[0, 2]).all() and np.isfinite(dataset["effect"].values[0, 1]).all()
    with pytest.raises(InputError, match="expected two or more"):
        modification.effect_modification(known, np.eye(6)[:, :1])


def test_pairs_are_tested_without_the_sign_that_was_learned_from_their_patients(known, monkeypatch):
    """Whatever the generators say of the direction, score and p are of the patients' own genes and features."""
    expected = modification.effect_modification(known, np.eye(6)[:, :3])
    monkeypatch.setattr(modification, "SIGNS", -modification.SIGNS)
    found = modification.effect_modification(known, np.eye(6)[:, :3])
    for name in ("score", "p", "p_max"):
        np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_allclose(found["effect"], -expected["effect"])


def test_the_product_term_holds_no_main_effect():
    """Correlated and skewed scores, whose product correlates with both of them."""
    one, other = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 40).T
    term = modification.product_term(np.exp(one), np.exp(other))
    for values in (np.ones(40), np.exp(one), np.exp(other), np.exp(2 * one), np.exp(2 * other)):
        assert abs(term @ values) < 1e-6 * np.linalg.norm(term) * np.linalg.norm(values) + 1e-9
    assert np.linalg.norm(term) > 0.1


def test_directions_together_are_those_of_the_map(run):
    items = perturbed_items.gather_items(run, metagenes=["metagene 2"])
    weights = mapping.cohort_metagenes(run).weights[:, [1]]
    fold = run.folds[0]
    np.testing.assert_array_equal(
        perturbed_items.item_directions(fold, items, True), association.metagene_direction(fold, weights)
    )


def test_a_metagene_of_a_trained_run_moves_as_in_the_map(run):
    """`perturb` of a metagene is the map's `metagene_effect`, patient by patient."""
    names = ("mean_hu", "equivalent_diameter_mm")
    weights = mapping.cohort_metagenes(run).weights
    dataset = perturbation.perturb(run, metagenes=["metagene 1", "metagene 3"], features=names, weights=weights)
    fold = run.folds[1]
    draws = synthesis.make_draws(run, fold, run.config.map.backgrounds, run.config.map.noises)
    measure = synthesis.measured_images(run, names)
    effects, _, _ = patient_effects.perturb_metagenes(fold, fold.held_out, weights[:, [0, 2]], draws, measure)
    patients = [run.cohort.patients[row] for row in fold.held_out]
    shown = dataset["change"].sel(patient=patients).transpose("patient", "feature", "item")
    np.testing.assert_allclose(shown, effects, atol=1e-4 * np.abs(effects).max())
