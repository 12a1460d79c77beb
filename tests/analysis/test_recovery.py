import numpy as np
import pytest
import xarray

from radiogenomics.analysis import recovery

TRUTH = {
    "modules": {"M01": ["A1", "A2"], "M02": ["B1", "B2"], "M03": ["C1", "C2"]},
    "links": [
        {"modules": ["M01"], "factor": "diameter", "feature": "equivalent_diameter_mm", "kind": "linear"},
        {"modules": ["M02"], "factor": "attenuation", "feature": "mean_hu", "kind": "linear", "effect": -0.9},
    ],
    "decoys": {"D1": "M01"},
    "batch_module": "M03",
}
GENES = ["A1", "A2", "B1", "B2", "C1", "C2", "D1", "N1"]


def make_map(score, q):
    features = ["equivalent_diameter_mm", "mean_hu"]
    values = {"score": score, "q": q, "p_max": q, "association": score}
    return xarray.Dataset(
        {name: (("gene", "feature"), np.array(value).T) for name, value in values.items()},
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
    assert link["false_discoveries"] == 2 and link["false_share"] == pytest.approx(0.4)


def test_a_link_of_no_effect_drives_nothing():
    truth = TRUTH | {"links": [link | {"effect": 0.0} for link in TRUTH["links"]]}
    assert recovery.tied_genes(GENES, TRUTH).tolist() == [True] * 4 + [False] * 2 + [True, False]
    assert not recovery.tied_genes(GENES, truth).any()
    q = [[0.01, 0.2, 0.01, 1, 0.01, 1, 0.01, 0.01], np.ones(8)]
    link = recovery.score_recovery(make_map(np.zeros((2, 8)), q), truth)["links"][0]
    assert link["false_discoveries"] == link["hits"] == 5 and link["sign_accuracy"] is None


def test_signs_are_those_of_the_planted_effect():
    score = [[0.9, -0.8, 0, 0, 0, 0, 0, 0], [0, 0, -0.9, -0.8, 0, 0, 0, 0]]
    links = recovery.score_recovery(make_map(score, np.ones((2, 8))), TRUTH)["links"]
    assert [link["sign_accuracy"] for link in links] == [0.5, 1.0]
    assert links[0]["auroc"] == pytest.approx((5 + 0) / 10)  # A1 above all five others, A2 below them


def test_discoveries_are_counted_over_all_features():
    q = [[0.01, 0.2, 0.01, 1, 0.01, 1, 0.01, 0.01], [1, 1, 0.01, 1, 1, 0.01, 1, 1]]
    counted = recovery.count_discoveries(make_map(np.zeros((2, 8)), q), TRUTH)
    assert counted == {
        "hits": 7, "false_discoveries": 3, "false_share": pytest.approx(3 / 7), "certain": 7, "certain_false": 3,
        "batch_hits": 2, "batch_certain": 2, "batch_pairs": 4,
    }


def test_links_whose_feature_the_map_lacks_are_left_out():
    dataset = make_map(np.zeros((2, 8)), np.ones((2, 8))).sel(feature=["mean_hu"])
    assert [link["feature"] for link in recovery.score_recovery(dataset, TRUTH)["links"]] == ["mean_hu"]
