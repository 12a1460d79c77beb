"""Enrichment: a planted set is found, chance is not, although the genes of a set are correlated."""

import importlib
import socket
import types

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from radiogenomics import settings
from radiogenomics.analysis import enrichment, gene_effects, map_files, statistics
from radiogenomics.analysis.mapping import Predictions
from radiogenomics.errors import InputError

GENES = tuple(f"G{number:03d}" for number in range(120))
SETS = {f"S{number}": GENES[20 * number : 20 * number + 20] for number in range(5)}
FOLDS = np.array_split(np.arange(40), 2)


class Given(Predictions):
    """Predictions that are given as such, [patients, F, G], in the place of what they are made from."""

    def predicted(self, feature):
        return self.mapped[:, feature]


def make_predictions(seed=0, link=0.0, together=0.8):
    """Forty patients, two features; genes of a set share a latent, and that of S1 drives the first feature."""
    generator = np.random.default_rng(seed)
    latent = generator.standard_normal((40, 6))
    genes = together * latent[:, np.repeat(np.arange(6), 20)] + 0.6 * generator.standard_normal((40, 120))
    real = generator.standard_normal((40, 2))
    real[:, 0] += link * latent[:, 1]
    predicted = np.repeat(genes[:, None], 2, axis=1).astype(np.float32)
    return Given(real, FOLDS, GENES, ("size", "level"), np.array([True, False]), predicted)


def evidence(predictions, permutations=199, seed=0):
    members = enrichment.set_members(SETS, GENES, 10).to_numpy()
    return enrichment.set_evidence(
        predictions.predicted, predictions.real, predictions.folds, members, permutations, seed
    )


def test_the_planted_set_is_found_and_no_other():
    table = enrichment.enrich(make_predictions(link=2.0), SETS, permutations=999)
    first = table.iloc[0]
    assert (first["set"], first["feature"], first["size"], first["supported"]) == ("S1", "size", 20, True)
    assert first["p"] == pytest.approx(0.001) and first["q"] < 0.05 and first["p_max"] < 0.05
    assert set(first["leading_genes"].split(";")) < set(SETS["S1"]) and first["score"] > 0.5
    assert len(table) == 10 and (table["q"][1:] > 0.05).all() and (table["p_max"] >= table["p"] - 1e-9).all()
    assert (table["supported"] == (table["feature"] == "size")).all() and set(table["null"]) == {
        "patients permuted within folds"
    }


def test_the_statistic_is_students_t_of_scores_inside_against_outside():
    predictions = make_predictions(link=1.0)
    found = evidence(predictions)
    for feature in range(2):
        score = statistics.cross_fitted_correlation(
            predictions.predicted(feature), predictions.real[:, [feature]], FOLDS
        )
        np.testing.assert_allclose(found.score[:, feature], score, atol=1e-6)
        for row in range(5):
            inside = np.isin(GENES, SETS[f"S{row}"])
            expected = stats.ttest_ind(score[inside], score[~inside]).statistic
            assert found.statistic[row, feature] == pytest.approx(expected, rel=1e-4)


def test_chance_is_found_as_often_as_p_says_where_permuted_genes_would_find_it_everywhere():
    """150 simulated cohorts without a link, five sets and two features in each."""
    found = [evidence(make_predictions(seed), permutations=99, seed=1000 + seed) for seed in range(150)]
    p = np.array([each.p for each in found])
    assert 0.03 <= (p <= 0.05).mean() <= 0.07 and 0.45 <= (p <= 0.5).mean() <= 0.55
    assert 0.01 <= np.mean([each.p_max.min() <= 0.05 for each in found]) <= 0.1
    assert (stats.t.sf([each.statistic for each in found], 118) <= 0.05).mean() > 0.2


def test_a_strong_set_does_not_drag_others_along():
    found = [evidence(make_predictions(seed, link=2.0), seed=seed) for seed in range(40)]
    others = np.array([each.p[[0, 2, 3, 4], 0] for each in found])
    assert np.mean([each.p[1, 0] <= 0.05 for each in found]) > 0.9
    assert (others <= 0.05).mean() <= 0.07


def learn_from_the_others(seed, link):
    """`Predictions` of 60 patients whose gradients are learned, ridge, on those who are held out elsewhere."""
    generator = np.random.default_rng(seed)
    latent = generator.standard_normal((60, 6))
    genes = 0.8 * latent[:, np.repeat(np.arange(6), 20)] + 0.6 * generator.standard_normal((60, 120))
    components = latent + 0.3 * generator.standard_normal((60, 6))
    real = generator.standard_normal((60, 2))
    real[:, 0] += link * latent[:, 1]
    mapped, splits = [], np.array_split(generator.permutation(60), 5)
    for rows in splits:
        training = np.setdiff1d(np.arange(60), rows)
        known = components[training]
        slope = np.linalg.solve(known.T @ known + 3.0 * np.eye(6), known.T @ real[training])
        gradient = np.repeat(slope.T[None], len(rows), axis=0)
        mapped.append(gene_effects.MappedFold(gradient, components, genes, training, rows))
    positions = np.array_split(np.arange(60), 5)
    order = np.concatenate(splits)
    return Predictions(real[order], positions, GENES, ("size", "level"), np.ones(2, bool), mapped)


