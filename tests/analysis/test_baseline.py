import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from radiogenomics import settings
from radiogenomics.analysis import baseline, baseline_files, map_files
from radiogenomics.data import cohort as cohorts
from radiogenomics.errors import InputError

PATIENTS = [f"P{number:02d}" for number in range(60)]


@pytest.fixture
def tables():
    """Sixty patients; gene G0 drives `size`, and a batch moves both G1 and `noise`."""
    generator = np.random.default_rng(0)
    latent = generator.standard_normal((60, 30))
    batch = np.arange(60) % 2
    latent[:, 1] += 4 * batch
    size = latent[:, 0] + 0.3 * generator.standard_normal(60)
    noise = 4 * batch + generator.standard_normal(60)
    return baseline.Tables(
        pd.DataFrame(2.0 ** (latent + 6.0), index=PATIENTS, columns=[f"G{number}" for number in range(30)]),
        pd.DataFrame({"size": 10 + 3 * size, "noise": noise}, index=PATIENTS),
        pd.DataFrame({"batch": np.where(batch, "b", "a")}, index=PATIENTS),
    )


@pytest.fixture
def config():
    config = settings.default_config()
    config.genes.adjust = ()
    config.genes.components = 5
    config.map.metagenes = 4
    config.map.permutations = 1999
    config.evaluate.permutations, config.evaluate.bootstraps = 199, 20
    return config


def test_unadjusted_it_is_gene_wise_spearman_in_feature_units(tables, config):
    dataset = baseline.classical_map(tables, config)
    expected = stats.spearmanr(tables.expression["G0"], tables.features["size"]).statistic
    one = dataset.sel(gene="G0", feature="size")
    assert float(one["score"]) == pytest.approx(expected, abs=1e-3)
    assert float(one["association"]) == pytest.approx(expected * tables.features["size"].std(ddof=0), rel=1e-3)
    assert float(one["p_max"]) == pytest.approx(1 / 2000)


def test_adjusting_for_the_batch_removes_what_it_alone_explains(tables, config):
    assert float(baseline.classical_map(tables, config)["score"].sel(gene="G1", feature="noise")) > 0.6
    config.genes.adjust = ("batch",)
    adjusted = baseline.classical_map(tables, config)
    assert float(adjusted["score"].sel(gene="G1", feature="noise")) < 0.3
    assert float(adjusted["score"].sel(gene="G0", feature="size")) > 0.8


def test_a_gene_inherits_the_evidence_of_its_metagene(tables, config):
    dataset = baseline.classical_map(tables, config)
    loading = dataset["metagene_loading"].values > 0
    assert (loading.sum(axis=1) == 1).all()
    inherited = loading @ dataset["metagene_effect_score"].values
    assert (dataset["three_step_score"].values <= inherited + 1e-5).all()


def test_few_patients_and_constant_features_are_refused(tables, config):
    few = baseline.Tables(*(table.iloc[:6] for table in tables))
    with pytest.raises(InputError, match="6 patients .* at least 10"):
        baseline.classical_map(few, config)
    constant = tables._replace(features=tables.features.assign(size=1.0))
    with pytest.raises(InputError, match="'size' is the same for every patient"):
        baseline.classical_map(constant, config)


def test_tables_on_disk_become_a_map_on_disk(tables, config, tmp_path):
    tables.expression.T.to_csv(tmp_path / "genes.csv")
    tables.features.to_csv(tmp_path / "features.csv")
    tables.covariates.to_csv(tmp_path / "covariates.csv")
    baseline_files.map_tables(
        tmp_path / "genes.csv", tmp_path / "features.csv", tmp_path / "covariates.csv", tmp_path / "out", config
    )
    predicted = pd.read_csv(tmp_path / "out" / "predictors.csv").set_index("feature")
    assert (predicted.loc["size", "r"] > 0.7).all()
    dataset = map_files.read_map(tmp_path / "out")
    assert dataset.attrs["adjusted_for"] == "batch"
    assert list(dataset["patient"].values) == PATIENTS
    hits = pd.read_csv(tmp_path / "out" / "hits.csv")
    assert set(hits["gene"]) == {"G0"}


def write(tables, folder):
    for name, table in zip(("genes", "features", "covariates"), tables, strict=True):
        table.to_csv(folder / f"{name}.csv")
    return [folder / "genes.csv", folder / "features.csv", folder / "covariates.csv", folder / "out"]


@pytest.mark.parametrize("statistic", ["spearman", "partial_spearman", "distance"])
def test_every_statistic_copes_with_real_tables(statistic, tables, config, tmp_path, caplog):
    """Text and numeric covariates, one of them redundant, missing values, a constant gene."""
    config.map.permutations = 199
    messy = tables._replace(
        expression=tables.expression.assign(G2=64.0),
        features=tables.features.assign(size=tables.features["size"].where(np.arange(60) > 4)),
        covariates=tables.covariates.assign(
            ward=np.where(tables.covariates["batch"] == "b", "east", "west"), age=np.arange(60.0), empty=np.nan,
        ).assign(age=lambda table: table["age"].where(table["age"] != 7)),
    )
    baseline_files.map_tables(*write(messy, tmp_path), config, statistic, predictors=False)
    dataset = map_files.read_map(tmp_path / "out")
    assert dataset.attrs["statistic"] == statistic
    assert "covariate 'ward' is constant or collinear" in caplog.text
    assert "covariate 'empty' is constant or collinear" in caplog.text
    assert dataset["score"].notnull().all() and dataset["p"].notnull().all()
    assert str(dataset["score"].sel(feature="size").idxmax("gene").values) == "G0"
    assert float(dataset["p_max"].sel(gene="G1", feature="noise")) > 0.05
    assert float(dataset["p"].sel(gene="G2").min()) == 1.0


