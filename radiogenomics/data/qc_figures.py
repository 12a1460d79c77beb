"""The expression figures of the quality report: each function takes tables and returns a matplotlib Figure.

Colours are those of Okabe and Ito (2008), safe for colour-blind readers; groups differ by marker or line style too.
"""

import base64
import io

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, GREY, RED = "#1D2530", "#8A949E", "#B3361F"
# Colour, marker and line style of a group.
LOOKS = (
    ("#0072B2", "o", "-"), ("#D98200", "^", "--"), ("#009E73", "s", "-."), ("#CC79A7", "D", ":"), ("#56B4E9", "v", "-"),
)  # fmt: skip
POOLED = (GREY, "x", "-")  # of 'unknown' and of groups beyond those
SIZE = (4.3, 3.2)  # inches
QUANTILES = np.linspace(0.01, 0.99, 41)  # without the tails, where one artefact would stretch the axis
NAMES_DRAWN = 6  # outliers named in a figure
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 9.5, "axes.edgecolor": GREY, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    "legend.frameon": False, "legend.fontsize": 8, "figure.constrained_layout.use": True, "svg.hashsalt": "qc",
    "text.parse_math": False,  # names from files may hold a dollar sign
}  # fmt: skip


def draw_expression(quality, expression):
    """All figures of the expression section that the data allow.

    Args:
      quality: from `qc.describe_quality`.
      expression: {patient: vector [genes] as published, NaN = not detected} of the kept patients.

    Returns:
      [{"image": SVG data URI, "caption": text}].
    """
    samples = pd.DataFrame.from_dict(quality["samples"], orient="index")
    drawn = []
    with matplotlib.rc_context(STYLE):
        if "detected_share" in samples:
            caption = "Share of genes detected in each sample, in table order; outliers are ringed."
            drawn.append((draw_sample_detection(samples), caption))
        if quality["genes"]["detected_share"]:
            shares = np.array(list(quality["genes"]["detected_share"].values()))
            caption = "Genes of the cohort by the share of kept patients in whom they are detected."
            drawn.append((draw_gene_detection(shares), caption))
        if expression:
            caption = "Quantiles (1 to 99 %) of the detected values of each kept patient, and their median."
            drawn.append((draw_quantiles(expression, samples), caption))
        if {"component_1", "component_2"} <= set(samples):
            for name, words in {"batch": "sequencing batch", "site": "site"}.items():
                if name in samples:
                    caption = f"First two principal components of expression by {words}."
                    drawn.append((draw_components(samples, name, words, quality["explained"]), caption))
        return [{"image": encode(figure), "caption": caption} for figure, caption in drawn]


