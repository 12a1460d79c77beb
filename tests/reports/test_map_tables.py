"""Rows about the map, those beside it and the planted truth."""

import numpy as np
import pandas as pd
import pytest
from made_up import TRUTH, make_baseline, make_evaluation, make_map

from radiogenomics.reports import map_tables
from radiogenomics.reports.formatting import feature_label
from radiogenomics.reports.summary import summarise


def test_feature_labels_name_the_unit_once():
    labels = map_tables.feature_labels(make_map())
    assert list(labels.values()) == ["mean attenuation (HU)", "equivalent diameter (mm)", "elongation"]
    assert feature_label("edge_sharpness_hu_per_mm", "HU/mm") == "edge sharpness (HU/mm)"


def test_top_genes_are_ordered_by_score_with_their_numbers():
    rows = map_tables.top_genes(make_map(), "equivalent_diameter_mm", 3)
    assert [row["gene"] for row in rows] == ["G01", "G03", "G00"]
    assert rows[0]["association"] == pytest.approx(8.0) and rows[0]["q"] == pytest.approx(1e-4)


def test_genes_are_grouped_once_by_supported_feature():
    groups = map_tables.group_genes(make_map(supported=(True, True, False)), 20)
    genes = [gene for _, members in groups for gene in members]
    assert [feature for feature, _ in groups] == ["mean_hu", "equivalent_diameter_mm"]
    assert sorted(genes) == sorted(set(genes)) and len(genes) == 20
    assert dict(groups)["equivalent_diameter_mm"][:2] == ["G01", "G03"]


def test_all_features_are_grouped_where_none_is_supported():
    assert len(map_tables.group_genes(make_map(supported=(False, False, False)), 5)) == 3


def test_metagenes_are_ordered_by_evidence_and_led_by_their_best_genes():
    rows = map_tables.metagene_rows(make_map(), 5)
    assert [row["metagene"] for row in rows] == ["metagene 2", "metagene 1"]
    assert rows[0]["feature"] == "equivalent_diameter_mm" and rows[0]["effect"] == pytest.approx(-4.0)
    assert rows[0]["genes"][:2] == ["G00", "G02"] and rows[0]["size"] == 10


def test_sets_found_are_told_supported_features_first_and_counted():
    table = pd.DataFrame({"set": ["A", "B", "C"], "feature": "mean_hu", "q": [0.01, 0.02, 0.2],
                          "leading_genes": ["G1;G2", "G3", ""], "supported": [False, True, True]})
    rows, found = map_tables.enrichment_rows(table, 0.05, 1)
    assert found == 2 and [row["set"] for row in rows] == ["B"] and rows[0]["leading_genes"] == ["G3"]


def test_compared_maps_count_shared_hits_and_agree_with_themselves():
    rows = map_tables.compare_maps(make_map(), make_baseline(), 0.05)
    assert [row["feature"] for row in rows] == ["equivalent_diameter_mm", "mean_hu", "elongation"]
    assert (rows[0]["hits"], rows[0]["classical_hits"], rows[0]["shared_hits"]) == (4, 4, 3)
    positive = make_map()
    positive["score"] = np.abs(positive["score"])
    assert map_tables.compare_maps(positive, positive, 0.05)[0]["agreement"] == pytest.approx(1.0)


def test_maps_without_a_common_gene_cannot_be_compared():
    other = make_baseline(genes=[f"H{number}" for number in range(20)])
    assert map_tables.compare_maps(make_map(), other, 0.05) == []
    assert "cannot be compared" in summarise(make_evaluation(), make_map(), 0.05, other)[4]


def test_routes_are_scored_and_failing_links_named():
    planted = map_tables.score_routes(make_map(), make_baseline(), TRUTH, 0.05)
    assert [route["key"] for route in planted["routes"]] == ["score", "classical", "three_step"]
    diameter, shape = planted["links"]
    assert diameter["supported"] and not shape["supported"]
    assert diameter["routes"]["score"]["average_precision"] == pytest.approx(1.0)
    assert diameter["routes"]["classical"]["false_discoveries"] == 1
    worst = make_map()
    worst["score"][4:8, 2] = [-1.0, -0.9, -0.8, -0.7]
    failed = map_tables.score_routes(worst, None, TRUTH, 0.05)["routes"]
    assert len(failed) == 1 and failed[0]["failed"] == ["shape (u)"]


def test_routes_are_scored_on_the_genes_they_share():
    first, last = make_map().isel(gene=slice(0, 12)), make_baseline().isel(gene=slice(2, 20))
    planted = map_tables.score_routes(first, last, TRUTH, 0.05)
    assert [link["routes"]["classical"]["hits"] for link in planted["links"]] == [2, 0]
    few = map_tables.score_routes(make_map().isel(gene=slice(0, 2)), make_baseline(), TRUTH, 0.05)
    assert [link["factor"] for link in few["links"]] == ["size"]


def test_links_to_features_outside_the_map_are_left_out():
    planted = map_tables.score_routes(make_map().sel(feature=["mean_hu"]), None, TRUTH, 0.05)
    assert planted["links"] == [] and planted["chance"] is None


def test_the_detection_limit_is_told_where_the_map_has_it():
    dataset = make_map()
    assert map_tables.describe_detection(dataset) == ""
    dataset.attrs |= {"smallest_certifiable_correlation": 0.512, "family_wise_threshold": 0.41}
    told = map_tables.describe_detection(dataset)
    assert "60 gene-feature pairs" in told and "24 patients certify a correlation of 0.51" in told and "0.41" in told
    dataset.attrs |= {"smallest_certifiable_correlation": np.nan, "family_wise_threshold": 1.02}
    assert "24 patients cannot certify even a perfect correlation" in map_tables.describe_detection(dataset)