@pytest.mark.parametrize("link", [0.0, 2.0])
def test_sets_keep_their_level_although_effects_are_learned_from_the_other_folds(link):
    found = [evidence(learn_from_the_others(seed, link), seed=seed) for seed in range(40)]
    null = np.array([np.concatenate([each.p[[0, 2, 3, 4], 0], each.p[:, 1]]) for each in found])
    assert (null <= 0.05).mean() <= 0.075 and np.mean([row.min() <= 0.05 / 9 for row in null]) <= 0.15
    assert np.mean([each.p[1, 0] <= 0.05 for each in found]) > 0.9 or link == 0.0


def test_a_feature_that_does_not_vary_ties_with_every_permutation():
    predictions = make_predictions()
    found = evidence(predictions._replace(real=np.ones((40, 2))))
    assert (found.statistic == 0).all() and (found.p == 1).all() and (found.p_max == 1).all()


def test_tied_outcomes_count_as_exceeded():
    """With one patient apart in each fold, only 400 arrangements differ and many permutations repeat the observed."""
    real = np.zeros((40, 2))
    real[[3, 25]] = 1.0
    predictions = make_predictions()._replace(real=real)
    fine = evidence(predictions, permutations=3999)
    order = statistics.within_fold_permutations(FOLDS, 3999, 0)
    repeated = (real[order, 0] == real[:, 0]).all(axis=1).sum()
    assert repeated > 2 and (fine.p >= (1 + repeated) / 4000 - 1e-12).all()


def test_equal_scores_keep_the_order_of_the_map():
    predictions = make_predictions(link=2.0)
    predictions.mapped[:, :, 20:40] = predictions.mapped[:, :, 20:21]
    first = enrichment.enrich(predictions, SETS, permutations=99).iloc[0]
    assert first["leading_genes"] == ";".join(GENES[20:30])


def test_same_seed_same_table_another_seed_another_p():
    predictions = make_predictions(link=0.3)
    one, again, other = (enrichment.enrich(predictions, SETS, permutations=199, seed=seed) for seed in (1, 1, 2))
    assert one.equals(again) and not one["p"].equals(other["p"])
    keys = ["set", "feature"]
    same = one.sort_values(keys)["statistic"].to_numpy() == other.sort_values(keys)["statistic"].to_numpy()
    assert same.all()


def test_many_sets_are_tested_a_block_at_a_time(monkeypatch):
    whole = evidence(make_predictions(link=1.0))
    monkeypatch.setattr(enrichment, "SETS_AT_ONCE", 2)
    for one, other in zip(whole, evidence(make_predictions(link=1.0)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize(
    ("sets", "message"),
    [({}, "none of the 0 sets has 10"),
     ({"S": GENES[:5]}, r"none of the 1 sets has 10 \(genes.min_set_size\) of the cohort's 120 genes"),
     ({"other": tuple(f"ENSG{number}" for number in range(50))}, "expected the same kind of gene symbols"),
     ({"all": GENES}, "every set holds all 120 genes")],
)
def test_sets_that_cannot_be_tested_are_told(sets, message):
    with pytest.raises(InputError, match=message):
        enrichment.enrich(make_predictions(), sets)


def test_sets_have_their_table_beside_the_map_and_an_older_one_goes(tmp_path):
    config = settings.default_config()
    config.map.permutations = 99
    run = types.SimpleNamespace(workdir=tmp_path, config=config)
    map_files.write_enrichment(run, make_predictions(link=2.0), SETS)
    table = pd.read_csv(tmp_path / "enrichment.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["enrichment.csv"] and len(table) == 10
    assert table["set"][0] == "S1" and table["supported"][0] and {"p", "q", "p_max", "null"} < set(table)
    map_files.remove_companions(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"), [("", "holds no gene set"), ("S\t\tEGFR\n", "none of the 1 sets has 10")]
)
def test_a_file_that_cannot_be_used_is_told_before_anything_is_computed(text, message, tmp_path):
    (tmp_path / "sets.gmt").write_text(text)
    run = types.SimpleNamespace(config=settings.default_config(), cohort=types.SimpleNamespace(genes=GENES))
    with pytest.raises(InputError, match=message):
        map_files.map_run(run, tmp_path / "sets.gmt")


def test_an_unknown_method_is_told():
    with pytest.raises(InputError, match="method: 'ora'; expected 'patients' or 'gsea'"):
        enrichment.enrich(make_predictions(), SETS, method="ora")


def test_without_gseapy_it_is_said_what_to_install(monkeypatch):
    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(InputError, match=r"gseapy is not installed; install radiogenomics\[enrichment\]"):
        enrichment.enrich(make_predictions(), SETS, method="gsea")


def test_gsea_finds_the_planted_set_offline_and_says_that_it_permutes_genes(monkeypatch):
    pytest.importorskip("gseapy")

    def refuse(*arguments, **named):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", refuse)
    predictions = make_predictions(link=2.0)
    one, again = (enrichment.enrich(predictions, SETS, method="gsea", permutations=200, seed=4) for _ in range(2))
    assert one.equals(again) and len(one) == 10
    assert all(text.startswith("genes permuted") for text in one["null"])
    sizes = one[one["feature"] == "size"].set_index("set")
    assert sizes["statistic"].idxmax() == "S1" and sizes.loc["S1", "q"] < 0.05 and (one["p"] >= 1 / 201).all()
    assert set(sizes.loc["S1", "leading_genes"].split(";")) <= set(SETS["S1"])
