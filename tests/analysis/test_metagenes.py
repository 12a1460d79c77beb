"""Metagenes: planted groups of co-expressed genes are found, given sets are taken, and stability tells them apart."""

import numpy as np
import pytest

from radiogenomics import settings
from radiogenomics.analysis import metagenes
from radiogenomics.errors import InputError

GENES = [f"G{number}" for number in range(120)]


@pytest.fixture
def planted():
    """Expression [50, 120] of six groups of 10 to 30 genes, and the groups' labels."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), [30, 25, 20, 20, 15, 10])
    latent = generator.standard_normal((50, 6))
    return latent[:, labels] + 0.4 * generator.standard_normal((50, 120)), labels


@pytest.fixture
def config():
    """The default settings with six metagenes."""
    config = settings.default_config()
    config.map.metagenes = 6
    return config


@pytest.mark.parametrize("method", ("kmeans", "hierarchical"))
def test_planted_groups_are_found_largest_first(planted, config, method):
    expression, labels = planted
    config.map.metagene_method = method
    found = metagenes.find_metagenes(expression, GENES, config)
    best = found.weights.argmax(axis=1)
    assert found.weights.shape == (120, 6) and found.names == tuple(f"metagene {number}" for number in range(1, 7))
    np.testing.assert_allclose(found.weights.sum(axis=0), 1.0, rtol=1e-5)
    assert (np.diff((found.weights > 0).sum(axis=0)) <= 0).all()
    for group in range(6):
        assert len(set(best[labels == group])) == 1


@pytest.mark.parametrize("method", ("kmeans", "hierarchical"))
def test_number_is_chosen_by_the_silhouette(planted, config, method, monkeypatch):
    monkeypatch.setattr(metagenes, "COUNTS", (2, 4, 6, 10, 500))
    config.map.metagenes, config.map.metagene_method = 0, method
    assert metagenes.find_metagenes(planted[0], GENES, config).weights.shape == (120, 6)


@pytest.mark.parametrize("method", ("kmeans", "hierarchical"))
def test_same_seed_same_metagenes_and_constant_genes_belong_to_none(planted, config, method):
    expression, _ = planted
    expression[:, 5] = 0.0
    config.seed, config.map.metagene_method = 3, method
    one, again = (metagenes.find_metagenes(expression, GENES, config) for _ in range(2))
    np.testing.assert_array_equal(one.weights, again.weights)
    np.testing.assert_array_equal(one.stability, again.stability)
    assert np.isfinite(one.weights).all() and not one.weights[5].any()


def test_the_tree_joins_by_mean_correlation_distance():
    """Two genes with correlation 1, a third at right angles to both: heights 0 and 1."""
    profiles = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(metagenes.grow_tree(profiles)[:, 2], [0.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("method", ("kmeans", "hierarchical"))
def test_planted_groups_are_stable_and_cuts_through_noise_are_not(planted, method):
    expression, labels = planted
    stable = metagenes.measure_stability(expression, labels, method, seed=0)
    assert stable.shape == (6,) and stable.min() > 0.9
    noise = np.random.default_rng(1).standard_normal((50, 120))
    cut = metagenes.cluster_genes(noise, 6, method, seed=0)
    assert metagenes.measure_stability(noise, cut, method, seed=0).max() < 0.6


def test_the_best_match_counts_genes_that_either_has():
    labels, others = np.array([0, 0, 0, 1, 1, -1]), np.array([1, 1, 0, 0, -1, 0])
    np.testing.assert_allclose(metagenes.best_jaccard(labels, others), [2 / 3, 1 / 4])


def test_few_patients_may_leave_fewer_genes_different_than_clusters():
    expression = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    stable = metagenes.measure_stability(expression, np.arange(3), "kmeans", seed=0)
    assert ((stable > 0) & (stable < 1)).all()


def test_gene_sets_are_averaged_under_their_names(planted, config, tmp_path, caplog):
    (tmp_path / "sets.gmt").write_text("B\t\tG3\tG1\tG2\tEGFR\nSMALL\t\tG9\nA\t\tG1\tG7\tG8\n")
    config.map.metagene_method, config.map.gene_sets = "gene_sets", str(tmp_path / "sets.gmt")
    config.genes.min_set_size = 3
    found = metagenes.find_metagenes(planted[0], GENES, config)
    assert found.names == ("B", "A") and np.isnan(found.stability).all()
    assert [list(np.flatnonzero(column)) for column in found.weights.T] == [[1, 2, 3], [1, 7, 8]]
    np.testing.assert_allclose(found.weights[1], 1 / 3, rtol=1e-6)
    assert "map.gene_sets: 1 of 3 sets left out, fewer than 3 of their genes in the cohort: SMALL" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"metagene_method": "ward"}, "map.metagene_method: 'ward'; expected 'kmeans', 'hierarchical' or 'gene_sets'"),
     ({"metagene_method": "gene_sets"}, "map.gene_sets: empty"),
     ({"metagenes": 121}, "map.metagenes: 121; 120 genes differ"),
     ({"metagenes": -1, "metagene_method": "hierarchical"}, "map.metagenes: -1; 120 genes differ")],
)
def test_settings_that_cannot_be_meant_are_told(planted, config, changes, message):
    config.map.update(changes)
    with pytest.raises(InputError, match=message):
        metagenes.find_metagenes(planted[0], GENES, config)
