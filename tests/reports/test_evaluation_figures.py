"""What the figures of the evaluation show and leave out; looks are judged by eye."""

import numpy as np
from made_up import make_evaluation, make_map, make_older_evaluation

from radiogenomics.reports import evaluation_figures, evaluation_tables, style


def marks(axis):
    return sum(len(points.get_offsets()) for points in axis.collections)


def test_forest_plot_leaves_out_what_is_missing():
    figure = evaluation_figures.draw_gate(evaluation_tables.gate_rows(make_evaluation()["gate"], make_map()))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "synthesised nodules, supported" in names and "ceiling (planted signal)" in names
    bare = evaluation_tables.gate_rows({"elongation": {"r": None, "supported": False}}, make_map())
    assert style.encode(evaluation_figures.draw_gate(bare)).startswith("data:")


def test_patient_scatter_has_every_fold():
    folds = [(np.arange(4.0), np.arange(4.0)), (np.arange(3.0), np.arange(3.0))]
    figure = evaluation_figures.draw_patients([{"label": "size (mm)", "r": 0.5, "folds": folds}], ["fold 0", "fold 1"])
    assert marks(figure.axes[0]) == 7 and "r 0.50" in figure.axes[0].get_title()


def test_forest_plot_draws_the_interval_of_shuffled_genes_where_there_is_one():
    def lines(evaluation):
        rows = evaluation_tables.gate_rows(evaluation["gate"], make_map())
        segments = [line for drawn in evaluation_figures.draw_gate(rows).axes[0].collections
                    if hasattr(drawn, "get_segments") for line in drawn.get_segments()]
        return [tuple(line[:, 0]) for line in segments]

    assert lines(make_evaluation()).count((-0.15, 0.12)) == 2
    assert (-0.15, 0.12) not in lines(make_older_evaluation()) and (0.5, 0.8) in lines(make_older_evaluation())


def test_variance_bars_stack_to_one_and_a_constant_is_told():
    rows = evaluation_tables.variance_rows(make_evaluation(), {})
    axis = evaluation_figures.draw_variance(rows).axes[0]
    ends = [max(bar.get_x() + bar.get_width() for bar in bars) for bars in np.array(axis.patches).reshape(4, 3).T]
    np.testing.assert_allclose(ends, [1.0, 1.0, 0.0])
    words = [text.get_text() for text in axis.texts]
    assert words.count("does not vary") == 1 and "80" in words and "2" not in words  # too narrow for its number


def test_gene_codes_have_a_panel_each_fold_on_one_scale():
    points, values = np.arange(8.0).reshape(4, 2), np.array([1.0, 2.0, 9.0, np.nan])
    panels = [{"name": f"fold {number}", "points": points, "values": values, "explained": 0.5} for number in range(2)]
    figure = evaluation_figures.draw_gene_codes(panels, "size (mm)")
    assert [marks(axis) for axis in figure.axes[:3]] == [4, 4, 0]
    hollow, coloured = figure.axes[0].collections
    assert len(hollow.get_offsets()) == 1 and coloured.norm.vmin == figure.axes[1].collections[1].norm.vmin
    assert "50 % shown" in figure.axes[0].get_title() and figure.axes[-1].get_ylabel() == "size (mm)"


def test_gene_codes_without_a_known_value_are_drawn_hollow():
    panels = [{"name": "fold 0", "points": np.zeros((3, 2)), "values": np.full(3, np.nan), "explained": 0.0}]
    assert style.encode(evaluation_figures.draw_gene_codes(panels, "size")).startswith("data:")
