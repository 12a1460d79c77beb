import numpy as np
import pandas as pd
import pytest

from radiogenomics.data import batches

SAMPLES = [f"S{number:02d}" for number in range(60)]
NOTHING = pd.DataFrame(index=pd.Index([], name="patient"))


def simulate(breaks_at, samples=60, genes=300, shifted=1.0):
    generator = np.random.default_rng(1)
    logged = generator.normal(5, 1, (samples, genes)) + generator.normal(0, 1, (samples, 1)) * generator.normal(
        0, 0.5, genes)
    logged[breaks_at:, : genes // 3] += shifted * generator.choice([-1.0, 1.0], genes // 3)
    values = 2**logged
    values[breaks_at:, -10:] = np.nan
    return pd.DataFrame(values, index=SAMPLES[:samples])


@pytest.fixture(scope="module")
def report():
    """A break after S37, that site follows with two exceptions, and random covariates."""
    generator = np.random.default_rng(3)
    site = np.array(["A"] * 38 + ["B"] * 22)
    site[[2, 50]] = ["B", "A"]
    covariates = pd.DataFrame(
        {"site": site, "sex": generator.choice(["m", "f"], 60), "age": generator.normal(60, 10, 60), "id": SAMPLES},
        index=SAMPLES,
    )
    return batches.find_batches(simulate(38), covariates.iloc[1:], 99, 0)


def test_batches_are_found_at_their_break(report):
    assert report.labels.to_dict() == dict.fromkeys(SAMPLES[:38], "1") | dict.fromkeys(SAMPLES[38:], "2")
    assert report.p == 0.01
    assert report.findings[0].startswith(
        "the samples fall into two batches by their order: S00 to S37 (38) and S38 to S59 (22), p 0.01; component 2 "
        "tells them apart best (AUC 1.00)"
    )


def test_what_the_batches_follow_is_named_and_nothing_else(report):
    about = " ".join(report.findings)
    assert "the two batches differ by site (eta2 0.8" in about
    assert "component 2 follows the sample order: it breaks after S37 (AUC 1.00, p 0.01)" in about
    assert "component 2 differs by site (eta2 0.7" in about
    assert not {"sex", "age", "id"} & set(about.replace(",", " ").split())


def test_components_are_scores_with_their_share(report):
    assert report.components.index.tolist() == SAMPLES
    assert report.components.columns.tolist() == [f"component_{number}" for number in range(1, 6)]
    scores = report.components.to_numpy()
    np.testing.assert_allclose(scores.T @ scores / np.linalg.norm(scores, axis=0) ** 2, np.eye(5), atol=1e-9)
    assert 0 < report.explained[4] <= report.explained[0] and sum(report.explained) < 1
    np.testing.assert_allclose((scores**2).sum(axis=0) / (scores[:, 0] ** 2).sum(),
                               np.array(report.explained) / report.explained[0])


def test_a_numeric_covariate_is_found():
    values = simulate(60)
    generator = np.random.default_rng(4)
    strength = generator.normal(0, 1, 60)
    values.iloc[:, :100] *= np.exp2(np.outer(strength, np.ones(100)))
    table = pd.DataFrame({"purity": strength, "constant": 1.0}, index=SAMPLES)
    table.loc[SAMPLES[5], "purity"] = np.nan
    report = batches.find_batches(values, table, 99, 0)
    assert [finding for finding in report.findings if "component 1 follows purity (|Spearman| 0.9" in finding]
    assert set(report.labels) == {"1"} and "constant" not in " ".join(report.findings)


@pytest.mark.parametrize("shuffled", (False, True))
def test_no_batches_without_a_break_in_the_order(shuffled):
    values = simulate(60)
    if shuffled:
        values = simulate(38).sample(frac=1.0, random_state=2).set_axis(SAMPLES)
    report = batches.find_batches(values, NOTHING, 99, 0)
    assert set(report.labels) == {"1"} and report.p > 0.01
    assert "two batches" not in " ".join(report.findings)


def test_findings_are_rare_where_nothing_is_linked():
    """Family-wise: below 5 % of tables that hold noise alone, give or take."""
    found = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        values = pd.DataFrame(np.exp2(generator.normal(5, 1, (24, 30))), index=SAMPLES[:24])
        table = pd.DataFrame({"site": generator.choice(["A", "B"], 24), "age": generator.normal(size=24)}, values.index)
        found += bool(batches.find_batches(values, table, 19, seed).findings)
    assert found <= 6  # P(more | 5 %) = 0.003


@pytest.mark.parametrize("samples", (1, 3, 10))
def test_few_samples_are_one_batch(samples):
    report = batches.find_batches(simulate(60, samples=60).iloc[:samples], NOTHING, 99, 0)
    assert report.labels.tolist() == ["1"] * samples and report.p == 1.0 and report.findings == ()
    assert report.components.shape == (samples, 5) and np.isfinite(report.components.to_numpy()).all()
    assert len(report.explained) == 5


def test_a_table_without_variation_has_nothing_to_find():
    values = pd.DataFrame(np.ones((20, 4)), index=SAMPLES[:20])
    covariates = pd.DataFrame({"site": ["A", "B"] * 10}, index=SAMPLES[:20])
    report = batches.find_batches(values, covariates, 9, 0)
    assert report.findings == () and set(report.labels) == {"1"} and report.explained == (0.0,) * 5


def test_the_same_seed_gives_the_same_report(report):
    one, two = (batches.find_batches(simulate(38), NOTHING, 49, 7) for _ in range(2))
    assert one.findings == two.findings and one.p == two.p
    pd.testing.assert_frame_equal(one.components, two.components)
