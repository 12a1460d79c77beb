"""The map of the tiny run follows the contract, and equals its parts computed one by one."""

import dataclasses

import numpy as np
import pytest

from radiogenomics.analysis import (
    association,
    features,
    jacobian,
    map_files,
    mapping,
    patient_effects,
    statistics,
    synthesis,
)
from radiogenomics.errors import InputError


def test_variables_follow_the_contract(mapped, run):
    by_gene = {"sensitivity", "association", "strength", "heterogeneity", "score", "se", "p", "q", "p_max"}
    for name in by_gene:
        assert mapped[name].dims == ("gene", "feature") and mapped[name].shape == (200, 9)
        assert np.isfinite(mapped[name]).all()
    assert {"metagene_effect", "metagene_effect_se", "metagene_effect_p", "metagene_effect_q"} <= set(mapped)
    assert mapped["pixel_effect"].dims == ("metagene", "y", "x") and mapped["pixel_effect"].shape == (5, 16, 16)
    assert list(mapped["gene"].values) == list(run.cohort.genes)
    assert sorted(mapped["patient"].values) == sorted(run.cohort.patients)
    assert (mapped["p"] > 0).all() and (mapped["p_max"] >= mapped["p"] - 1e-6).all() and (mapped["q"] <= 1).all()
    assert (abs(mapped["score"]) <= 1 + 1e-6).all()
    np.testing.assert_allclose(
        mapped["strength"] ** 2, mapped["association"] ** 2 + mapped["heterogeneity"] ** 2, rtol=1e-3, atol=1e-9
    )


def test_the_map_is_the_mean_over_held_out_patients(mapped, run):
    names = tuple(mapped["feature"].values)
    gradient = jacobian.feature_sensitivity(synthesis.mean_features(run, names))
    sensitivity, associated, predicted, order = [], [], [], []
    for fold in run.folds:
        draws = synthesis.make_draws(run, fold, run.config.map.backgrounds, run.config.map.noises)
        for row in fold.held_out:
            one = np.asarray(gradient(fold.variables, fold.components[row], draws))[None]
            sensitivity.append(association.gene_sensitivity(one, fold)[0])
            associated.append(association.gene_association(one, fold)[0])
            predicted.append(associated[-1] * fold.genes[row])
            order.append(row)
    for name, values in (("sensitivity", sensitivity), ("association", associated)):
        mean = np.mean(values, axis=0).T
        np.testing.assert_allclose(mapped[name], mean, atol=1e-4 * np.abs(mean).max())
    real = features.adjust_features(run, features.real_features(run.cohort, names).to_numpy())
    values = np.empty((24, 9, 200))
    values[order] = predicted
    score = [
        statistics.cross_fitted_correlation(values[:, feature], np.repeat(real[:, [feature]], 200, 1), cuts(run))
        for feature in range(9)
    ]
    np.testing.assert_allclose(mapped["score"], np.transpose(score), atol=1e-3)


def cuts(run):
    return [fold.held_out for fold in run.folds]


def test_files_on_disk_say_the_same(mapped, workdir):
    read = map_files.read_map(workdir)
    np.testing.assert_array_equal(read["association"], mapped["association"])
    lines = (workdir / "genes.csv").read_text().splitlines()
    assert len(lines) == 1 + 200 * 9 and "supported" in lines[0]
    assert len((workdir / "metagenes.csv").read_text().splitlines()) == 1 + 5 * 9
    assert "score" in (workdir / "hits.csv").read_text().splitlines()[0]


def test_dose_responses_of_the_strongest_metagenes_lie_beside_the_map(mapped, workdir):
    curves = map_files.read_dose_response(workdir)
    best = mapped["metagene_effect_score"].argmax("metagene")
    assert set(curves["item"].values) == {f"metagene {int(number) + 1}" for number in best}
    assert curves["mean"].dims == ("item", "dose", "feature") and np.isfinite(curves["mean"]).all()
    assert (curves["low"] <= curves["high"]).all() and (curves["support"].sum("dose") <= 1 + 1e-9).all()


def test_gate_stamps_and_hides_nothing(mapped, evaluated):
    for name, row in evaluated["gate"].items():
        one = mapped.sel(feature=name)
        assert bool(one["supported"]) == row["supported"] and float(one["gate_r"]) == pytest.approx(row["r"])


