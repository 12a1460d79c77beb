"""What the figures of the map show and leave out; looks are judged by eye."""

import numpy as np
import pytest
from made_up import GENES, TRUTH, make_baseline, make_map

from radiogenomics.reports import map_figures, map_tables, style


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def marks(axis):
    return sum(len(points.get_offsets()) for points in axis.collections)


def test_gene_map_marks_supported_features_only():
    dataset = make_map()
    dataset["q"][:, 0] = 0.01  # of an unsupported feature
    figure = map_figures.draw_gene_map(dataset, map_tables.group_genes(dataset, 9), 0.05)
    assert marks(figure.axes[0]) == 4
    assert style.UNSUPPORTED in texts(figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "equivalent diameter (mm)" and len(labels) == 3


def test_gene_map_without_a_supported_feature_is_grey_and_stamped():
    dataset = make_map(supported=(False, False, False))
    figure = map_figures.draw_gene_map(dataset, map_tables.group_genes(dataset, 3), 0.05)
    assert marks(figure.axes[0]) == 0 and style.UNSUPPORTED in texts(figure)
    assert len(figure.axes) == 1  # no colour bar


def test_gene_map_with_every_feature_supported_has_no_stamp():
    dataset = make_map(supported=(True, True, True))
    assert style.UNSUPPORTED not in texts(map_figures.draw_gene_map(dataset, map_tables.group_genes(dataset, 3), 0.05))


def test_gene_names_with_dollars_are_drawn_as_they_are():
    names = [f"${gene}$^_" for gene in GENES]
    dataset = make_map(genes=names)
    figure = map_figures.draw_gene_map(dataset, map_tables.group_genes(dataset, 4), 0.05)
    assert style.encode(figure).startswith("data:image/svg+xml")
    assert figure.axes[0].get_xticklabels()[0].get_text() == names[1]


def test_metagene_map_has_a_column_each():
    figure = map_figures.draw_metagene_map(make_map(), 0.05)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "2"]


@pytest.mark.parametrize("volume", [False, True])
def test_pixel_maps_show_planes_in_mm(volume):
    dataset = make_map(volume=volume)
    figure = map_figures.draw_pixels(dataset, ["metagene 2", "metagene 1"], 2.0)
    picture = figure.axes[0].images[0]
    expected = dataset["pixel_effect"].sel(metagene="metagene 2").values
    np.testing.assert_array_equal(picture.get_array(), expected[2] if volume else expected)
    assert list(picture.get_extent()) == [-8.0, 8.0, 8.0, -8.0]
    assert picture.norm.vmin == -picture.norm.vmax


def test_pixel_maps_draw_effects_in_feature_sd():
    dataset = make_map()
    axis = map_figures.draw_pixels(dataset, ["metagene 2"], 2.0).axes[6]
    sd = dataset["feature_value"].std("patient").values
    widths = [bar.get_width() for bar in axis.patches]
    np.testing.assert_allclose(widths, [-4.0 / sd[1], -20.0 / sd[0], 0.0], atol=1e-12)


def test_comparison_paints_planted_genes():
    rows = map_tables.compare_maps(make_map(), make_baseline(), 0.05)
    figure = map_figures.draw_comparison(make_map(), make_baseline(), rows, {"equivalent_diameter_mm": set(GENES[:4])})
    others, planted = figure.axes[0].collections
    assert (len(others.get_offsets()), len(planted.get_offsets())) == (16, 4)
    assert "not supported" in figure.axes[1].get_title()


def test_recovery_shows_each_route():
    planted = map_tables.score_routes(make_map(), make_baseline(), TRUTH, 0.05)
    figure = map_figures.draw_recovery(planted)
    assert {"generator", "three-step", "chance"} <= {text.get_text() for text in figure.legends[0].get_texts()}
