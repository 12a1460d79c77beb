"""Targets, false shares and errors under the null, from made-up phantoms."""

import json

import numpy as np
import pandas as pd
import pytest

from radiogenomics.benchmark import recovery, recovery_tables

KINDS = ("linear", "u", "interaction")
BEST = {"linear": 0.99, "u": 0.95, "interaction": 0.9}


def make_phantom(seed, effect, null):
    """What is measured on one phantom: our score finds all links, the classical routes only linear ones."""
    ours = {route.name: route.map == "generator" for route in recovery.ROUTES}
    links = [
        {"route": name, "kind": kind, "average_precision": BEST[kind] if mine or kind == "linear" else 0.05}
        for name, mine in ours.items() for kind in KINDS
    ]
    located = [
        {"route": name, "kind": kind, "average_precision": value} for kind in KINDS
        for name, value in ((recovery_tables.LOCATED, 0.8), ("classical: voxel-wise Spearman", 0.75))
    ]
    counted = [
        {"map": name, "hits": 100, "false_share": 0.04 if effect else 1.0, "certain": 0, "batch_hits": batch,
         "batch_pairs": 900}
        for name, batch in (("generator", 1), ("spearman", 2), ("spearman, unadjusted", 200))
    ]
    return {"patients": 130, "effect": effect, "seed": seed, "links": links, "localisation": located,
            "discoveries": counted, "null": null, "seconds": {"map": 1.0}}


def make_null(errors):
    return {"cohorts": 200, "family_wise": {"errors": errors}, "fdr": {"errors": 4}}


@pytest.fixture
def scored():
    phantoms = [make_phantom(seed, 0.9, make_null(9 + seed)) for seed in range(3)]
    return phantoms + [make_phantom(0, 0.0, None)]


def test_targets_say_what_is_reached_and_what_is_not(scored, tmp_path):
    targets = recovery_tables.write_tables(tmp_path, scored, (130, 0.9), recovery.ROUTES, {"config": {}})
    assert targets.loc["average precision, linear links", "reached"]
    assert targets.loc["average precision, u links", "needed"] == pytest.approx(0.15)
    assert not targets.loc["average precision, pixels", "reached"]  # 0.8 is not clearly above 0.75
    assert targets.loc["realised FDR", "measured"] == pytest.approx(0.04) and targets.loc["realised FDR", "reached"]
    family = targets.loc["family-wise error, frozen maps on null cohorts"]
    assert family["measured"] == pytest.approx(30 / 600) and family["reached"]
    assert targets.loc["share of the batch module's pairs reported", "reached"]
    retrained = targets.loc["family-wise error, retrained on 1 null phantoms"]
    assert retrained["measured"] == 0 and retrained["reached"] is None  # One phantom says too little.
    written = json.loads((tmp_path / "recovery.json").read_text())
    assert written["null"]["cohorts"] == 600 and len(written["phantoms"]) == 4
    assert len(pd.read_csv(tmp_path / "recovery.csv")) == 4 * len(recovery.ROUTES) * 3
    assert (tmp_path / "recovery.png").stat().st_size > 10_000


def test_a_rate_clearly_above_its_level_is_not_reached(scored):
    for phantom in scored[:3]:
        phantom["null"] = make_null(40)
    null = recovery_tables.pool_null([phantom["null"] for phantom in scored if phantom["null"]])
    assert null["maps"] == 3 and null["family_wise"]["low"] > 0.05
    tables = {name: recovery_tables._gather(scored, part) for name, part in
              (("recovery", "links"), ("discoveries", "discoveries"), ("localisation", "localisation"))}
    targets = recovery_tables.judge_targets(tables, null, (130, 0.9))
    assert not targets.loc["family-wise error, frozen maps on null cohorts", "reached"]


def test_false_shares_are_of_phantoms_with_links():
    rows = [{"map": "generator", "effect": effect, "hits": 10, "false_share": share}
            for effect, share in ((0.9, 0.02), (0.9, 0.06), (0.0, 1.0))]
    false = recovery_tables.summarise_false(pd.DataFrame(rows)).iloc[0]
    assert (false["phantoms"], false["hits"]) == (2, 20) and false["false_share"] == pytest.approx(0.04)
    assert false["low"] < 0.04 < false["high"] and np.isfinite([false["low"], false["high"]]).all()
