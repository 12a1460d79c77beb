"""Figures of the evaluation on held-out patients.

Each function takes what it shows and returns a matplotlib Figure; `style.encode` makes it text.
"""

import numpy as np
from matplotlib.figure import Figure

from radiogenomics.reports.formatting import correlation
from radiogenomics.reports.style import (
    BLUE,
    GREY,
    INK,
    LIGHT_GREY,
    ORANGE,
    PALE,
    RED,
    SEQUENTIAL,
    SKY,
    WIDTH,
    fold_colors,
    styled,
)

# Colour, colour of the number on it, and name of each source of variance.
SOURCE_LOOKS = {
    "genes": (BLUE, "white", "genes"),
    "background": (SKY, INK, "background"),
    "noise": (ORANGE, INK, "noise"),
    "rest": (LIGHT_GREY, INK, "their interplay"),
}


@styled
def draw_gate(rows):
    """Forest plot of the gate rows of `map_tables.gate_rows`: r with its interval beside its references."""
    figure = Figure(figsize=(WIDTH, 0.36 * len(rows) + 1.3))
    axis = figure.subplots()
    place = np.arange(len(rows))[::-1]
    axis.axvline(0, color=GREY, linewidth=0.8)
    for supported, color, label in ((True, BLUE, "synthesised nodules, supported"), (False, GREY, "not supported")):
        chosen = [(y, row) for y, row in zip(place, rows, strict=True) if row["supported"] == supported]
        if chosen:
            _draw_intervals(axis, chosen, color, supported, label)
    _draw_shuffled(axis, rows, place - 0.24)
    for key, marker, color, label in (
        ("r_best_direct", "D", ORANGE, "best direct predictor from genes"),
        ("ceiling", "|", RED, "ceiling (planted signal)"),
    ):
        known = [(row[key], y) for y, row in zip(place, rows, strict=True) if row[key] is not None]
        if known:
            axis.scatter(*zip(*known, strict=True), marker=marker, color=color, s=60 if marker == "|" else 26,
                         linewidths=2 if marker == "|" else 1.2, label=label, zorder=3)
    axis.set_yticks(place, [row["label"] for row in rows])
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_xlabel("correlation r with the real nodule, held-out patients (bar: 95 % interval)")
    axis.grid(axis="y", color=PALE)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=8.5)
    return figure


def _draw_intervals(axis, chosen, color, filled, label):
    known = [(y, row["r"], row["r_low"], row["r_high"]) for y, row in chosen if row["r"] is not None]
    if not known:
        return
    y, r, low, high = (np.array(column, float) for column in zip(*known, strict=True))
    axis.hlines(y, low, high, color=color, linewidth=2.2)
    face = color if filled else "white"
    axis.scatter(r, y, s=46, color=face, edgecolors=color, linewidths=1.6, label=label, zorder=4)


def _draw_shuffled(axis, rows, place):
    """The generator fed shuffled genes, below each row; its interval where the evaluation has one."""
    known = [(row["r_shuffled"], y) for y, row in zip(place, rows, strict=True) if row["r_shuffled"] is not None]
    if known:
        axis.scatter(*zip(*known, strict=True), marker="x", color=INK, s=22, linewidths=1.2, label="shuffled genes")
    for y, row in zip(place, rows, strict=True):
        if row["r_shuffled_low"] is not None and row["r_shuffled_high"] is not None:
            axis.hlines(y, row["r_shuffled_low"], row["r_shuffled_high"], color=INK, linewidth=0.8)


@styled
def draw_patients(panels, fold_names):
    """Scatter of real against synthesised feature per patient.

    `panels` is a list of {"label", "r", "folds": [(synthetic [n], real [n]) of each fold]}.
    """
    figure = Figure(figsize=(WIDTH, 3.1))
    axes = figure.subplots(1, max(len(panels), 3), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=False):
        for color, name, (synthetic, real) in zip(
            fold_colors(len(fold_names)), fold_names, panel["folds"], strict=True
        ):
            axis.scatter(synthetic, real, s=13, color=color, label=name, alpha=0.85, linewidths=0)
        axis.set(xlabel="synthesised from genes", title=f"{panel['label']}, r {correlation(panel['r'])}")
        axis.locator_params(nbins=5)
    axes[0].set_ylabel("real, adjusted for covariates")
    for axis in axes[len(panels):]:
        axis.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize=8.5)
    return figure


@styled
def draw_variance(rows):
    """Stacked bars of `evaluation_tables.variance_rows`: whose share of a synthesised feature's variance is what."""
    figure = Figure(figsize=(WIDTH, 0.34 * len(rows) + 1.2))
    axis = figure.subplots()
    place = np.arange(len(rows))[::-1]
    begin = np.zeros(len(rows))
    for source, (color, ink, label) in SOURCE_LOOKS.items():
        widths = np.array([row["shares"][source] or 0.0 for row in rows])
        axis.barh(place, widths, left=begin, height=0.7, color=color, edgecolor="white", linewidth=0.8, label=label)
        for y, left, width in zip(place, begin, widths, strict=True):
            if width >= 0.05:
                axis.text(left + width / 2, y, f"{100 * width:.0f}", ha="center", va="center", color=ink, fontsize=8)
        begin += np.maximum(widths, 0.0)
    for y, row in zip(place, rows, strict=True):
        if row["shares"]["genes"] is None:
            axis.text(0.01, y, "does not vary", va="center", color=GREY, fontsize=8)
    axis.set_yticks(place, [row["label"] for row in rows])
    axis.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4), xlabel="share of the synthesised feature's variance (%)")
    axis.set_xticks(np.linspace(0, 1, 6), ["0", "20", "40", "60", "80", "100"])
    axis.tick_params(axis="y", length=0)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8.5)
    return figure


@styled
def draw_gene_codes(panels, label):
    """One panel a fold: its held-out patients by the first two components of their gene codes, coloured by a feature.

    Args:
      panels: list of {"name", "points" [n, 2], "values" [n], NaN drawn hollow, "explained": share of variance shown}.
      label: of the feature.
    """
    columns = min(max(len(panels), 3), 5)
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(WIDTH, 2.35 * lines + 0.1))
    axes = figure.subplots(lines, columns, squeeze=False)
    values = np.concatenate([panel["values"] for panel in panels])
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (2, 98)) if len(known) else (0.0, 1.0)
    for axis, panel in zip(axes.flat, panels, strict=False):
        told = np.isfinite(panel["values"])
        axis.scatter(*panel["points"][~told].T, s=26, facecolors="none", edgecolors=GREY, linewidths=0.9)
        picture = axis.scatter(*panel["points"][told].T, s=30, c=panel["values"][told], cmap=SEQUENTIAL, vmin=low,
                               vmax=high, edgecolors="white", linewidths=0.5)
        axis.set_title(f"{panel['name']} ({100 * panel['explained']:.0f} % shown)")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color=LIGHT_GREY)
        axis.margins(0.08)
    for axis in axes.flat[len(panels):]:
        axis.set_axis_off()
    figure.colorbar(picture, ax=list(axes.flat), label=label, fraction=0.02, pad=0.01).outline.set_visible(False)
    return figure
