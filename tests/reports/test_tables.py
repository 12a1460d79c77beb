"""Rows, number formats and the summary in plain sentences."""

import numpy as np
import pandas as pd
import pytest
from made_up import FOLDS, PATIENTS, TRUTH, make_baseline, make_evaluation, make_map

from radiogenomics.reports import tables


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.998, "0.998"), (-12.345, "−12.3"), (1234.5, "1,234"), (2e-6, "2.00e−06"), (None, "–"),
     (np.nan, "–")],
)
def test_numbers_have_three_significant_digits(value, text):
    assert tables.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.float32(1e-4), "0.0001"), (0.00348, "0.0035"), (0.054, "0.054"), (0.5, "0.50"), (2e-7, "2e-07"), (None, "–")],
)
def test_p_values_keep_two_digits(value, text):
    assert tables.p_value(value) == text


def test_feature_labels_name_the_unit_once():
    labels = tables.feature_labels(make_map())
    assert list(labels.values()) == ["mean attenuation (HU)", "equivalent diameter (mm)", "elongation"]
    assert tables.feature_label("edge_sharpness_hu_per_mm", "HU/mm") == "edge sharpness (HU/mm)"


def test_summary_tells_what_is_supported_and_found():
    told = tables.summarise(make_evaluation(), make_map(), 0.05)
    assert len(told) == 3
    assert told[0].startswith("24 patients in 3 folds, 20 genes, 3 image features")
    assert "1 of 3" in told[1] and "equivalent diameter (mm) r 0.70 [0.50, 0.80]" in told[1]
    assert "not supported: mean attenuation (HU), elongation" in told[1]
    assert "4 genes (4 gene-feature pairs) have q < 0.05" in told[2]
    assert "the strongest is G01 for equivalent diameter (mm) (score 0.80, 8.00 mm per gene SD)" in told[2]


def test_summary_compares_and_scores_in_five_lines():
    told = tables.summarise(make_evaluation(), make_map(), 0.05, make_baseline(), TRUTH)
    assert len(told) == 5 and not any("\n" in sentence for sentence in told)
    assert "same 1 feature the classical Spearman map has 4 gene-feature pairs" in told[3]
    assert "against 4 here, 3 in both" in told[3]
    assert "2 links" in told[4] and "misses: " in told[4]


def test_summary_says_that_nothing_is_supported():
    evaluation = make_evaluation()
    for row in evaluation["gate"].values():
        row["supported"] = False
    told = tables.summarise(evaluation, make_map(supported=(False, False, False)), 0.05)
    assert "none of the 3" in told[1] and "no gene is reported as found" in told[2]


def test_summary_says_that_there_is_no_hit():
    told = tables.summarise(make_evaluation(), make_map(supported=(True, False, False)), 0.05)
    assert told[2] == "No gene has q < 0.05 on a supported feature."


def test_summary_warns_of_a_baseline_on_other_patients():
    baseline = make_baseline().assign_coords(patient=[*PATIENTS[:20], "X1", "X2", "X3", "X4"])
    assert "it has 24 patients, of whom 20 are the same" in tables.summarise(
        make_evaluation(), make_map(), 0.05, baseline)[3]


def test_top_genes_are_ordered_by_score_with_their_numbers():
    rows = tables.top_genes(make_map(), "equivalent_diameter_mm", 3)
    assert [row["gene"] for row in rows] == ["G01", "G03", "G00"]
    assert rows[0]["association"] == pytest.approx(8.0) and rows[0]["q"] == pytest.approx(1e-4)


def test_genes_are_grouped_once_by_supported_feature():
    groups = tables.group_genes(make_map(supported=(True, True, False)), 20)
    genes = [gene for _, members in groups for gene in members]
    assert [feature for feature, _ in groups] == ["mean_hu", "equivalent_diameter_mm"]
    assert sorted(genes) == sorted(set(genes)) and len(genes) == 20
    assert dict(groups)["equivalent_diameter_mm"][:2] == ["G01", "G03"]


def test_all_features_are_grouped_where_none_is_supported():
    assert len(tables.group_genes(make_map(supported=(False, False, False)), 5)) == 3


