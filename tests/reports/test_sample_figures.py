"""What the figures of nodules, samples and training show."""

import numpy as np
import pandas as pd
from made_up import PATIENTS, make_gallery

from radiogenomics.reports import sample_figures


def test_training_curves_take_what_was_logged():
    metrics = {"fold 0": pd.DataFrame({"step": [1, 2], "radiomic_loss": [2.0, 1.0]})}
    left, right = sample_figures.draw_training(metrics).axes
    assert list(left.lines[0].get_ydata()) == [2.0, 1.0]
    assert not any(len(line.get_xdata()) == 2 and list(line.get_xdata()) == [1, 2] for line in right.lines)


def test_sample_rows_are_named():
    axis = sample_figures.draw_samples(np.zeros((32, 64)), "fold 0").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["real", "synthesised", "its mask", "change"]
    assert list(axis.get_yticks()) == [4, 12, 20, 28]


def test_thumbnails_draw_empty_masks_too():
    masks = np.zeros((3, 8, 8), bool)
    masks[0, 3:5, 3:5] = True
    figure = sample_figures.draw_nodules(np.full((3, 8, 8), -800), masks, ["A", "B", "C"], (-1000, 500))
    assert [len(axis.collections) for axis in figure.axes[:3]] == [1, 0, 0]


def test_gallery_names_its_strips_and_panels():
    figure = sample_figures.draw_gallery(make_gallery(), (-1000, 500))
    first = [axis for axis in figure.axes if axis.get_ylabel()]
    assert [axis.get_ylabel() for axis in first] == [
        text for strip in sample_figures.STRIPS.values() for text in (strip, "mask")
    ]
    assert figure.axes[0].get_title() == PATIENTS[0] and len(figure.axes) == 8 * 3
