"""Classical maps with more and more adjustment, as a figure."""

from matplotlib.figure import Figure

from radiogenomics.reports.style import BLUE, GREY, LIGHT_GREY, ORANGE, SKY, styled

TICKS = (0, 1, 10, 100, 1000, 10000)


@styled
def draw_adjustment(maps, batch, fdr):
    """Genes linked to every feature by each map, beside the feature's own correlation with the batch.

    Args:
      maps: {label: Dataset with `q` [gene, feature]}, at most three of the same features, the least adjusted first.
      batch: DataFrame by feature with `rho`, its correlation with the sequencing batch.
      fdr: q below which a pair is a hit.
    """
    order = batch["rho"].abs().sort_values(kind="stable").index
    counts = [(dataset["q"] < fdr).sum("gene").to_series()[order] for dataset in maps.values()]
    most = max(1, *(count.max() for count in counts))
    figure = Figure(figsize=(9.0, 0.2 * len(order) + 1.2))
    hits, links = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    places = list(range(len(order)))
    hits.hlines(places, counts[-1], counts[0], color=LIGHT_GREY, linewidth=2, zorder=1)
    for label, count, color, size in zip(maps, counts, (ORANGE, SKY, BLUE), (7, 5.5, 4), strict=False):
        hits.plot(count, places, "o", color=color, markersize=size, label=f"{label}: {count.sum():,} pairs")
    hits.set_yticks(places, [name.replace("_", " ") for name in order])
    hits.set_xscale("symlog", linthresh=1)
    hits.set_xlim(-0.3, 2 * most)
    hits.set_xticks(*zip(*((tick, f"{tick:,}") for tick in TICKS if tick <= most), strict=True))
    hits.minorticks_off()
    hits.set_ylim(-0.7, len(order) - 0.3)
    hits.set_xlabel(f"genes linked to the feature at q < {fdr:g}, of {next(iter(maps.values())).sizes['gene']:,}")
    hits.legend(loc="lower left", bbox_to_anchor=(-0.35, 1), ncols=3, columnspacing=1, handletextpad=0.1)
    links.barh(places, batch["rho"].abs()[order], color=GREY, height=0.7)
    links.set_xlabel("|Spearman| of the feature itself\nwith the sequencing batch")
    for axis in (hits, links):
        axis.tick_params(axis="y", length=0)
    return figure