def test_metagenes_are_ordered_by_evidence_and_led_by_their_best_genes():
    rows = tables.metagene_rows(make_map(), 5)
    assert [row["metagene"] for row in rows] == ["metagene 2", "metagene 1"]
    assert rows[0]["feature"] == "equivalent_diameter_mm" and rows[0]["effect"] == pytest.approx(-4.0)
    assert rows[0]["genes"][:2] == ["G00", "G02"] and rows[0]["size"] == 10


def test_compared_maps_count_shared_hits_and_agree_with_themselves():
    rows = tables.compare_maps(make_map(), make_baseline(), 0.05)
    assert [row["feature"] for row in rows] == ["equivalent_diameter_mm", "mean_hu", "elongation"]
    assert (rows[0]["hits"], rows[0]["classical_hits"], rows[0]["shared_hits"]) == (4, 4, 3)
    positive = make_map()
    positive["score"] = np.abs(positive["score"])
    assert tables.compare_maps(positive, positive, 0.05)[0]["agreement"] == pytest.approx(1.0)


def test_maps_without_a_common_gene_cannot_be_compared():
    other = make_baseline(genes=[f"H{number}" for number in range(20)])
    assert tables.compare_maps(make_map(), other, 0.05) == []
    assert "cannot be compared" in tables.summarise(make_evaluation(), make_map(), 0.05, other)[3]


def test_routes_are_scored_and_failing_links_named():
    planted = tables.score_routes(make_map(), make_baseline(), TRUTH, 0.05)
    assert [route["key"] for route in planted["routes"]] == ["score", "classical", "three_step"]
    diameter, shape = planted["links"]
    assert diameter["supported"] and not shape["supported"]
    assert diameter["routes"]["score"]["average_precision"] == pytest.approx(1.0)
    assert diameter["routes"]["classical"]["false_discoveries"] == 1
    worst = make_map()
    worst["score"][4:8, 2] = [-1.0, -0.9, -0.8, -0.7]
    failed = tables.score_routes(worst, None, TRUTH, 0.05)["routes"]
    assert len(failed) == 1 and failed[0]["failed"] == ["shape (u)"]


def test_routes_are_scored_on_the_genes_they_share():
    first, last = make_map().isel(gene=slice(0, 12)), make_baseline().isel(gene=slice(2, 20))
    planted = tables.score_routes(first, last, TRUTH, 0.05)
    assert [link["routes"]["classical"]["hits"] for link in planted["links"]] == [2, 0]
    few = tables.score_routes(make_map().isel(gene=slice(0, 2)), make_baseline(), TRUTH, 0.05)
    assert [link["factor"] for link in few["links"]] == ["size"]


def test_links_to_features_outside_the_map_are_left_out():
    planted = tables.score_routes(make_map().sel(feature=["mean_hu"]), None, TRUTH, 0.05)
    assert planted["links"] == [] and planted["chance"] is None


def test_quality_rows_survive_missing_parts():
    full = tables.quality_rows(make_evaluation())
    empty = tables.quality_rows({})
    assert [row["measure"] for row in full] == [row["measure"] for row in empty]
    assert full[0]["value"] == "25 %" and full[-1]["value"] == "below 0.001 HU"
    assert all(row["value"] == "–" for row in empty)


def test_drops_are_counted_by_reason():
    quality = {"patients": [{"kept": True}, *({"kept": False, "reason": text} for text in ("no CT", "no CT", None))]}
    assert tables.drop_rows(quality) == [{"reason": "no CT", "count": 2}, {"reason": "no reason recorded", "count": 1}]


def test_covariates_are_told_by_fold():
    frame = pd.DataFrame(
        {"site": ["A"] * 12 + ["B"] * 12, "slice_thickness_mm": [1.0] * 24, "scanner": [f"S{n}" for n in range(24)]},
        index=PATIENTS,
    )
    rows = tables.covariate_rows(frame, FOLDS)
    assert rows[0] == {"name": "site", "level": "A", "cells": ["12", "8", "4", "0"]}
    assert rows[2]["name"] == "slice thickness (mm)" and rows[2]["cells"][0] == "1.00 (0)"
    assert rows[-1]["level"] == "18 other levels" and rows[-1]["cells"][0] == "18"
