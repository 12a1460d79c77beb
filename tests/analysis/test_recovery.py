import numpy as np
import pytest
import xarray

from radiogenomics.analysis import recovery

TRUTH = {
    "modules": {"M01": ["A1", "A2"], "M02": ["B1", "B2"], "M03": ["C1", "C2"]},
    "links": [
        {"modules": ["M01"], "factor": "diameter", "feature": "equivalent_diameter_mm", "kind": "linear"},
        {"modules": ["M02"], "factor": "attenuation", "feature": "mean_hu", "kind": "linear"},
    ],
    "decoys": {"D1": "M01"},
}
GENES = ["A1", "A2", "B1", "B2", "C1", "C2", "D1", "N1"]


def make_map(score, q):
    features = ["equivalent_diameter_mm", "mean_hu"]
    return xarray.Dataset(
        {"score": (("gene", "feature"), np.array(score).T), "q": (("gene", "feature"), np.array(q).T)},
        coords={"gene": GENES, "feature": features},
    )


def test_a_map_that_finds_every_planted_gene_scores_one_and_decoys_do_not_count():
    score = [[0.9, 0.8, 0, 0, 0, 0, 0.95, 0], [0, 0, 0.9, 0.8, 0, 0, 0, 0]]
    result = recovery.score_recovery(make_map(score, np.ones((2, 8))), TRUTH)
    assert [link["average_precision"] for link in result["links"]] == [1.0, 1.0]
    assert result["mean_average_precision"] == 1.0


def test_a_wrong_gene_in_front_costs_precision():
    score = [[0.9, 0.7, 0, 0, 0.8, 0, 0, 0], [0, 0, 0.9, 0.8, 0, 0, 0, 0]]
    result = recovery.score_recovery(make_map(score, np.ones((2, 8))), TRUTH)
    assert result["links"][0]["average_precision"] == pytest.approx((1 + 2 / 3) / 2)


def test_false_discoveries_are_genes_that_no_driver_explains():
    q = [[0.01, 0.2, 0.01, 1, 0.01, 1, 0.01, 0.01], np.ones(8)]
    link = recovery.score_recovery(make_map(np.zeros((2, 8)), q), TRUTH)["links"][0]
    # A1 is right, B1 belongs to another driver, D1 is a decoy; C1 (null module) and N1 are false.
    assert link["hits"] == 5
    assert link["power"] == 0.5
    assert link["false_discoveries"] == 2


def test_links_whose_feature_the_map_lacks_are_left_out():
    dataset = make_map(np.zeros((2, 8)), np.ones((2, 8))).sel(feature=["mean_hu"])
    assert [link["feature"] for link in recovery.score_recovery(dataset, TRUTH)["links"]] == ["mean_hu"]
