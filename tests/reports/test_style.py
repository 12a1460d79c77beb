"""What all figures share."""

import base64
from xml.etree import ElementTree

from made_up import make_evaluation, make_map

from radiogenomics.reports import evaluation_figures, evaluation_tables, style


def test_an_encoded_figure_is_repeatable_svg_without_links():
    rows = evaluation_tables.gate_rows(make_evaluation()["gate"], make_map())
    uri = style.encode(evaluation_figures.draw_gate(rows))
    svg = base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,"))
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert b'href="http' not in svg
    assert style.encode(evaluation_figures.draw_gate(rows)) == uri
