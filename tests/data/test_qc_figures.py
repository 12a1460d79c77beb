import base64
import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from radiogenomics.data import qc_figures


@pytest.fixture(autouse=True)
def strict():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def samples():
    count = 12
    frame = pd.DataFrame({"detected_share": np.linspace(0.5, 0.9, count)}, index=[f"S{n}" for n in range(count)])
    frame["component_1"], frame["component_2"] = np.arange(count) - 6.0, np.arange(count) % 3
    frame["batch"] = np.where(np.arange(count) < 8, "1", "2")
    frame["site"] = ["A", "B", "unknown"] * 4
    frame["outlier"] = [""] * 11 + ["few genes"]
    return frame


def legend_of(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def texts_of(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_samples_stand_in_order_and_outliers_are_named(samples):
    figure = qc_figures.draw_sample_detection(samples)
    first, second, ring = figure.axes[0].collections
    np.testing.assert_allclose(first.get_offsets(), np.c_[np.arange(1, 9), 100 * samples["detected_share"][:8]])
    np.testing.assert_allclose(ring.get_offsets(), [[12, 90]])
    assert legend_of(figure) == ["1 (8)", "2 (4)"] and texts_of(figure) == ["S11"]
    assert to_hex(first.get_facecolors()[0]) != to_hex(second.get_facecolors()[0])
    assert len(first.get_paths()[0].vertices) != len(second.get_paths()[0].vertices)  # Markers differ as well.


def test_the_gene_curve_counts_genes_at_or_above_a_share():
    axis = qc_figures.draw_gene_detection(np.array([1.0, 0.5, 0.5, 1.0, 0.75])).axes[0]
    (curve,) = axis.lines
    np.testing.assert_allclose(curve.get_xydata(), [[0, 5], [50, 5], [75, 3], [100, 2]])
    assert curve.get_drawstyle() == "steps-pre"


def test_quantile_curves_follow_the_detected_values(samples):
    expression = {name: np.full(5, 2.0**number - 1) for number, name in enumerate(samples.index[:3], start=1)}
    expression["S11"] = np.array([np.nan, 0.0, 1023.0])
    expression["S3"] = np.full(5, np.nan)
    lines = qc_figures.draw_quantiles(expression, samples).axes[0].lines
    heights = [line.get_ydata().mean() for line in lines if len(line.get_ydata())]
    assert heights == pytest.approx([1, 2, 3, 2.5, 10])  # patients, their median, the outlier
    assert lines[4].get_label() == "S11" and lines[3].get_label() == "median"


def test_components_tell_the_explained_share(samples):
    figure = qc_figures.draw_components(samples, "site", "site", (0.314, 0.12, 0.05))
    assert figure.axes[0].get_xlabel() == "component 1 (31 % of the variance)"
    assert figure.axes[0].get_ylabel() == "component 2 (12 % of the variance)"
    assert legend_of(figure) == ["A (4)", "B (4)", "unknown (4)"]
    assert qc_figures.draw_components(samples, "site", "site", ()).axes[0].get_xlabel() == "component 1"


def test_rare_groups_are_pooled(samples):
    samples["site"] = [f"hospital {number}" for number in (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6)]
    figure = qc_figures.draw_components(samples, "site", "site", ())
    assert legend_of(figure) == [*(f"hospital {number} (2)" for number in range(5)), "other (2)"]


def test_figures_are_those_that_the_data_allow(samples):
    expression = {"S0": np.array([1.0, np.nan, 4.0])}
    quality = {
        "samples": samples.to_dict(orient="index"), "genes": {"detected_share": {"A": 1.0, "B": 0.5}}, "explained": [],
    }  # fmt: skip
    drawn = qc_figures.draw_expression(quality, expression)
    assert len(drawn) == 5 and all(figure["caption"] for figure in drawn)
    for figure in drawn:
        kind, text = figure["image"].split(";base64,")
        assert kind == "data:image/svg+xml" and b"<svg" in base64.b64decode(text)
    assert drawn == qc_figures.draw_expression(quality, expression)  # The same page for the same cohort.
    without = quality | {"samples": samples.drop(columns="component_1").to_dict(orient="index")}
    assert len(qc_figures.draw_expression(without, expression)) == 3
    assert qc_figures.draw_expression({"samples": {}, "genes": {"detected_share": {}}, "explained": []}, {}) == []


def test_names_with_dollar_signs_are_plain_text(samples):
    samples = samples.rename(index={"S11": r"$\frac{"})
    quality = {"samples": samples.to_dict(orient="index"), "genes": {"detected_share": {}}, "explained": []}
    assert len(qc_figures.draw_expression(quality, {})) == 3
