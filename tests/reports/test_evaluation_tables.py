"""Rows and sentences about gene control on held-out patients."""

import numpy as np
import pytest
from made_up import FOLDS, make_evaluation, make_gene_code, make_map, make_older_evaluation

from radiogenomics.reports import evaluation_tables

LABELS = {"mean_hu": "mean attenuation (HU)", "elongation": "elongation"}
ROWS = [np.arange(8 * number, 8 * number + len(fold)) for number, fold in enumerate(FOLDS)]


def test_gate_rows_hold_every_number_or_nothing():
    mean, diameter, elongation = evaluation_tables.gate_rows(make_evaluation()["gate"], make_map())
    assert diameter["label"] == "equivalent diameter (mm)" and diameter["link"] == "linear" and diameter["ratio"] == 0.9
    assert mean["link"] == "" and mean["r_shuffled_low"] == -0.15 and elongation["link"] == "U-shaped"
    older = evaluation_tables.gate_rows(make_older_evaluation()["gate"], make_map())[1]
    assert older["ratio"] is None and older["link"] == "" and older["r"] == 0.7


def test_gate_summary_is_told_in_one_sentence():
    told = evaluation_tables.describe_gate(make_evaluation()["gate_summary"], LABELS)
    assert "reaches 90 % of its correlation on average [80 % to 100 %], least for equivalent_diameter_mm" in told
    assert "not linear, elongation r – against 0.02" in told
    assert "1 feature left out of the loss, mean attenuation (HU) r 0.10 against 0.60" in told


def test_gate_summary_of_many_unseen_features_gives_their_median():
    unseen = {f"f{number}": {"r": 0.1 * number, "r_best_direct": 0.5} for number in range(5)}
    told = evaluation_tables.describe_gate({"linear_mean_ratio": None, "unseen": unseen}, {})
    assert "the 5 features left out of the loss a median of r 0.20 against 0.50" in told and "linear" not in told
    assert evaluation_tables.describe_gate({}, {}) == ""


def test_retrieval_is_told_beside_chance():
    rows = evaluation_tables.retrieval_rows(make_evaluation())
    assert rows[0]["value"] == "25 %" and rows[0]["reference"] == "chance 12 %, p 0.010"
    assert all(row["value"] == "–" for row in evaluation_tables.retrieval_rows({}))


def test_variance_rows_keep_sources_in_order():
    rows = evaluation_tables.variance_rows(make_evaluation(), LABELS)
    assert rows[0]["label"] == "mean attenuation (HU)" and list(rows[0]["shares"].values()) == [0.2, 0.5, 0.04, 0.26]
    assert rows[0]["ratio"] == 0.2 and rows[2]["shares"]["genes"] is None
    assert evaluation_tables.variance_rows(make_older_evaluation(), LABELS) is None
    null = evaluation_tables.variance_rows({"sensitivity": {"mean_hu": None}}, LABELS)
    assert null[0]["shares"]["noise"] is None and null[0]["ratio"] is None


def test_variance_is_told_by_its_medians():
    told = evaluation_tables.describe_variance(evaluation_tables.variance_rows(make_evaluation(), LABELS))
    assert "median of 50 % of the variance" in told and "median of 25 % of what it varies" in told
    constant = evaluation_tables.variance_rows({"sensitivity": {"mean_hu": None}}, LABELS)
    assert evaluation_tables.describe_variance(constant) == "No synthesised feature varies."


@pytest.mark.parametrize(
    ("p", "words"), [(0.0001, "look more alike than chance"), (0.3, "do not look measurably more alike"),
                     (None, "could not be tested")],
)
def test_gene_codes_are_told_by_their_p(p, words):
    assert words in evaluation_tables.describe_gene_code({"p": p})


def test_the_feature_that_shapes_the_codes_agrees_best():
    values = np.array(make_evaluation()["values"]["real"], float)
    codes = make_gene_code().filter(like="code_").to_numpy()
    agreement = evaluation_tables.agreement_by_feature(codes, values, ROWS, 2)
    assert agreement.argmax() == 1 and agreement[1] > 0.7 and np.abs(agreement[[0, 2]]).max() < 0.5


def test_neighbours_are_of_the_same_fold():
    """Codes that only tell folds apart say nothing within a fold."""
    codes = np.repeat([0.0, 100.0, 200.0], 8)[:, None] + 1e-3 * np.random.default_rng(0).normal(size=(24, 1))
    values = np.repeat([5.0, -5.0, 0.0], 8)[:, None] + np.random.default_rng(1).normal(size=(24, 1))
    assert abs(evaluation_tables.agreement_by_feature(codes, values, ROWS, 7)[0] + 1.0) < 1e-3  # the mean of all others


def test_embedded_codes_rise_with_the_feature():
    codes = np.random.default_rng(0).normal(size=(9, 5)) * [9, 1, 1, 1, 1]
    values = -codes[:, 0] + 1.0
    values[2] = np.nan
    points, explained = evaluation_tables.embed_codes(codes, values)
    known = np.isfinite(values)
    assert np.corrcoef(points[known, 0], values[known])[0, 1] > 0.95 and 0.8 < explained <= 1.0


@pytest.mark.parametrize("codes", [np.zeros((4, 3)), np.ones((1, 3))])
def test_codes_without_a_direction_stay_in_place(codes):
    points, explained = evaluation_tables.embed_codes(codes, np.arange(float(len(codes))))
    assert not points.any() and explained == 0.0 and points.shape == (len(codes), 2)
