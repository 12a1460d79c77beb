"""The map to explore: a heat map with hover, as an HTML fragment."""

import html

import numpy as np
import plotly.graph_objects

from radiogenomics.reports import map_tables
from radiogenomics.reports.formatting import correlation, number, p_value
from radiogenomics.reports.style import UNSUPPORTED

INTERACTION = {
    "displaylogo": False, "responsive": True,
    # Named, because Plotly's default buttons offer to upload the chart.
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}


def interactive_map(dataset, groups):
    """The gene map as an HTML fragment with hover, plotly's script included; every name in it is escaped."""
    genes = [gene for _, members in groups for gene in members]
    features = map_tables.order_features(dataset)
    shown = dataset.sel(gene=genes, feature=features)
    values = (shown["association"].values / map_tables.feature_sd(shown)).T
    count = len(map_tables.supported_features(shown))
    limit = np.nanmax(np.abs(values[:count] if count else values), initial=1e-9)
    labels = [html.escape(label) for label in map_tables.feature_labels(shown).values()]
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
    supported, units = map_tables.supported_features(shown), map_tables.feature_units(shown)
    lines = []
    for feature, label in map_tables.feature_labels(shown).items():
        column = shown.sel(feature=feature)
        se = column["se"].values if "se" in column else np.full(shown.sizes["gene"], np.nan)
        stamp = "" if feature in supported else f"<br><i>{UNSUPPORTED}</i>"
        lines.append([
            f"<b>{html.escape(str(gene))}</b><br>{html.escape(label)}<br>association {number(association)} "
            f"± {number(error, 2)} {html.escape(units[feature])} per gene SD<br>"
            f"score {correlation(score)}, q {p_value(q)}{stamp}"
            for gene, association, error, score, q in zip(
                shown["gene"].values, column["association"].values, se, column["score"].values, column["q"].values,
                strict=True,
            )
        ])
    return lines
