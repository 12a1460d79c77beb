"""The figures of a report. Each function takes what it shows and returns a matplotlib Figure; `encode` makes it text.

Colours are those of Okabe and Ito (2008) and the red-blue diverging map, both safe for colour-blind readers.
"""

import base64
import functools
import html
import io
import textwrap

import matplotlib
import numpy as np
import plotly.graph_objects
from matplotlib.figure import Figure

from radiogenomics.reports import tables

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
FOLD_COLORS = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY, "#7A6A00", "#444444")
GREY, LIGHT_GREY, INK, PALE = "#9AA3AD", "#CBD1D8", "#1D2530", "#E5E9EF"
DIVERGING = "RdBu_r"
UNSUPPORTED = "not supported by held-out patients"
INTERACTION = {
    "displaylogo": False, "responsive": True,
    # Named, because Plotly's default buttons offer to upload the chart.
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}
WIDTH = 11.25  # inches; a figure fills the page's 1080 pixels
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9, "axes.edgecolor": GREY,
    "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "figure.constrained_layout.use": True,
    "svg.hashsalt": "report", "savefig.dpi": 144,
    "text.parse_math": False,  # names from files may hold a dollar sign
}


def styled(draw):
    """Runs a drawing function in the report's style."""

    @functools.wraps(draw)
    def drawn(*arguments, **options):
        with matplotlib.rc_context(STYLE):
            return draw(*arguments, **options)

    return drawn


