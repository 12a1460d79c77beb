"""Figures of the map, of the classical one beside it and of the planted truth.

Each function takes what it shows and returns a matplotlib Figure; `style.encode` makes it text.
"""

import textwrap

import numpy as np
from matplotlib.figure import Figure

from radiogenomics.reports import map_tables
from radiogenomics.reports.style import (
    BLUE,
    DIVERGING,
    GREEN,
    GREY,
    INK,
    LIGHT_GREY,
    ORANGE,
    PALE,
    RED,
    SKY,
    UNSUPPORTED,
    WIDTH,
    styled,
)


@styled
def draw_gene_map(dataset, groups, fdr):
    """Heat map features x genes, grouped as `map_tables.group_genes` says; see `_draw_table` for its marks."""
    genes = [gene for _, members in groups for gene in members]
    features = map_tables.order_features(dataset)
    shown = dataset.sel(gene=genes, feature=features)
    sd = map_tables.feature_sd(dataset.sel(feature=features))
    figure = Figure(figsize=(WIDTH, 0.3 * len(features) + 2.2))
    axis = figure.subplots()
    _draw_table(
        figure, axis, shown, (shown["association"].values / sd).T, shown["q"].values.T < fdr,
        shown["p_max"].values.T < map_tables.FAMILY_WISE, "association, feature SD\nper gene SD",
    )
    axis.set_xticks(range(len(genes)), genes, rotation=90, fontsize=6.5 if len(genes) > 45 else 7.5)
    labels, begin = map_tables.feature_labels(dataset), 0
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
    features = map_tables.order_features(dataset)
    shown = dataset.sel(feature=features)
    sd = map_tables.feature_sd(shown)
    names = [_shorten(str(name).removeprefix("metagene "), 30) for name in dataset["metagene"].values]
    longest = max(map(len, names))
    figure = Figure(figsize=(WIDTH, 0.3 * len(features) + 1.2 + 0.07 * max(longest - 3, 0)))
    axis = figure.subplots()
    _draw_table(
        figure, axis, shown, (shown["metagene_effect"].values / sd).T, shown["metagene_effect_q"].values.T < fdr,
        shown["metagene_effect_p_max"].values.T < map_tables.FAMILY_WISE, "effect, feature SD\nfrom −1 to +1 SD",
    )
    axis.set_xticks(range(len(names)), names, fontsize=8, rotation=90 if longest > 2 else 0)
    numbered = all(name.isdigit() for name in names)
    axis.set_xlabel("metagene (1 is the largest group of co-expressed genes)" if numbered else "gene set")
    return figure


def _shorten(name, length):
    """A name of at most `length` characters; gene sets have long ones."""
    return name if len(name) <= length else name[: length - 1] + "…"


def _draw_table(figure, axis, shown, values, found, sure, label):
    """Coloured cells [feature, n], supported features first; a dot marks q, a star the family-wise p.

    Unsupported rows are drawn grey, without marks, and stamped: they are no finding.
    """
    count = len(map_tables.supported_features(shown))
    limit = np.nanmax(np.abs(values[:count] if count else values), initial=1e-9)
    colored, grey = values.copy(), values.copy()
    colored[count:], grey[:count] = np.nan, np.nan
    picture = axis.imshow(colored, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    axis.imshow(np.abs(grey), cmap="Greys", vmin=0, vmax=3 * limit, aspect="auto")
    for marked, marker, size in ((found & ~sure, "o", 7), (sure, "*", 34)):
        y, x = np.nonzero(marked[:count])
        colors = np.where(np.abs(values[y, x]) > 0.6 * limit, "white", INK)
        axis.scatter(x, y, marker=marker, s=size, c=colors, linewidths=0)
    labels = map_tables.feature_labels(shown)
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
    features = map_tables.order_features(dataset)
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
            axes[place].set_title(_shorten(names[place], 20))
        axes[place].tick_params(labelsize=7, labelleft=place == 0)
        axes[place].locator_params(nbins=4)
    axes[0].set_ylabel("mm", fontsize=8)
    figure.colorbar(picture, ax=list(axes), label=label, fraction=0.02, pad=0.01).outline.set_visible(False)


def _draw_effect_row(axes, shown):
    sd = map_tables.feature_sd(shown)
    count, place = len(map_tables.supported_features(shown)), np.arange(shown.sizes["feature"])
    effect = shown["metagene_effect"].values / sd
    error = shown["metagene_effect_se"].values / sd if "metagene_effect_se" in shown else np.zeros_like(effect)
    limit = 1.1 * np.nanmax(np.abs(effect) + error, initial=1e-9)
    for column, axis in enumerate(axes[: len(effect)]):
        axis.barh(place, effect[column], xerr=error[column], height=0.65, ecolor=INK, error_kw={"linewidth": 1},
                  color=[BLUE if row < count else LIGHT_GREY for row in place])
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.set(xlim=(-limit, limit), ylim=(len(place) - 0.4, -0.6))
        axis.set_yticks(place, map_tables.feature_labels(shown).values() if column == 0 else [])
        axis.tick_params(labelsize=8, length=2)
        axis.set_xlabel("effect (feature SD)", fontsize=8)


@styled
def draw_comparison(dataset, baseline, rows, planted):
    """Per shared feature the generator's score of each gene against its absolute classical Spearman correlation.

    `rows` are those of `map_tables.compare_maps`; `planted` is {feature: genes planted for it}, empty without a truth.
    """
    columns = min(len(rows), 5)
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(WIDTH, 2.35 * lines + 0.3))
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    genes = dataset["gene"].values[np.isin(dataset["gene"].values, baseline["gene"].values)]
    labels = map_tables.feature_labels(dataset)
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
    """Average precision of each planted link by each route, of `map_tables.score_routes`, with chance."""
    links, routes = planted["links"], planted["routes"]
    figure = Figure(figsize=(WIDTH, 0.36 * len(links) + 1.2))
    axis = figure.subplots()
    place = np.arange(len(links))[::-1]
    axis.axvline(map_tables.FAILING_PRECISION, color=GREY, linestyle=":", label="fails below")
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
