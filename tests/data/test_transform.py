"""The gene transform: standardised on the training patients, blind to everybody else, the same from disk."""

import numpy as np
import pandas as pd
import pytest

from radiogenomics.data import transform as gene_transform
from radiogenomics.errors import InputError

GENES = tuple(f"G{number}" for number in range(40))


@pytest.fixture
def expression():
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((30, 6)) @ generator.standard_normal((6, 40))
    values = np.exp2(5.0 + factors + 0.5 * generator.standard_normal((30, 40)))
    values[generator.random(values.shape) < 0.05] = np.nan
    return values.astype(np.float32)


@pytest.fixture
def covariates():
    return pd.DataFrame({"sequencing_batch": ["1", "2"] * 15, "site": ["A"] * 10 + ["B"] * 20})


@pytest.fixture
def fitted(expression, covariates, config):
    return gene_transform.fit_transform(expression, covariates, GENES, config)


def test_training_patients_have_mean_0_and_sd_1(fitted, expression, covariates):
    standardised = fitted.standardise(expression, covariates)
    np.testing.assert_allclose(standardised.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(standardised.std(axis=0), 1.0, atol=1e-5)
    components = fitted.components(standardised)
    np.testing.assert_allclose(components.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(components.std(axis=0), 1.0, atol=1e-4)


def test_covariates_explain_nothing_afterwards(fitted, expression, covariates):
    design = fitted.covariates.design(covariates)
    np.testing.assert_allclose(design.T @ fitted.standardise(expression, covariates), 0.0, atol=1e-3)


@pytest.mark.parametrize("front_end", ("pca", "metagenes"))
def test_pull_back_is_the_transpose_of_components(expression, covariates, make_config, front_end):
    config = make_config(genes={"front_end": front_end})
    fitted = gene_transform.fit_transform(expression, covariates, GENES, config)
    assert fitted.component_count == len(fitted.component_names) == 5
    generator = np.random.default_rng(0)
    genes, gradient = generator.standard_normal(40), generator.standard_normal(5)
    assert gradient @ fitted.components(genes) == pytest.approx(fitted.pull_back(gradient) @ genes, rel=1e-5)


def test_without_front_end_genes_pass_as_they_are(expression, covariates, make_config):
    whole = gene_transform.fit_transform(expression, covariates, GENES, make_config(genes={"front_end": "none"}))
    genes = np.random.default_rng(0).standard_normal((3, 40))
    assert whole.components(genes) is genes and whole.pull_back(genes) is genes
    assert whole.component_count == 40


def test_outliers_are_clipped(expression, covariates, config, fitted):
    wild = expression.copy()
    wild[4, 7] = 1e9
    refitted = gene_transform.fit_transform(wild, covariates, GENES, config)
    others = np.arange(30) != 4
    before, after = (each.standardise(expression, covariates)[others, 7] for each in (fitted, refitted))
    assert np.corrcoef(before, after)[0, 1] > 0.9
    assert np.abs(refitted.standardise(wild, covariates)[4, 7]) < 6.0


def test_constant_gene_becomes_zero(expression, covariates, config):
    expression[:, 3] = 7.0
    constant = gene_transform.fit_transform(expression, covariates, GENES, config)
    assert (constant.standardise(expression, covariates)[:, 3] == 0.0).all()
    np.testing.assert_allclose(constant.loadings[3], 0.0, atol=1e-12)


def test_stored_transform_is_the_same(fitted, expression, covariates, tmp_path):
    gene_transform.save_transform(tmp_path, fitted)
    loaded = gene_transform.load_transform(tmp_path)
    np.testing.assert_array_equal(
        loaded.standardise(expression, covariates), fitted.standardise(expression, covariates)
    )
    for name in gene_transform.ARRAYS:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(fitted, name))
    assert loaded.component_names == tuple(f"factor {number}" for number in range(1, 6))
    assert loaded.covariates == fitted.covariates and loaded.genes == fitted.genes


def test_version_of_a_stored_transform_is_checked(fitted, tmp_path):
    gene_transform.save_transform(tmp_path, fitted)
    meta = (tmp_path / "genes.json").read_text()
    (tmp_path / "genes.json").write_text(meta.replace(f'"version": {gene_transform.VERSION}', '"version": 99'))
    with pytest.raises(InputError, match="version 99"):
        gene_transform.load_transform(tmp_path)


@pytest.mark.parametrize("value", [-0.5, np.inf])
def test_impossible_expression_is_named(expression, covariates, config, value):
    expression[2, 9] = value
    with pytest.raises(InputError, match=f"gene G9 has the value {value:g}"):
        gene_transform.fit_transform(expression, covariates, GENES, config)
    expression[2, 9] = 1.0
    fitted = gene_transform.fit_transform(expression, covariates, GENES, config)
    expression[2, 9] = value
    with pytest.raises(InputError, match=f"gene G9 has the value {value:g}"):
        fitted.standardise(expression)


@pytest.mark.parametrize("count", [-1, 0, 28, 30, 500])
def test_components_that_the_patients_cannot_carry(expression, covariates, make_config, count):
    # 30 patients less the intercept and two covariates leave 27.
    with pytest.raises(InputError, match=f"genes.components: {count}; 30 training patients .* carry 1 to 27"):
        gene_transform.fit_transform(expression, covariates, GENES, make_config(genes={"components": count}))


def test_clip_must_be_positive(expression, covariates, make_config):
    with pytest.raises(InputError, match="genes.clip_sd: 0"):
        gene_transform.fit_transform(expression, covariates, GENES, make_config(genes={"clip_sd": 0.0}))


@pytest.mark.parametrize("field", ("not_detected", "implausible", "front_end"))
def test_unknown_treatments_are_named(expression, covariates, make_config, field):
    with pytest.raises(InputError, match=f"genes.{field}: 'guess'; expected"):
        gene_transform.fit_transform(expression, covariates, GENES, make_config(genes={field: "guess"}))


def test_not_detected_counts_as_half_of_the_lowest_training_value(expression, covariates, make_config):
    expression[:, 3], expression[4, 5] = np.nan, 0.0
    config = make_config(genes={"not_detected": "half_minimum", "adjust": ()})
    fitted = gene_transform.fit_transform(expression, covariates, GENES, config)
    assert fitted.fill[3] == 0.0
    assert fitted.fill[5] == pytest.approx(np.nanmin(np.where(expression[:, 5] > 0, expression[:, 5], np.nan)) / 2)
    written = np.where((expression > 0), expression, fitted.fill.astype(np.float32))
    np.testing.assert_allclose(fitted.standardise(written), fitted.standardise(expression), atol=1e-5)
    zero = gene_transform.fit_transform(expression, covariates, GENES, make_config())
    assert (zero.fill == 0).all() and np.isinf(zero.ceiling).all()


def scattered(expression):
    """Gene 7 has absurd values in a third of the patients, so that its robust SD grows until nothing is clipped."""
    wild = expression.copy()
    wild[::3, 7] = 10.0 ** np.linspace(6.5, 9.0, 10)
    return wild


def test_implausible_values_that_clipping_does_not_reach_are_told(expression, covariates, config, caplog):
    gene_transform.fit_transform(scattered(expression), covariates, GENES, config)
    assert "10 implausible values of G7 lie within 4 SD of their gene" in caplog.text


def test_implausible_values_can_count_as_unknown(expression, covariates, make_config, caplog):
    config = make_config(genes={"implausible": "median", "adjust": ()})
    wild = scattered(expression)
    fitted = gene_transform.fit_transform(wild, covariates, GENES, config)
    rows = np.arange(30) % 3 != 0
    assert fitted.center[7] == pytest.approx(np.median(np.log2(np.nan_to_num(wild[rows, 7].astype(float)) + 1)))
    larger = wild.copy()
    larger[::3, 7] *= 5.0
    standardised = fitted.standardise(wild)
    np.testing.assert_array_equal(fitted.standardise(larger), standardised)
    np.testing.assert_allclose(standardised[::3, 7], standardised[0, 7])
    assert np.abs(standardised[0, 7]) < 0.5 and "lie within" not in caplog.text


def test_a_gene_of_nothing_but_implausible_values_carries_nothing(expression, covariates, make_config):
    expression[:, 7] = 10.0 ** np.linspace(6.5, 9.0, 30)
    config = make_config(genes={"implausible": "median"})
    fitted = gene_transform.fit_transform(expression, covariates, GENES, config)
    assert (fitted.standardise(expression)[:, 7] == 0).all()