def encode(figure):
    """A Figure as an SVG data URI."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


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


@styled
def draw_training(metrics):
    """Radiomic loss and discriminator scores over steps; `metrics` is {fold: DataFrame of metrics.jsonl}."""
    figure = Figure(figsize=(WIDTH, 2.9))
    left, right = figure.subplots(1, 2)
    for color, (fold, frame) in zip(_fold_colors(len(metrics)), metrics.items(), strict=True):
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
    right.legend(fontsize=8)
    return figure


def _fold_colors(count):
    return [FOLD_COLORS[place % len(FOLD_COLORS)] for place in range(count)]


@styled
def draw_gate(rows):
    """Forest plot of the gate rows of `tables.gate_rows`: r with its interval beside its references."""
    figure = Figure(figsize=(WIDTH, 0.36 * len(rows) + 1.3))
    axis = figure.subplots()
    place = np.arange(len(rows))[::-1]
    axis.axvline(0, color=GREY, linewidth=0.8)
    for supported, color, label in ((True, BLUE, "synthesised nodules, supported"), (False, GREY, "not supported")):
        chosen = [(y, row) for y, row in zip(place, rows, strict=True) if row["supported"] == supported]
        if chosen:
            _draw_intervals(axis, chosen, color, supported, label)
    for key, marker, color, label in (
        ("r_best_direct", "D", ORANGE, "best direct predictor from genes"),
        ("r_shuffled", "x", INK, "shuffled genes"),
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


@styled
def draw_patients(panels, fold_names):
    """Scatter of real against synthesised feature per patient.

    `panels` is a list of {"label", "r", "folds": [(synthetic [n], real [n]) of each fold]}.
    """
    figure = Figure(figsize=(WIDTH, 3.1))
    axes = figure.subplots(1, max(len(panels), 3), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=False):
        for color, name, (synthetic, real) in zip(
            _fold_colors(len(fold_names)), fold_names, panel["folds"], strict=True
        ):
            axis.scatter(synthetic, real, s=13, color=color, label=name, alpha=0.85, linewidths=0)
        axis.set(xlabel="synthesised from genes", title=f"{panel['label']}, r {tables.correlation(panel['r'])}")
        axis.locator_params(nbins=5)
    axes[0].set_ylabel("real, adjusted for covariates")
    for axis in axes[len(panels):]:
        axis.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize=8.5)
    return figure


@styled
def draw_gene_map(dataset, groups, fdr):
    """Heat map features x genes, grouped as `tables.group_genes` says; see `_draw_table` for its marks."""
    genes = [gene for _, members in groups for gene in members]
    features = tables.order_features(dataset)
    shown = dataset.sel(gene=genes, feature=features)
    sd = tables.feature_sd(dataset.sel(feature=features))
    figure = Figure(figsize=(WIDTH, 0.3 * len(features) + 2.2))
    axis = figure.subplots()
    _draw_table(
        figure, axis, shown, (shown["association"].values / sd).T, shown["q"].values.T < fdr,
        shown["p_max"].values.T < tables.FAMILY_WISE, "association, feature SD\nper gene SD",
    )
    axis.set_xticks(range(len(genes)), genes, rotation=90, fontsize=6.5 if len(genes) > 45 else 7.5)
    labels, begin = tables.feature_labels(dataset), 0
    for feature, members in groups:
        if begin:
            axis.axvline(begin - 0.5, color="white", linewidth=4)
        width = max(int(1.7 * len(members)), 7)
        axis.text(begin + len(members) / 2 - 0.5, -0.75, "\n".join(textwrap.wrap(labels[feature], width)), ha="center",
                  va="bottom", fontsize=7.5, color=BLUE)
        begin += len(members)
    return figure


@styled
def draw_metagene_map(dataset, fdr):
    """Heat map features x metagenes of the finite perturbation from -1 to +1 SD, marked as the gene map."""
    features = tables.order_features(dataset)
    shown = dataset.sel(feature=features)
    sd = tables.feature_sd(shown)
    figure = Figure(figsize=(WIDTH, 0.3 * len(features) + 1.2))
    axis = figure.subplots()
    _draw_table(
        figure, axis, shown, (shown["metagene_effect"].values / sd).T, shown["metagene_effect_q"].values.T < fdr,
        shown["metagene_effect_p_max"].values.T < tables.FAMILY_WISE, "effect, feature SD\nfrom −1 to +1 SD",
    )
    names = [str(name).removeprefix("metagene ") for name in dataset["metagene"].values]
    axis.set_xticks(range(len(names)), names, fontsize=8, rotation=90 if max(map(len, names)) > 2 else 0)
    axis.set_xlabel("metagene (1 is the largest group of co-expressed genes)")
    return figure


def _draw_table(figure, axis, shown, values, found, sure, label):
    """Coloured cells [feature, n], supported features first; a dot marks q, a star the family-wise p.

    Unsupported rows are drawn grey, without marks, and stamped: they are no finding.
    """
    count = len(tables.supported_features(shown))
    limit = np.nanmax(np.abs(values[:count] if count else values), initial=1e-9)
    colored, grey = values.copy(), values.copy()
    colored[count:], grey[:count] = np.nan, np.nan
    picture = axis.imshow(colored, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    axis.imshow(np.abs(grey), cmap="Greys", vmin=0, vmax=3 * limit, aspect="auto")
    for marked, marker, size in ((found & ~sure, "o", 7), (sure, "*", 34)):
        y, x = np.nonzero(marked[:count])
        colors = np.where(np.abs(values[y, x]) > 0.6 * limit, "white", INK)
        axis.scatter(x, y, marker=marker, s=size, c=colors, linewidths=0)
    labels = tables.feature_labels(shown)
    axis.set_yticks(range(len(labels)), labels.values())
    for place, text in enumerate(axis.get_yticklabels()):
        text.set_color(INK if place < count else GREY)
    if count < len(values):
        axis.text((values.shape[1] - 1) / 2, (count + len(values) - 1) / 2, UNSUPPORTED, ha="center", va="center",
                  color="#5A6675", fontsize=9, bbox={"facecolor": "white", "edgecolor": GREY, "boxstyle": "round"})
    axis.tick_params(length=0)
    axis.set_frame_on(False)
    if count:
        figure.colorbar(picture, ax=axis, label=label, fraction=0.03, pad=0.01).outline.set_visible(False)


@styled
def draw_pixels(dataset, names, spacing_mm):
    """Per metagene where the patch changes (HU per SD), where the mask does, and what the features do.

    Of volumes the middle slice is shown. Features are shown in their SD over patients, unsupported ones grey.
    """
    features = tables.order_features(dataset)
    shown = dataset.sel(metagene=names, feature=features)
    figure = Figure(figsize=(WIDTH, 4.1 + 0.19 * len(features)))
    axes = figure.subplots(3, max(len(names), 3), squeeze=False, height_ratios=(1.55, 1.55, 0.19 * len(features) + 0.3))
    _draw_plane_row(figure, axes[0], _planes(shown["pixel_effect"]), names, spacing_mm, "image change (HU per SD)")
    _draw_plane_row(figure, axes[1], _planes(shown["pixel_mask_effect"]), None, spacing_mm, "mask change (per SD)")
    _draw_effect_row(axes[2], shown)
    for axis in axes[:, len(names):].flat:
        axis.set_axis_off()
    return figure


def _planes(values):
    """[n, y, x]: the maps themselves, or the middle slices of volumes."""
    return values.isel(z=values.sizes["z"] // 2).values if "z" in values.dims else values.values


def _draw_plane_row(figure, axes, planes, names, spacing_mm, label):
    limit = max(float(np.nanpercentile(np.abs(planes), 99.8)), 1e-9)
    half = spacing_mm * planes.shape[-1] / 2
    for place, plane in enumerate(planes):
        picture = axes[place].imshow(
            plane, cmap=DIVERGING, vmin=-limit, vmax=limit, extent=(-half, half, half, -half), interpolation="nearest"
        )
        if names is not None:
            axes[place].set_title(names[place])
        axes[place].tick_params(labelsize=7, labelleft=place == 0)
        axes[place].locator_params(nbins=4)
    axes[0].set_ylabel("mm", fontsize=8)
    figure.colorbar(picture, ax=list(axes), label=label, fraction=0.02, pad=0.01).outline.set_visible(False)


def _draw_effect_row(axes, shown):
    sd = tables.feature_sd(shown)
    count, place = len(tables.supported_features(shown)), np.arange(shown.sizes["feature"])
    effect = shown["metagene_effect"].values / sd
    error = shown["metagene_effect_se"].values / sd if "metagene_effect_se" in shown else np.zeros_like(effect)
    limit = 1.1 * np.nanmax(np.abs(effect) + error, initial=1e-9)
    for column, axis in enumerate(axes[: len(effect)]):
        axis.barh(place, effect[column], xerr=error[column], height=0.65, ecolor=INK, error_kw={"linewidth": 1},
                  color=[BLUE if row < count else LIGHT_GREY for row in place])
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.set(xlim=(-limit, limit), ylim=(len(place) - 0.4, -0.6))
        axis.set_yticks(place, tables.feature_labels(shown).values() if column == 0 else [])
        axis.tick_params(labelsize=8, length=2)
        axis.set_xlabel("effect (feature SD)", fontsize=8)


@styled
def draw_comparison(dataset, baseline, rows, planted):
    """Per shared feature the generator's score of each gene against its absolute classical Spearman correlation.

    `rows` are those of `tables.compare_maps`; `planted` is {feature: genes planted for it}, empty without a truth.
    """
    columns = min(len(rows), 5)
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(WIDTH, 2.35 * lines + 0.3))
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    genes = dataset["gene"].values[np.isin(dataset["gene"].values, baseline["gene"].values)]
    labels = tables.feature_labels(dataset)
    for axis, row in zip(axes.flat, rows, strict=False):
        x = np.abs(baseline["score"].sel(gene=genes, feature=row["feature"]).values)
        y = dataset["score"].sel(gene=genes, feature=row["feature"]).values
        true = np.isin(genes, list(planted.get(row["feature"], ())))
        color = SKY if row["supported"] else LIGHT_GREY
        axis.scatter(x[~true], y[~true], s=4, color=color, linewidths=0, rasterized=True)
        axis.scatter(x[true], y[true], s=5, color=RED, linewidths=0, rasterized=True)
        axis.set_title(labels[row["feature"]] + ("" if row["supported"] else "\nnot supported"), fontsize=8.5)
    for axis in axes.flat[len(rows):]:
        axis.set_axis_off()
    for axis in axes.flat[max(len(rows) - columns, 0):len(rows)]:  # those with nothing below
        axis.tick_params(labelbottom=True)
    figure.supxlabel("classical: |Spearman correlation|", fontsize=9)
    figure.supylabel("generator: score", fontsize=9)
    return figure


@styled
def draw_recovery(planted):
    """Average precision of each planted link by each route, of `tables.score_routes`, with chance."""
    links, routes = planted["links"], planted["routes"]
    figure = Figure(figsize=(WIDTH, 0.36 * len(links) + 1.2))
    axis = figure.subplots()
    place = np.arange(len(links))[::-1]
    axis.axvline(tables.FAILING_PRECISION, color=GREY, linestyle=":", label="fails below")
    axis.scatter([link["chance"] for link in links], place, marker="|", color=INK, s=90, label="chance")
    shift = {"score": 0.0, "classical": 0.2, "three_step": -0.2}  # so that equal points do not hide each other
    for route, marker, color in zip(routes, "oD^", (BLUE, ORANGE, GREEN), strict=False):
        known = [(link["routes"][route["key"]], y) for link, y in zip(links, place, strict=True)]
        known = [(scores["average_precision"], y + shift[route["key"]]) for scores, y in known if scores]
        if known:
            axis.scatter(*zip(*known, strict=True), marker=marker, color=color, s=34, label=route["name"], zorder=3)
    axis.set_yticks(place, [f"{link['factor']} ({link['kind']})" for link in links])
    axis.set(xlim=(-0.02, 1.04), ylim=(-0.6, len(links) - 0.4), xlabel="average precision of the planted genes")
    axis.grid(axis="y", color=PALE)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=5, fontsize=8.5)
    return figure


def interactive_map(dataset, groups):
    """The gene map as an HTML fragment with hover, plotly's script included; every name in it is escaped."""
    genes = [gene for _, members in groups for gene in members]
    features = tables.order_features(dataset)
    shown = dataset.sel(gene=genes, feature=features)
    values = (shown["association"].values / tables.feature_sd(shown)).T
    count = len(tables.supported_features(shown))
    limit = np.nanmax(np.abs(values[:count] if count else values), initial=1e-9)
    labels = [html.escape(label) for label in tables.feature_labels(shown).values()]
    labels[count:] = [f"{label}, not supported" for label in labels[count:]]
    columns = [html.escape(gene) for gene in genes]
    text = _hover_text(shown)
    figure = plotly.graph_objects.Figure()
    for rows, scale, bar in ((slice(0, count), "RdBu_r", True), (slice(count, None), "Greys", False)):
        if len(labels[rows]):
            figure.add_heatmap(
                z=np.round(values[rows] if bar else np.abs(values[rows]), 4), x=columns, y=labels[rows],
                text=text[rows],
                colorscale=scale, zmin=-limit if bar else 0, zmax=limit if bar else 3 * limit, showscale=bar,
                hovertemplate="%{text}<extra></extra>", xgap=0.5, ygap=1,
                colorbar={"title": {"text": "feature SD<br>per gene SD"}, "thickness": 12, "outlinewidth": 0},
            )
    figure.update_layout(
        height=34 * len(features) + 170, margin={"l": 10, "r": 10, "t": 34, "b": 10}, template="simple_white",
        font={"family": "system-ui, sans-serif", "size": 12}, yaxis={"autorange": "reversed", "automargin": True},
        xaxis={"automargin": True, "tickangle": -90, "tickfont": {"size": 9}, "type": "category"},
    )
    return figure.to_html(full_html=False, include_plotlyjs=True, div_id="interactive-map", config=INTERACTION)


def _hover_text(shown):
    """Hover lines [feature][gene] of a map."""
    supported, units = tables.supported_features(shown), tables.feature_units(shown)
    lines = []
    for feature, label in tables.feature_labels(shown).items():
        column = shown.sel(feature=feature)
        se = column["se"].values if "se" in column else np.full(shown.sizes["gene"], np.nan)
        stamp = "" if feature in supported else f"<br><i>{UNSUPPORTED}</i>"
        lines.append([
            f"<b>{html.escape(str(gene))}</b><br>{html.escape(label)}<br>association {tables.number(association)} "
            f"± {tables.number(error, 2)} {html.escape(units[feature])} per gene SD<br>"
            f"score {tables.correlation(score)}, q {tables.p_value(q)}{stamp}"
            for gene, association, error, score, q in zip(
                shown["gene"].values, column["association"].values, se, column["score"].values, column["q"].values,
                strict=True,
            )
        ])
    return lines