def test_unknown_names_are_told_with_their_neighbours(run):
    gene = run.cohort.genes[0]
    with pytest.raises(InputError, match=f"'{gene}X' is not among .* nearest symbols: .*{gene}"):
        mapping.gene_columns(run.cohort.genes, [gene + "X"])
    with pytest.raises(InputError, match="no patient 'nobody'"):
        mapping.radiogenomic_map(run, patients=["nobody"])
    with pytest.raises(InputError, match="at most two in any fold"):
        mapping.radiogenomic_map(run, patients=run.cohort.patients[:1])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"genes": []}, "genes: none given"),
        ({"genes": ["M01G001", "M01G001"]}, "'M01G001' is named twice"),
        ({"features": []}, "features: none given"),
        ({"features": ["mean"]}, "Unknown image feature 'mean': the nearest known feature is 'mean_hu'"),
        ({"features": ["flatness"]}, "'flatness' needs three dimensions"),
        ({"adjust": ["scanner"]}, "no covariate 'scanner'; it has "),
        ({"weights": np.ones((3, 2))}, r"weights: shape \(3, 2\); expected \(200, metagenes\)"),
        ({"weights": np.full((200, 1), np.nan)}, "weights: nan for gene '.*' in metagene 1; expected finite"),
    ],
)
def test_what_cannot_be_mapped_is_told_before_anything_is_computed(run, asked, message, monkeypatch):
    monkeypatch.setattr(patient_effects, "measure_effects", lambda *arguments: pytest.fail("computed"))
    with pytest.raises(InputError, match=message):
        mapping.radiogenomic_map(run, **asked)


def other_training(run, **changes):
    """The run as if trained with another seed: other backgrounds and noises are drawn, and nothing else differs."""
    config = run.config.copy_and_resolve_references()
    config.update_from_flattened_dict({"seed": 1} | changes)
    return dataclasses.replace(run, config=config)


def test_several_trainings_are_one_map_whose_errors_include_their_seeds(run, monkeypatch):
    """Made-up effects of the patients, two genes, one feature and three regions, one metagene."""
    def make_effects(run, names, folds, weights):
        generator = np.random.default_rng(run.config.seed)
        values, gradient = generator.standard_normal((24, 4, 2)), generator.standard_normal((24, 4, 5))
        image = np.full((1, 16, 16), run.config.seed)
        return patient_effects.Effects(
            gradient, values[..., :1], values[:, :1, :1], values[:, :3, 0], image, image
        )

    monkeypatch.setattr(patient_effects, "measure_effects", make_effects)
    asked = {"genes": run.cohort.genes[:2], "features": ["mean_hu"], "weights": np.eye(200)[:, :1]}
    runs = [run, other_training(run)]
    apart = [mapping.radiogenomic_map(each, **asked) for each in runs]
    together = mapping.radiogenomic_map(run, **asked, more_runs=runs[1:])
    for name in ("association", "sensitivity", "metagene_effect", "region_association", "pixel_effect"):
        np.testing.assert_allclose(together[name], (apart[0][name] + apart[1][name]) / 2, rtol=1e-5, atol=1e-6)
    seeds = np.abs(apart[0]["association"] - apart[1]["association"]).values / 2
    assert (together["se"].values > seeds).all() and (seeds > 0).all()
    assert together.attrs["training_seeds"] == "0, 1" and "2 trainings" in together.attrs["standard_error"]


def test_trainings_that_differ_in_more_than_the_seed_are_told(run):
    for runs, message in (
        ([run, other_training(run, **{"train.steps": 9})], "differs from .* in train.steps"),
        ([run, run], "seed 0 is there twice"),
        ([run, dataclasses.replace(run, cohort=dataclasses.replace(run.cohort, fingerprint="x"))], "another cohort"),
    ):
        with pytest.raises(InputError, match=message):
            mapping.check_trainings(runs)


def test_reading_what_is_no_map(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        map_files.read_map(tmp_path)
    (tmp_path / "map.nc").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable map"):
        map_files.read_map(tmp_path)


def test_predictions_are_those_that_the_scores_compare(run, mapped, evaluated):
    genes = run.cohort.genes[2:5]
    dataset, predictions = mapping.map_with_predictions(run, gate=evaluated["gate"], genes=genes)
    assert predictions.genes == tuple(genes) and predictions.features == tuple(mapped["feature"].values)
    np.testing.assert_array_equal(predictions.supported, mapped["supported"])
    for feature, name in enumerate(predictions.features):
        score = statistics.cross_fitted_correlation(
            predictions.predicted(feature), predictions.real[:, [feature]], predictions.folds
        )
        np.testing.assert_allclose(mapped["score"].sel(gene=list(genes), feature=name), score, atol=1e-5)
    assert dataset["metagene_stability"].dims == ("metagene",)
    assert ((dataset["metagene_stability"] > 0) & (dataset["metagene_stability"] <= 1)).all()


def test_any_named_feature_can_be_mapped(run):
    config = run.config.copy_and_resolve_references()
    config.map.features = ("maximum_diameter_mm", "lobulation", "solid_fraction", "p90_hu", "glcm_joint_entropy")
    dataset = mapping.radiogenomic_map(dataclasses.replace(run, config=config), genes=run.cohort.genes[:3])
    assert list(dataset["feature"].values) == list(config.map.features)
    assert np.isfinite(dataset["association"]).all() and (abs(dataset["association"]).max("gene") > 0).all()
    assert list(dataset["unit"].values) == ["mm", "", "", "HU", ""]
