"""The figure of the recovery suite shows every route, and the mean false share of every map."""

import io
import itertools

import numpy as np
import pandas as pd

from radiogenomics.reports import recovery_figures

ROUTES = ("generator: score", "classical: gene-wise Spearman")
KINDS = ("linear", "u", "interaction")


def make_tables():
    """Tables of two phantoms of each of three kinds."""
    phantoms = [
        {"patients": patients, "effect": effect, "seed": seed}
        for (patients, effect), seed in itertools.product(((130, 0.9), (60, 0.9), (130, 0.0)), range(2))
    ]
    ranked = [
        phantom | {"route": route, "kind": kind, "average_precision": 0.5 + 0.4 * phantom["effect"]}
        for phantom, route, kind in itertools.product(phantoms, ROUTES, KINDS)
    ]
    found = [
        phantom | {"map": name, "hits": 100, "false_share": 0.02 + 0.04 * phantom["seed"]}
        for phantom, name in itertools.product(phantoms, ("generator", "spearman"))
    ]
    return {"recovery": pd.DataFrame(ranked), "localisation": pd.DataFrame(ranked), "discoveries": pd.DataFrame(found)}


def test_routes_means_and_the_null_are_drawn():
    null = {"cohorts": 40} | {name: {"rate": 0.05, "low": 0.01, "high": 0.1} for name in ("family_wise", "fdr")}
    figure = recovery_figures.draw_recovery(make_tables(), null, (130, 0.9), ROUTES)
    routes, sizes, effects, false, located, errors = figure.axes
    assert [label.get_text() for label in routes.get_yticklabels()] == list(ROUTES[::-1])
    dots = [line.get_xdata() for line in routes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(np.concatenate(dots), 0.86)
    np.testing.assert_allclose(sizes.lines[0].get_xdata(), (60, 130))
    np.testing.assert_allclose(effects.lines[0].get_xydata(), ((0.0, 0.5), (0.9, 0.86)))
    told = [text.get_text() for text in false.get_legend().get_texts()]
    assert told[:2] == ["generator: mean 4.0 %", "spearman: mean 4.0 %"]
    assert [text.get_text() for text in located.get_yticklabels()] == list(ROUTES[::-1])
    assert errors.get_ylabel() == "of 40 null cohorts with any, %"
    figure.savefig(io.BytesIO())
