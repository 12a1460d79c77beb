"""Dose-response panels: which curves are chosen, and that support and interval are drawn as they are."""

import numpy as np
import pytest
from made_up import make_doses, make_map

from radiogenomics.reports import dose_figures


def test_every_feature_gets_its_highest_scoring_metagene_supported_ones_first():
    dataset = make_map()
    dataset["metagene_effect_score"][1] = [0.5, 0.5, 0.0]
    assert dose_figures.choose_curves(dataset, make_doses()) == [
        ("equivalent_diameter_mm", "metagene 2"), ("mean_hu", "metagene 2"), ("elongation", "metagene 1"),
    ]


def test_curves_of_another_map_are_not_chosen():
    assert dose_figures.choose_curves(make_map(), None) == []
    assert dose_figures.choose_curves(make_map(), make_doses().isel(item=[1])) == []
    assert dose_figures.choose_curves(make_map(), make_doses().isel(feature=[0, 1])) == []


def test_panels_show_curve_interval_and_support():
    dataset, curves = make_map(), make_doses()
    chosen = dose_figures.choose_curves(dataset, curves)
    figure = dose_figures.draw_dose_response(dataset, curves, chosen)
    front, back = figure.axes[0], figure.axes[-3]
    curve = curves.sel(feature="equivalent_diameter_mm", item="metagene 1")
    dashed, solid = front.lines
    np.testing.assert_allclose(dashed.get_ydata(), curve["mean"])
    known = np.isfinite(solid.get_ydata())
    np.testing.assert_allclose(dashed.get_xdata()[known], [-1.0, 0.0, 1.0])
    band = front.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((float(curve["low"].min()), float(curve["high"].max())))
    span, *bars = back.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((-1.8, 1.8))
    np.testing.assert_allclose([bar.get_height() for bar in bars], curve["support"])


def test_unsupported_features_are_grey_and_say_so():
    dataset, curves = make_map(), make_doses()
    figure = dose_figures.draw_dose_response(dataset, curves, dose_figures.choose_curves(dataset, curves))
    titles = [axis.get_title(loc="left") for axis in figure.axes[:3]]
    assert "not supported" not in titles[0] and all("not supported" in title for title in titles[1:])
    colors = [axis.lines[0].get_color() for axis in figure.axes[:3]]
    assert colors[0] == dose_figures.BLUE and colors[1:] == [dose_figures.GREY] * 2
