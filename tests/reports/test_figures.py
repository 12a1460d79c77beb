"""What the figures show and leave out; looks are judged by eye."""

import base64
import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from made_up import GENES, TRUTH, make_baseline, make_evaluation, make_map

from radiogenomics.reports import figures, tables


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def marks(axis):
    return sum(len(points.get_offsets()) for points in axis.collections)


def test_an_encoded_figure_is_repeatable_svg_without_links():
    uri = figures.encode(figures.draw_gate(tables.gate_rows(make_evaluation()["gate"], make_map())))
    svg = base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,"))
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert b'href="http' not in svg
    again = figures.encode(figures.draw_gate(tables.gate_rows(make_evaluation()["gate"], make_map())))
    assert again == uri


def test_gene_map_marks_supported_features_only():
    dataset = make_map()
    dataset["q"][:, 0] = 0.01  # of an unsupported feature
    figure = figures.draw_gene_map(dataset, tables.group_genes(dataset, 9), 0.05)
    assert marks(figure.axes[0]) == 4
    assert figures.UNSUPPORTED in texts(figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "equivalent diameter (mm)" and len(labels) == 3


def test_gene_map_without_a_supported_feature_is_grey_and_stamped():
    dataset = make_map(supported=(False, False, False))
    figure = figures.draw_gene_map(dataset, tables.group_genes(dataset, 3), 0.05)
    assert marks(figure.axes[0]) == 0 and figures.UNSUPPORTED in texts(figure)
    assert len(figure.axes) == 1  # no colour bar


def test_gene_map_with_every_feature_supported_has_no_stamp():
    dataset = make_map(supported=(True, True, True))
    assert figures.UNSUPPORTED not in texts(figures.draw_gene_map(dataset, tables.group_genes(dataset, 3), 0.05))


def test_gene_names_with_dollars_are_drawn_as_they_are():
    names = [f"${gene}$^_" for gene in GENES]
    dataset = make_map(genes=names)
    figure = figures.draw_gene_map(dataset, tables.group_genes(dataset, 4), 0.05)
    assert figures.encode(figure).startswith("data:image/svg+xml")
    assert figure.axes[0].get_xticklabels()[0].get_text() == names[1]


def test_metagene_map_has_a_column_each():
    figure = figures.draw_metagene_map(make_map(), 0.05)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "2"]


@pytest.mark.parametrize("volume", [False, True])
def test_pixel_maps_show_planes_in_mm(volume):
    dataset = make_map(volume=volume)
    figure = figures.draw_pixels(dataset, ["metagene 2", "metagene 1"], 2.0)
    picture = figure.axes[0].images[0]
    expected = dataset["pixel_effect"].sel(metagene="metagene 2").values
    np.testing.assert_array_equal(picture.get_array(), expected[2] if volume else expected)
    assert list(picture.get_extent()) == [-8.0, 8.0, 8.0, -8.0]
    assert picture.norm.vmin == -picture.norm.vmax


def test_pixel_maps_draw_effects_in_feature_sd():
    dataset = make_map()
    axis = figures.draw_pixels(dataset, ["metagene 2"], 2.0).axes[6]
    sd = dataset["feature_value"].std("patient").values
    widths = [bar.get_width() for bar in axis.patches]
    np.testing.assert_allclose(widths, [-4.0 / sd[1], -20.0 / sd[0], 0.0], atol=1e-12)


def test_forest_plot_leaves_out_what_is_missing():
    figure = figures.draw_gate(tables.gate_rows(make_evaluation()["gate"], make_map()))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "synthesised nodules, supported" in names and "ceiling (planted signal)" in names
    bare = tables.gate_rows({"elongation": {"r": None, "supported": False}}, make_map())
    assert figures.encode(figures.draw_gate(bare)).startswith("data:")


def test_patient_scatter_has_every_fold():
    folds = [(np.arange(4.0), np.arange(4.0)), (np.arange(3.0), np.arange(3.0))]
    figure = figures.draw_patients([{"label": "size (mm)", "r": 0.5, "folds": folds}], ["fold 0", "fold 1"])
    assert marks(figure.axes[0]) == 7 and "r 0.50" in figure.axes[0].get_title()


def test_training_curves_take_what_was_logged():
    metrics = {"fold 0": pd.DataFrame({"step": [1, 2], "radiomic_loss": [2.0, 1.0]})}
    left, right = figures.draw_training(metrics).axes
    assert list(left.lines[0].get_ydata()) == [2.0, 1.0]
    assert not any(len(line.get_xdata()) == 2 and list(line.get_xdata()) == [1, 2] for line in right.lines)


def test_sample_rows_are_named():
    axis = figures.draw_samples(np.zeros((32, 64)), "fold 0").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["real", "synthesised", "its mask", "change"]
    assert list(axis.get_yticks()) == [4, 12, 20, 28]


def test_thumbnails_draw_empty_masks_too():
    masks = np.zeros((3, 8, 8), bool)
    masks[0, 3:5, 3:5] = True
    figure = figures.draw_nodules(np.full((3, 8, 8), -800), masks, ["A", "B", "C"], (-1000, 500))
    assert [len(axis.collections) for axis in figure.axes[:3]] == [1, 0, 0]


def test_comparison_paints_planted_genes():
    rows = tables.compare_maps(make_map(), make_baseline(), 0.05)
    figure = figures.draw_comparison(make_map(), make_baseline(), rows, {"equivalent_diameter_mm": set(GENES[:4])})
    others, planted = figure.axes[0].collections
    assert (len(others.get_offsets()), len(planted.get_offsets())) == (16, 4)
    assert "not supported" in figure.axes[1].get_title()


def test_recovery_shows_each_route():
    planted = tables.score_routes(make_map(), make_baseline(), TRUTH, 0.05)
    figure = figures.draw_recovery(planted)
    assert {"generator", "three-step", "chance"} <= {text.get_text() for text in figure.legends[0].get_texts()}


def test_interactive_map_escapes_names_and_offers_no_upload():
    evil = ["</script><script>alert(1)</script>", *GENES[1:]]
    dataset = make_map(genes=evil)
    text = figures.interactive_map(dataset, tables.group_genes(dataset, 30))
    assert "alert(1)" in text and "<script>alert" not in text
    settings = json.loads(re.findall(r'\{"displaylogo".*?\}', text)[-1])
    assert settings["modeBarButtons"] == [["toImage", "zoom2d", "pan2d", "resetScale2d"]]
    assert 'src="http' not in text
