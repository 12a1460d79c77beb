"""Metagenes: planted groups of co-expressed genes are found."""

import numpy as np
import pytest

from radiogenomics.analysis import metagenes


@pytest.fixture
def planted():
    """Expression [50, 120] of six groups of 10 to 30 genes, and the groups' labels."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), [30, 25, 20, 20, 15, 10])
    latent = generator.standard_normal((50, 6))
    return latent[:, labels] + 0.4 * generator.standard_normal((50, 120)), labels


def test_planted_groups_are_found_largest_first(planted):
    expression, labels = planted
    weights = metagenes.find_metagenes(expression, 6, seed=0)
    found = weights.argmax(axis=1)
    assert weights.shape == (120, 6)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-5)
    assert (np.diff((weights > 0).sum(axis=0)) <= 0).all()
    for group in range(6):
        assert len(set(found[labels == group])) == 1


def test_number_is_chosen_by_the_silhouette(planted, monkeypatch):
    monkeypatch.setattr(metagenes, "COUNTS", (2, 4, 6, 10, 500))
    assert metagenes.find_metagenes(planted[0], 0, seed=0).shape == (120, 6)


def test_same_seed_same_metagenes_and_constant_genes_do_no_harm(planted):
    expression, _ = planted
    expression[:, 5] = 0.0
    one, again = (metagenes.find_metagenes(expression, 6, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert np.isfinite(one).all()
