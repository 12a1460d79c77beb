import numpy as np
import pytest

from radiogenomics.data import front_ends
from radiogenomics.errors import InputError

GENES = [f"G{number}" for number in range(30)]


@pytest.fixture
def standardised():
    """Three modules of 12, 10 and 7 genes, and one constant gene."""
    generator = np.random.default_rng(0)
    modules = np.repeat(np.arange(3), (12, 10, 7))
    values = generator.normal(size=(40, 3))[:, modules] + 0.5 * generator.normal(size=(40, 29))
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    return np.concatenate([values, np.zeros((40, 1))], axis=1)


@pytest.fixture
def sets_file(tmp_path):
    path = tmp_path / "sets.gmt"
    lines = {"FIRST": GENES[:12], "FEW": ["G1", "OTHER1", "OTHER2", "OTHER3"], "MIXED": [*GENES[5:20], "OTHER"],
             "CONSTANT": GENES[29:]}
    path.write_text("".join("\t".join([name, "about", *genes]) + "\n" for name, genes in lines.items()))
    return str(path)


def test_metagenes_are_standardised_means_of_the_modules(standardised, make_config):
    config = make_config(genes={"front_end": "metagenes", "components": 3})
    names, loadings = front_ends.fit_front_end(standardised, GENES, config)
    assert names == ("metagene 1", "metagene 2", "metagene 3") and loadings.dtype == np.float32
    assert [set(np.flatnonzero(column)) for column in loadings.T] == [
        set(range(12)), set(range(12, 22)), set(range(22, 29)),
    ]
    means = standardised[:, :12].mean(axis=1)
    np.testing.assert_allclose((standardised @ loadings)[:, 0], means / means.std(), atol=1e-6)


@pytest.mark.parametrize("count", (0, 30))
def test_more_metagenes_than_genes_are_refused(standardised, make_config, count):
    config = make_config(genes={"front_end": "metagenes", "components": count})
    with pytest.raises(InputError, match=f"genes.components: {count} metagenes; 29 genes differ"):
        front_ends.fit_front_end(standardised, GENES, config)


def test_equal_genes_count_once(standardised):
    with pytest.raises(InputError, match="2 genes differ"):
        front_ends.cluster_genes(standardised[:, [0, 0, 15, 15]], 3, 0)


def test_pathways_are_standardised_means_and_small_sets_are_told(standardised, make_config, sets_file, caplog):
    config = make_config(genes={"front_end": "pathways", "gene_sets": sets_file, "min_set_size": 4})
    names, loadings = front_ends.fit_front_end(standardised, GENES, config)
    assert names == ("FIRST", "MIXED")
    assert "2 of 4 sets left out, fewer than 4 of their genes in the cohort: FEW, CONSTANT" in caplog.text
    means = standardised[:, 5:20].mean(axis=1)
    np.testing.assert_allclose((standardised @ loadings)[:, 1], means / means.std(), atol=1e-6)


def test_a_set_that_never_varies_is_zero(standardised, make_config, sets_file):
    config = make_config(genes={"front_end": "pathways", "gene_sets": sets_file, "min_set_size": 1})
    names, loadings = front_ends.fit_front_end(standardised, GENES, config)
    assert not loadings[:, names.index("CONSTANT")].any()


def test_sets_of_other_genes_are_refused(standardised, make_config, sets_file):
    config = make_config(genes={"front_end": "pathways", "gene_sets": sets_file})
    with pytest.raises(InputError, match="none of the 4 sets has 10 .* of the cohort's 30 genes"):
        front_ends.fit_front_end(standardised, [f"ENSG{number}" for number in range(30)], config)


def test_pathways_need_a_file(standardised, make_config):
    config = make_config(genes={"front_end": "pathways"})
    with pytest.raises(InputError, match="genes.gene_sets: empty"):
        front_ends.fit_front_end(standardised, GENES, config)


def test_without_a_front_end_there_are_no_components(standardised, make_config):
    names, loadings = front_ends.fit_front_end(standardised, GENES, make_config(genes={"front_end": "none"}))
    assert names == () and loadings.shape == (30, 0)


def make_groups(patients, genes, seed, members=12):
    """Standardised values of five independent groups of genes with equal variance and of genes on their own."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(5), members)
    values = generator.standard_normal((patients, genes))
    values[:, : len(groups)] *= 0.7
    values[:, : len(groups)] += generator.standard_normal((patients, 5))[:, groups]
    return (values - values.mean(axis=0)) / values.std(axis=0), groups


def test_factors_find_the_groups_and_plain_components_mix_them(make_config):
    standardised, groups = make_groups(60, 60, 0)
    genes = [f"G{number}" for number in range(60)]
    purity = {}
    for kind in ("pca", "factors"):
        config = make_config(genes={"front_end": kind, "components": 5})
        _, loadings = front_ends.fit_front_end(standardised, genes, config)
        components = standardised @ loadings
        np.testing.assert_allclose(components.std(axis=0), 1.0, atol=1e-3)
        share = np.square(standardised.T @ components / 60)
        by_group = np.stack([share[groups == group].sum(axis=0) for group in range(5)])
        purity[kind] = (by_group.max(axis=0) / by_group.sum(axis=0)).min()
    assert purity["factors"] > 0.9 > purity["pca"]
    carriers = [set(groups[column != 0]) for column in loadings.T]
    assert sorted(map(tuple, carriers)) == [(group,) for group in range(5)]
    assert (loadings.sum(axis=0) > 0).all()


def test_factors_mean_the_same_in_later_patients(make_config):
    """Scored by all genes, they would have SD 1 where they were fitted and much less elsewhere."""
    standardised, _ = make_groups(300, 2000, 1, members=50)
    spread = {}
    for kind in ("pca", "factors"):
        config = make_config(genes={"front_end": kind, "components": 5})
        _, loadings = front_ends.fit_front_end(standardised[:60], [f"G{number}" for number in range(2000)], config)
        spread[kind] = np.median((standardised[60:] @ loadings).std(axis=0))
    assert spread["factors"] > 0.85 > spread["pca"]
