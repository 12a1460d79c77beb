"""Associations against the formula S Sigma / sqrt(diag Sigma) with Sigma written out."""

import types

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from radiogenomics.analysis import association, statistics


@pytest.fixture
def fold():
    """A fold of 30 patients (20 training), 12 correlated genes, 4 components."""
    generator = np.random.default_rng(0)
    genes = generator.standard_normal((30, 5)) @ generator.standard_normal((5, 12)) + 0.3
    genes[:, 7] = 0.0  # a gene that carries nothing
    loadings = generator.standard_normal((12, 4))
    transform = types.SimpleNamespace(pull_back=lambda gradient: gradient @ loadings.T)
    return types.SimpleNamespace(
        genes=genes, components=genes @ loadings, training=np.arange(20), held_out=np.arange(20, 30),
        transform=transform,
    )


@pytest.fixture
def sensitivity():
    """Gradients [patients, F, K]."""
    return np.random.default_rng(1).standard_normal((6, 3, 4))


def covariance(fold):
    training = fold.genes[fold.training]
    return np.cov(training, rowvar=False, bias=True)


def test_association_is_the_explicit_formula(fold, sensitivity):
    sigma = covariance(fold)
    expected = association.gene_sensitivity(sensitivity, fold) @ sigma
    known = np.diag(sigma) > 0
    got = association.gene_association(sensitivity, fold)
    np.testing.assert_allclose(got[..., known], expected[..., known] / np.sqrt(np.diag(sigma)[known]), rtol=1e-8)
    np.testing.assert_array_equal(got[..., ~known], 0.0)


def test_association_of_a_run_is_the_explicit_formula(run):
    fold = run.folds[1]
    gradient = np.random.default_rng(2).standard_normal((2, 3, 5))
    sigma = covariance(fold).astype(float)
    sd = np.sqrt(np.diag(sigma))
    known = sd > 1e-4
    expected = (gradient @ fold.transform.loadings.T @ sigma)[..., known] / sd[known]
    got = association.gene_association(gradient, fold)[..., known]
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def test_metagenes_are_genes_that_move_together(fold, sensitivity):
    """For a weight vector that picks one gene, the metagene's association is the gene's."""
    weights = np.eye(12)[:, [2, 5]]
    np.testing.assert_allclose(
        association.direction_association(sensitivity, fold, weights),
        association.gene_association(sensitivity, fold)[..., [2, 5]], rtol=1e-8,
    )
    scores = association.metagene_scores(fold, weights)
    np.testing.assert_allclose(scores[fold.training].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(scores[fold.training].std(axis=0), 1.0)


def test_direction_is_the_conditional_mean(fold):
    """Regressing the components on the standardised metagene score gives the direction."""
    weights = np.random.default_rng(3).random((12, 1))
    scores = association.metagene_scores(fold, weights)[fold.training]
    slope = np.linalg.lstsq(scores, fold.components[fold.training] - fold.components[fold.training].mean(0))[0]
    np.testing.assert_allclose(association.metagene_direction(fold, weights)[:, 0], slope[0], rtol=1e-8)


def test_only_training_patients_count(fold, sensitivity):
    before = association.gene_association(sensitivity, fold)
    fold.genes[fold.held_out] = fold.components[fold.held_out, :1] = 1e6
    np.testing.assert_array_equal(association.gene_association(sensitivity, fold), before)


@pytest.mark.parametrize("kind, modules", [("monotone", [0]), ("u", [1]), ("interaction", [2, 3])])
def test_the_score_sees_links_of_every_kind(kind, modules):
    """A generator that knows the truth, 160 patients in two folds, four modules of six genes and 36 genes alone."""
    generator = np.random.default_rng(0)
    drivers = generator.standard_normal((160, 4))
    genes = generator.standard_normal((160, 60))
    genes[:, :24] = 0.8 * np.repeat(drivers, 6, axis=1) + 0.6 * genes[:, :24]
    components = genes[:, :24].reshape(160, 4, 6).mean(axis=2)
    u = components / components.std(axis=0)
    shown = {"monotone": np.tanh(u[:, 0]), "u": u[:, 1] ** 2, "interaction": u[:, 2] * u[:, 3]}[kind]
    slope = np.zeros((160, 1, 4))
    if kind == "monotone":
        slope[:, 0, 0] = 1.0 - np.tanh(u[:, 0]) ** 2
    if kind == "u":
        slope[:, 0, 1] = 2.0 * u[:, 1]
    if kind == "interaction":
        slope[:, 0, 2], slope[:, 0, 3] = u[:, 3], u[:, 2]
    real = shown[:, None] + 0.5 * shown.std() * generator.standard_normal((160, 1))
    folds, predicted = np.split(np.arange(160), 2), np.zeros((160, 1, 60))
    for held_out in folds:
        fold = types.SimpleNamespace(genes=genes, components=u, training=np.setdiff1d(np.arange(160), held_out))
        predicted[held_out] = association.gene_association(slope[held_out], fold) * genes[held_out][:, None]
    evidence = statistics.permutation_evidence(predicted, real, folds, 499, 0)
    planted = np.isin(np.arange(60) // 6, modules)
    assert average_precision_score(planted, evidence.score[:, 0]) > 0.9
    assert (evidence.p_max[planted, 0] < 0.05).mean() > 0.8 and (evidence.p_max[~planted, 0] < 0.05).mean() < 0.05