def encode(figure):
    """A Figure as an SVG data URI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def draw_sample_detection(samples):
    """Share of genes detected in each sample (column `detected_share`), by batch, outliers named."""
    figure = Figure(figsize=SIZE)
    axis = figure.subplots()
    places = np.arange(1, len(samples) + 1)
    percent = 100 * samples["detected_share"].to_numpy(float)
    _scatter_groups(axis, places, percent, samples, "batch", "batch")
    _name_outliers(axis, places, percent, samples)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="sample, in table order", ylabel="genes detected (%)")
    return figure


def draw_gene_detection(shares):
    """How many genes are detected in at least a given share of patients; shares [genes] in 0..1."""
    figure = Figure(figsize=SIZE)
    axis = figure.subplots()
    percent = np.concatenate([[0.0], 100 * np.sort(shares)])
    at_least = np.concatenate([[len(shares)], np.arange(len(shares), 0, -1)])
    levels, first = np.unique(percent, return_index=True)
    axis.fill_between(levels, at_least[first], step="pre", color=LOOKS[0][0], alpha=0.2, linewidth=0)
    axis.step(levels, at_least[first], where="pre", color=LOOKS[0][0])
    axis.set(xlabel="detected in at least this share of patients (%)", ylabel="genes", xlim=(0, 100))
    axis.set_ylim(bottom=0)
    return figure


def draw_quantiles(expression, samples):
    """Quantile curve of log2(x + 1) of each patient's detected genes, by batch, outliers heavy and named.

    Args:
      expression: {patient: vector [genes], NaN = not detected}.
      samples: DataFrame indexed by sample; reads `batch` and `outlier` where they exist.
    """
    figure = Figure(figsize=SIZE)
    axis = figure.subplots()
    curves = _quantile_curves(expression)
    groups, looks = _group(samples.reindex(curves.index), "batch")
    outlier = _outliers(samples).reindex(curves.index, fill_value="")
    for name, curve in curves[outlier == ""].iterrows():
        color, _, line = looks[groups[name]]
        axis.plot(100 * QUANTILES, curve, color=color, linestyle=line, linewidth=0.7, alpha=0.45)
    axis.plot(100 * QUANTILES, curves.median(), color=INK, linewidth=1.8, label="median")
    for number, (name, curve) in enumerate(curves[outlier != ""].iterrows()):
        named = name if number < NAMES_DRAWN else None
        axis.plot(100 * QUANTILES, curve, color=RED, linewidth=1.5, linestyle=(0, (4, 1 + number)), label=named)
    for group, (color, _, line) in looks.items() if len(looks) > 1 else ():
        axis.plot([], [], color=color, linestyle=line, label=f"batch {group}")
    axis.set(xlabel="quantile (%)", ylabel="log2(expression + 1)", xlim=(0, 100))
    axis.legend()
    return figure


def _quantile_curves(expression):
    """DataFrame [patients, quantiles] of log2(x + 1) over detected genes; patients without any left out."""
    curves = {}
    for name, values in expression.items():
        detected = values[values > 0]
        if detected.size:
            curves[name] = np.quantile(np.log2(1 + detected.astype(float)), QUANTILES)
    return pd.DataFrame.from_dict(curves, orient="index", columns=QUANTILES)


def draw_components(samples, column, words, explained):
    """Samples on their first two principal components, coloured by a column.

    Args:
      samples: DataFrame with component_1 and component_2.
      column: the one that colours.
      words: its name in the legend.
      explained: shares of the variance, by component; may be empty.
    """
    figure = Figure(figsize=SIZE)
    axis = figure.subplots()
    first, second = (samples[f"component_{number}"].to_numpy(float) for number in (1, 2))
    _scatter_groups(axis, first, second, samples, column, words)
    _name_outliers(axis, first, second, samples)
    shares = [f" ({100 * share:.0f} % of the variance)" for share in explained[:2]] or ["", ""]
    axis.set(xlabel=f"component 1{shares[0]}", ylabel=f"component 2{shares[1] if len(shares) > 1 else ''}")
    return figure


def _scatter_groups(axis, x, y, samples, column, words):
    groups, looks = _group(samples, column)
    for group, (color, marker, _) in looks.items():
        here = (groups == group).to_numpy()
        label = f"{group} ({here.sum()})"
        axis.scatter(x[here], y[here], color=color, marker=marker, s=20, alpha=0.8, linewidths=0.8, label=label)
    if column in samples and len(looks) > 1:
        # Above the axes, because within them it would hide samples.
        axis.legend(
            title=words, title_fontsize=8, alignment="left", loc="lower left", bbox_to_anchor=(0, 1), ncols=2,
            borderaxespad=0, handletextpad=0.2,
        )  # fmt: skip


def _name_outliers(axis, x, y, samples):
    marked = np.flatnonzero(_outliers(samples) != "")
    axis.scatter(x[marked], y[marked], s=90, facecolors="none", edgecolors=RED, linewidths=1.2)
    for place in marked[:NAMES_DRAWN]:
        axis.annotate(
            samples.index[place], (x[place], y[place]), (6, 5), textcoords="offset points", color=RED, fontsize=8
        )


def _outliers(samples):
    return samples["outlier"] if "outlier" in samples else pd.Series("", samples.index)


def _group(samples, column):
    """The group of each sample (Series) and {group: look}; rare ones beyond the looks are pooled as 'other'."""
    if column not in samples:
        return pd.Series("all", samples.index), {"all": LOOKS[0]}
    labels = samples[column].fillna("unknown").astype(str)
    known = labels[labels != "unknown"].value_counts().index
    frequent = sorted(known[: len(LOOKS)])
    groups = labels.where(labels.isin([*frequent, "unknown"]), "other")
    looks = dict(zip(frequent, LOOKS, strict=False))
    return groups, looks | {name: POOLED for name in ("other", "unknown") if (groups == name).any()}
