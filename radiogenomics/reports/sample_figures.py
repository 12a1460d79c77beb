"""Figures of what a run was given and how it trained: nodules, sample grids, training curves."""

import numpy as np
from matplotlib.figure import Figure

from radiogenomics.data.patches import middle_slice
from radiogenomics.reports.style import INK, ORANGE, PALE, WIDTH, fold_colors, styled


@styled
def draw_nodules(images_hu, masks, patients, window_hu):
    """Thumbnails of real nodules [n, y, x] with their mask's outline, window in HU."""
    columns = 8
    rows = -(-len(images_hu) // columns)
    figure = Figure(figsize=(WIDTH, 1.55 * rows))
    for axis, image, mask, patient in zip(
        figure.subplots(rows, columns, squeeze=False).flat, images_hu, masks, patients, strict=False
    ):
        axis.imshow(image, cmap="gray", vmin=window_hu[0], vmax=window_hu[1])
        if mask.any():
            axis.contour(mask, [0.5], colors=ORANGE, linewidths=1)
        axis.set_title(str(patient), fontsize=8)
    for axis in figure.axes:
        axis.set_axis_off()
    return figure


@styled
def draw_samples(grid, title):
    """A sample grid of training [4 rows of patches] with its rows named."""
    height, width = grid.shape[:2]
    figure = Figure(figsize=(WIDTH / 2 - 0.1, (WIDTH / 2 - 0.8) * height / width + 0.3))
    axis = figure.subplots()
    axis.imshow(grid, cmap="gray", vmin=0, vmax=1, aspect="equal")
    axis.set_yticks((np.arange(4) + 0.5) * height / 4, ["real", "synthesised", "its mask", "change"])
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.set_frame_on(False)
    axis.set_title(title, loc="left")
    return figure


STRIPS = {
    "real": "real", "patients": "genes of\nthat patient", "noises": "one patient,\nother noise",
    "metagene": "one patient,\nmetagene set",
}


@styled
def draw_gallery(gallery, window_hu):
    """The strips of `analysis.gallery.make_gallery`, a row of nodules and a row of masks each."""
    shown = [(strip, kind) for strip in STRIPS for kind in ("image_hu", "mask")]
    panels = gallery.sizes["panel"]
    figure = Figure(figsize=(WIDTH * 0.75, WIDTH * 0.75 / (panels + 1) * len(shown) + 0.9))
    axes = figure.subplots(len(shown), panels, squeeze=False)
    for (strip, kind), line in zip(shown, axes, strict=True):
        chosen = gallery.sel(strip=strip)
        limits = window_hu if kind == "image_hu" else (0.0, 1.0)
        for axis, patch, label in zip(line, chosen[kind].values, chosen["label"].values, strict=True):
            axis.imshow(middle_slice(patch), cmap="gray", vmin=limits[0], vmax=limits[1])
            axis.set(xticks=[], yticks=[], frame_on=False)
            if kind == "image_hu" and strip != "patients":
                axis.set_title(str(label), fontsize=8)
        line[0].set_ylabel(STRIPS[strip] if kind == "image_hu" else "mask", rotation=0, ha="right", va="center")
    return figure


@styled
def draw_training(metrics):
    """Radiomic loss and discriminator scores over steps; `metrics` is {fold: DataFrame of metrics.jsonl}."""
    figure = Figure(figsize=(WIDTH, 2.9))
    left, right = figure.subplots(1, 2)
    for color, (fold, frame) in zip(fold_colors(len(metrics)), metrics.items(), strict=True):
        if "radiomic_loss" in frame:
            left.plot(frame["step"], frame["radiomic_loss"], color=color, marker=".", label=fold)
        if {"score_real", "score_fake"} <= set(frame):
            right.plot(frame["step"], frame["score_real"], color=color, marker=".")
            right.plot(frame["step"], frame["score_fake"], color=color, marker=".", linestyle="--")
    left.set(title="Radiomic loss", xlabel="training step", ylabel="loss (feature SD, Huber)")
    left.set_ylim(bottom=0)
    left.legend(ncols=2, fontsize=8)
    right.axhline(0, color=PALE, zorder=0)
    right.plot([], [], color=INK, label="real nodules")
    right.plot([], [], color=INK, linestyle="--", label="synthesised nodules")
    right.set(title="Discriminator score (apart: it tells them apart)", xlabel="training step", ylabel="score")
    right.margins(y=0.2)  # Room for the legend above the curves.
    right.legend(ncols=2, fontsize=8, loc="upper center")
    return figure
