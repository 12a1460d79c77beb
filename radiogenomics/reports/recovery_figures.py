"""What was recovered of planted truth, how surely, and where: the figure of the recovery suite."""

from matplotlib.figure import Figure

from radiogenomics.reports.style import BLUE, GREEN, GREY, INK, LIGHT_GREY, ORANGE, PURPLE, RED, SKY, WIDTH, styled

KIND_COLORS = {"linear": BLUE, "u": ORANGE, "interaction": GREEN}
KIND_NAMES = {"linear": "linear", "u": "U-shaped", "interaction": "interaction"}
SHIFT = {"linear": -0.22, "u": 0.0, "interaction": 0.22}
MAP_COLORS = {"generator": BLUE, "spearman": RED, "partial": PURPLE}
LEVEL = 0.05
SCORE = "generator: score"


@styled
def draw_recovery(tables, null, central, routes):
    """Average precision by route, by patients and by effect; false share of hits; localisation; errors under the null.

    Args:
      tables: {"recovery", "discoveries", "localisation": DataFrame} of `benchmark.recovery_tables`.
      null: its pooled errors on null cohorts.
      central: (patients, effect) that the first and the localisation's panel show.
      routes: names in the order of the first panel.
    """
    figure = Figure(figsize=(WIDTH, 7.2))
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    by_route, by_size, by_effect = upper.subplots(1, 3, width_ratios=(1.6, 1, 1))
    false, located, errors = lower.subplots(1, 3, width_ratios=(1, 1.6, 0.8))
    patients, effect = central
    links, place = tables["recovery"], tables["localisation"]
    _draw_routes(by_route, _central(links, central), routes, "average precision of planted genes")
    by_route.set_title(f"{patients} patients, effect {effect:g}")
    _draw_curve(by_size, links[links["effect"] == effect], "patients", "patients")
    _draw_curve(by_effect, links[links["patients"] == patients], "effect", "effect planted")
    by_size.legend(loc="center right", fontsize=8)
    _draw_false(false, tables["discoveries"])
    _draw_routes(located, _central(place, central), list(dict.fromkeys(place["route"])), "average precision of pixels")
    located.set_title("where the driver modules act")
    _draw_errors(errors, null)
    return figure


def _central(table, central):
    return table[(table["patients"] == central[0]) & (table["effect"] == central[1])]


def _draw_routes(axis, table, routes, label):
    """A row for every route; a dot for the mean of every kind of link, a line over the phantoms."""
    for height, route in enumerate(reversed(routes)):
        for kind, group in table[table["route"] == route].groupby("kind"):
            values = group.groupby("seed")["average_precision"].mean()
            at = height - SHIFT[kind]
            axis.plot([values.min(), values.max()], [at, at], color=LIGHT_GREY, linewidth=3, zorder=1)
            axis.plot(values.mean(), at, "o", color=KIND_COLORS[kind], markersize=5)
    axis.set_yticks(range(len(routes)), list(reversed(routes)))
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(0, 1.03)
    axis.set_xlabel(label)


def _draw_curve(axis, table, column, label):
    """Average precision of the score and of Spearman over a column, one line a kind of link."""
    for route, style in ((SCORE, "o-"), ("classical: gene-wise Spearman", "s:")):
        means = table[table["route"] == route].groupby(["kind", column])["average_precision"].mean()
        for kind in (kind for kind in KIND_COLORS if kind in means.index.get_level_values(0)):
            name = f"{KIND_NAMES[kind]}, {'score' if route == SCORE else 'Spearman'}"
            axis.plot(means[kind].index, means[kind], style, color=KIND_COLORS[kind], markersize=4, label=name)
    axis.set_ylim(0, 1.03)
    axis.set_xlabel(label)
    axis.set_ylabel("average precision")


def _draw_false(axis, discoveries):
    """False share of the hits of each phantom with links, against their number."""
    for name, color in MAP_COLORS.items():
        group = discoveries[(discoveries["map"] == name) & (discoveries["effect"] > 0)]
        axis.plot(group["hits"], 100 * group["false_share"], "o", color=color, markersize=4, alpha=0.8,
                  label=f"{name}: mean {100 * group['false_share'].mean():.1f} %")
    axis.axhline(100 * LEVEL, color=INK, linewidth=0.8, linestyle="--")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("pairs at q < 0.05, a dot a phantom")
    axis.set_ylabel("of them false, %")
    axis.legend(fontsize=8)


def _draw_errors(axis, null):
    """Share of null cohorts in which a frozen map reports anything, with its exact interval."""
    names = {"family_wise": "family-wise\np ≤ 0.05", "fdr": "q < 0.05"}
    for at, name in enumerate(names):
        rate = null[name]
        axis.plot([at, at], [100 * rate["low"], 100 * rate["high"]], color=SKY, linewidth=3)
        axis.plot(at, 100 * rate["rate"], "o", color=BLUE)
    axis.axhline(100 * LEVEL, color=INK, linewidth=0.8, linestyle="--")
    axis.set_xticks(range(len(names)), list(names.values()))
    axis.set_xlim(-0.6, len(names) - 0.4)
    axis.set_ylim(bottom=0)
    axis.set_ylabel(f"of {null['cohorts']} null cohorts with any, %")
    axis.grid(axis="y", color=GREY, alpha=0.2)