def test_a_feature_that_the_covariates_explain_is_named_and_says_nothing(tables, config, caplog):
    config.genes.adjust = ("batch",)
    config.map.permutations = 99
    explained = tables._replace(features=tables.features.assign(ward=(tables.covariates["batch"] == "b") * 3.1))
    dataset = baseline.classical_map(explained, config)
    assert "features that the covariates explain altogether: ward" in caplog.text
    assert float(dataset["p"].sel(feature="ward").min()) == 1.0


def test_standardised_expression_gives_the_map_of_the_logged_one(tables, config, tmp_path):
    config.map.permutations = 99
    logged = np.log2(tables.expression + 1)
    scores = tables._replace(expression=(logged - logged.mean()) / logged.std())
    paths = write(scores, tmp_path)
    with pytest.raises(InputError, match="nor standardised"):
        baseline_files.map_tables(*paths, config, predictors=False)
    baseline_files.map_tables(*paths, config, standardised=True, predictors=False)
    found = map_files.read_map(tmp_path / "out")
    assert found.attrs["expression"] == "z-scores or logged values"
    assert len(found.attrs["cohort_fingerprint"]) == 64 and "jax" in found.attrs["environment"]
    config.genes.adjust = ("batch",)
    expected = baseline.classical_map(tables, config)
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)


def test_tables_without_common_patients_and_unknown_statistics_are_refused(tables, config, tmp_path):
    paths = write(tables._replace(covariates=tables.covariates.iloc[:6]), tmp_path)
    with pytest.raises(InputError, match="6 patients are in all tables .* expected at least 10"):
        baseline_files.map_tables(*paths, config)
    with pytest.raises(InputError, match="statistic: 'kendall'; expected one of spearman"):
        baseline.classical_map(tables, config, "kendall")


def test_constant_features_of_a_table_are_left_out_and_told(tables, config, tmp_path, caplog):
    tables.expression.T.to_csv(tmp_path / "genes.csv")
    tables.features.assign(share=1.0, empty=np.nan).to_csv(tmp_path / "features.csv")
    baseline_files.map_tables(
        tmp_path / "genes.csv", tmp_path / "features.csv", None, tmp_path / "out", config, predictors=False
    )
    assert list(map_files.read_map(tmp_path / "out")["feature"].values) == ["size", "noise"]
    assert "left out, the same for all: share" in caplog.text
    assert "left out, known in fewer than 10 patients: empty" in caplog.text
    tables.features.assign(size=1.0, noise=2.0).to_csv(tmp_path / "constant.csv")
    with pytest.raises(InputError, match="none of the 2 columns varies"):
        baseline_files.map_tables(tmp_path / "genes.csv", tmp_path / "constant.csv", None, tmp_path / "none", config)


def test_ids_keep_their_zeros_and_empty_text_is_unknown(tmp_path):
    (tmp_path / "table.csv").write_text("id;age;ward\n001;50;a\n002;;\n")
    table = baseline_files.read_table(tmp_path / "table.csv")
    assert list(table.index) == ["001", "002"] and list(table["ward"]) == ["a", "unknown"]
    assert table["age"].iloc[0] == 50.0 and np.isnan(table["age"].iloc[1])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "not a readable table"),
        ("id,size\nP00,inf\nP01,1\n", "column 'size' is inf for patient 'P00'"),
        ("id,size\nP00,1\nP01,-1e300\n", "column 'size' is -1e300 for patient 'P01'"),
        ("id,size\nP00,1\nP00,2\n", "'P00' has more than one row"),
        ("id\nP00\n", "no column beside|not a readable table"),
    ],
)
def test_tables_that_cannot_be_used_are_told_by_place(text, message, tmp_path):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        baseline_files.read_table(tmp_path / "table.csv")


def test_text_in_a_feature_column_and_doubled_patients_are_named(tables, tmp_path):
    tables.expression.T.to_csv(tmp_path / "genes.csv")
    tables.features.assign(kind="round").to_csv(tmp_path / "text.csv")
    with pytest.raises(InputError, match="column 'kind' holds text"):
        baseline_files.map_tables(tmp_path / "genes.csv", tmp_path / "text.csv", None, tmp_path / "out")
    pd.concat([tables.features, tables.features[:1]]).to_csv(tmp_path / "twice.csv")
    with pytest.raises(InputError, match="patient 'P00' has more than one row"):
        baseline_files.map_tables(tmp_path / "genes.csv", tmp_path / "twice.csv", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cohort_is_measured_and_mapped(cohort_folder, config, tmp_path):
    config.genes.adjust = ("sequencing_batch", "site")
    baseline_files.map_cohort(cohort_folder, tmp_path, config)
    dataset = map_files.read_map(tmp_path)
    assert dataset.attrs["route"] == "classical"
    assert dataset.attrs["cohort_fingerprint"] == cohorts.load_cohort(cohort_folder).fingerprint
    assert json.loads(dataset.attrs["config"])["seed"] == config.seed and "jax" in dataset.attrs["environment"]
    assert dataset["score"].notnull().all()
