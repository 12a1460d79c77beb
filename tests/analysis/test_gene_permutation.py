"""Null genes beside a true link: permuting features is too bold, permuting genes keeps its level."""

import numpy as np
import pytest

from radiogenomics.analysis import gene_effects, gene_permutation, statistics
from radiogenomics.errors import InputError

PATIENTS, NULL = 60, 150
GROUPS = [np.arange(PATIENTS)[fold::3] for fold in range(3)]
ORDER = np.concatenate(GROUPS)


def make_folds(seed, kind):
    """(folds, outcomes [1, patients, 1]): a generator that knows what component 0 does, its gene and null ones."""
    generator = np.random.default_rng(seed)
    components = generator.standard_normal((PATIENTS, 2)).astype(np.float32)
    driver = components[:, 0]
    signal, slope = (driver, np.ones(PATIENTS)) if kind == "linear" else (driver**2 - 1.0, 2.0 * driver)
    outcome = signal + 0.4 * generator.standard_normal(PATIENTS)
    genes = generator.standard_normal((PATIENTS, 1 + NULL)).astype(np.float32)
    genes[:, 0] = driver + 0.3 * genes[:, 0]
    gradient = np.stack([slope, np.zeros(PATIENTS)], axis=1)[:, None].astype(np.float32)  # [patients, 1, 2]
    folds = [
        gene_effects.MappedFold(gradient[rows], components, genes, np.setdiff1d(np.arange(PATIENTS), rows), rows)
        for rows in GROUPS
    ]
    return folds, outcome[ORDER][None, :, None].astype(np.float32)


@pytest.fixture(scope="module", params=["linear", "u"])
def trials(request):
    """([(evidence by genes, evidence by features)] of twelve cohorts, kind of the link)."""
    positions = np.split(np.arange(PATIENTS), 3)
    found = []
    for seed in range(12):
        folds, outcomes = make_folds(seed, request.param)
        by_features = statistics.permutation_evidence(gene_effects.predict(folds), outcomes[0], positions, 199, seed)
        found.append((gene_permutation.test_genes(folds, outcomes, GROUPS, 60, seed)[0], by_features))
    return found, request.param


def test_null_genes_keep_their_level_and_permuted_features_do_not(trials):
    p = np.array([[evidence.p[1:, 0] for evidence in pair] for pair in trials[0]])  # [cohorts, 2, NULL]
    by_genes, by_features = (p <= 0.02).mean(axis=(0, 2))
    assert abs(by_genes - 0.01) < 0.005  # Half: the sizes of null scores count, and the gradients are not learned here.
    assert by_features > 1.5 * 0.02


def test_gradients_learned_from_the_other_folds_patients_keep_the_level():
    """Nothing is linked. Genes follow components, of which each fold learns from its training patients what to do."""
    generator, p = np.random.default_rng(0), []
    for seed in range(30):
        components = generator.standard_normal((PATIENTS, 6)).astype(np.float32)
        genes = components @ generator.standard_normal((6, NULL)) + 0.5 * generator.standard_normal((PATIENTS, NULL))
        outcome = generator.standard_normal(PATIENTS)
        folds = []
        for rows in GROUPS:
            training = np.setdiff1d(np.arange(PATIENTS), rows)
            learned = components[training].T @ outcome[training]
            gradient = np.broadcast_to(learned, (len(rows), 1, 6)).astype(np.float32)
            folds.append(gene_effects.MappedFold(gradient, components, genes.astype(np.float32), training, rows))
        p.append(gene_permutation.test_genes(folds, outcome[ORDER][None, :, None], GROUPS, 60, seed)[0].p)
    assert 0.01 < (np.array(p) <= 0.05).mean() <= 0.05
    # Against permuted scores with their signs p would be half of it.
    assert (np.array(p) <= 0.1).mean() > 0.06


def test_a_single_fold_is_compared_with_sizes_too():
    p = []
    for seed in range(12):
        (first, *_), outcomes = make_folds(seed, "linear")
        alone = gene_permutation.test_genes([first], outcomes[:, : len(first.held_out)], GROUPS, 60, seed)[0]
        p.append(alone.p[1:, 0])
    assert abs((np.array(p) <= 0.1).mean() - 0.05) < 0.015  # Half, because no gradient has seen these patients.


def test_the_link_is_found_family_wise(trials):
    assert all(pair[0].p_max[0, 0] == pytest.approx(1 / 61) for pair in trials[0])
    null = np.array([pair[0].p_max[1:, 0].min() for pair in trials[0]])
    assert (null < 0.05).mean() < 0.4


def test_the_score_is_the_cross_fitted_correlation(trials):
    by_genes, by_features = trials[0][0]
    np.testing.assert_allclose(by_genes.score, by_features.score, atol=1e-5)


def test_versions_of_the_features_are_tested_side_by_side():
    folds, outcomes = make_folds(0, "linear")
    missing = outcomes[:, ::-1].copy()
    missing[0, 0, 0] = np.nan
    both = gene_permutation.test_genes(folds, np.concatenate([outcomes, missing]), GROUPS, 20, 3)
    for evidence, version in zip(both, (outcomes, missing), strict=True):
        alone = gene_permutation.test_genes(folds, version, GROUPS, 20, 3)[0]
        for one, other in zip(evidence, alone, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.isfinite(both[1].p).all() and both[1].largest.shape == (20,)


def test_genes_in_blocks_have_the_scores_of_all_together(monkeypatch):
    folds, outcomes = make_folds(0, "linear")
    whole = gene_permutation.test_genes(folds, outcomes, GROUPS, 20, 3)[0]
    blocks = gene_effects.gene_blocks(1 + NULL, PATIENTS // 3, 1, memory_mb=0.02)
    assert len(blocks) > 3 and blocks[-1].stop >= 1 + NULL
    monkeypatch.setattr(gene_effects, "gene_blocks", lambda *sizes: blocks)
    found = gene_permutation.test_genes(folds, outcomes, GROUPS, 20, 3)[0]
    np.testing.assert_allclose(found.score, whole.score, atol=1e-6)
    np.testing.assert_allclose(found.p, whole.p, atol=0.002)  # A rounded value may fall into the next bin.
    np.testing.assert_allclose(found.largest, whole.largest, atol=0.002)


def test_no_permutation_is_no_evidence():
    with pytest.raises(InputError, match="map.permutations: 0"):
        gene_permutation.test_genes(*make_folds(0, "linear"), GROUPS, 0, 0)


def test_many_features_do_not_inflate_the_family_wise_error():
    """Independent genes and nine independent features: among few permutations some feature is often beyond them all."""
    generator, wrong = np.random.default_rng(0), 0
    for seed in range(60):
        folds, _ = make_folds(seed, "linear")
        gradient = generator.standard_normal((PATIENTS, 9, 2)).astype(np.float32)
        folds = [fold._replace(gradient=gradient[rows]) for fold, rows in zip(folds, GROUPS, strict=True)]
        outcomes = generator.standard_normal((1, PATIENTS, 9)).astype(np.float32)
        wrong += (gene_permutation.test_genes(folds, outcomes, GROUPS, 19, seed)[0].p_max <= 0.05).any()
    assert wrong <= 5  # 1.5 expected, half of the level where gradients are not learned; 0.4 % chance of more than 5
