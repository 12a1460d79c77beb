"""Effects of genes, block by block: what the summaries are of, and that blocks do not change them."""

import numpy as np
import pytest

from radiogenomics.analysis import gene_effects, statistics

PATIENTS, GENES = 30, 50
HALVES = np.split(np.arange(PATIENTS), 2)


@pytest.fixture(scope="module")
def mapped():
    """Two folds, four quantities, three components."""
    generator = np.random.default_rng(0)
    components, genes = generator.standard_normal((PATIENTS, 3)), generator.standard_normal((PATIENTS, GENES))
    gradient = generator.standard_normal((PATIENTS, 4, 3))
    return [
        gene_effects.MappedFold(gradient[rows], components, genes, np.setdiff1d(np.arange(PATIENTS), rows), rows)
        for rows in HALVES
    ]


def by_hand(fold):
    """C [held out, 4, GENES], one covariance at a time."""
    genes, components = fold.genes[fold.training], fold.components[fold.training]
    covariance = np.array([
        [np.cov(column, gene, ddof=0)[0, 1] for gene in genes.T] for column in components.T
    ])
    return fold.gradient @ (covariance / genes.std(axis=0))


def test_association_is_the_gradient_times_the_covariance(mapped):
    expected = np.concatenate([by_hand(fold) for fold in mapped])
    np.testing.assert_allclose(gene_effects.associate(mapped), expected, atol=1e-5)
    np.testing.assert_allclose(gene_effects.mean_association(mapped), expected.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(gene_effects.predict(mapped), expected * mapped[0].genes[:, None], atol=1e-5)


@pytest.mark.parametrize("memory_mb", [1024.0, 0.05, 1e-6])
def test_summaries_do_not_depend_on_the_blocks(mapped, memory_mb):
    real, weights = np.random.default_rng(1).standard_normal((PATIENTS, 2)), statistics.bootstrap_weights(HALVES, 50, 0)
    splits = [[rows[2:] for rows in HALVES], [rows[:-3] for rows in HALVES]]
    found = gene_effects.summarise(mapped, real, splits, weights, memory_mb)
    effects = np.concatenate([by_hand(fold) for fold in mapped])
    np.testing.assert_allclose(found.mean, effects.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.strength, np.sqrt(np.square(effects).mean(axis=0)), rtol=1e-4)
    np.testing.assert_allclose(found.heterogeneity, effects.std(axis=0), rtol=1e-4)
    resampled = np.einsum("bp,pig->big", weights, effects)
    np.testing.assert_allclose(found.variance, resampled.var(axis=0), rtol=1e-3)
    predicted = effects[:, :2] * mapped[0].genes[:, None]
    scores = [
        [statistics.cross_fitted_correlation(predicted[:, f], real[:, [f]], folds) for f in range(2)]
        for folds in splits
    ]
    np.testing.assert_allclose(found.low, np.min(scores, axis=0).T, atol=1e-5)
    np.testing.assert_allclose(found.high, np.max(scores, axis=0).T, atol=1e-5)


def test_blocks_cover_every_gene_and_keep_to_the_memory():
    blocks = gene_effects.gene_blocks(22126, 1000, 12, memory_mb=512.0)
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]
    assert blocks[-1].stop >= 22126 and len(blocks) > 1
    assert 4 * gene_effects.COPIES * 1000 * 12 * (blocks[0].stop - blocks[0].start) <= 512 * 2**20
    assert gene_effects.gene_blocks(5, 1000, 12, memory_mb=1e-9) == [slice(n, n + 1) for n in range(5)]
