"""The figure of a map before and after adjusting counts the hits of each."""

import io

import numpy as np
import pandas as pd
import xarray

from radiogenomics.reports import adjustment_figures


def made_up_map(q):
    coordinates = {"gene": ["G0", "G1", "G2"], "feature": ["size", "vessel_attachment"]}
    return xarray.Dataset({"q": (("gene", "feature"), np.array(q))}, coords=coordinates)


def test_hits_are_counted_and_features_ordered_by_their_tie_to_the_batch():
    before = made_up_map([[0.01, 0.01], [0.9, 0.01], [0.9, 0.9]])
    after = made_up_map([[0.01, 0.9], [0.9, 0.9], [0.9, 0.9]])
    batch = pd.DataFrame({"rho": [0.1, -0.7]}, index=["size", "vessel_attachment"])
    figure = adjustment_figures.draw_adjustment({"unadjusted": before, "batch": after}, batch, 0.05)
    hits, links = figure.axes
    told = [text.get_text() for text in hits.get_legend().get_texts()]
    assert told == ["unadjusted: 3 pairs", "batch: 1 pairs"]
    assert [label.get_text() for label in hits.get_yticklabels()] == ["size", "vessel attachment"]
    assert [bar.get_width() for bar in links.patches] == [0.1, 0.7]
    figure.savefig(io.BytesIO())
