"""A classical map before and after adjusting, as a figure."""

from matplotlib.figure import Figure

from radiogenomics.reports.style import BLUE, GREY, INK, LIGHT_GREY, ORANGE, styled


@styled
def draw_adjustment(unadjusted, adjusted, batch, fdr):
    """Genes linked to every feature before and after adjusting, beside the feature's own correlation with the batch.

    Args:
      unadjusted, adjusted: maps with `q` [gene, feature] of the same features.
      batch: DataFrame by feature with `rho`, its correlation with the sequencing batch.
      fdr: q below which a pair is a hit.
    """
    counts = {name: (dataset["q"] < fdr).sum("gene").to_series()
              for name, dataset in (("before", unadjusted), ("after", adjusted))}
    order = batch["rho"].abs().sort_values(kind="stable").index
    figure = Figure(figsize=(9.0, 0.21 * len(order) + 1.2))
    hits, links = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    places = range(len(order))
    before, after = counts["before"][order], counts["after"][order]
    hits.hlines(places, after, before, color=LIGHT_GREY, linewidth=2, zorder=1)
    hits.plot(before, places, "o", color=ORANGE, label=f"unadjusted ({before.sum():,} pairs)")
    hits.plot(after, places, "o", color=BLUE, markersize=4.5, label=f"adjusted ({after.sum():,} pairs)")
    hits.set_yticks(places, [name.replace("_", " ") for name in order])
    hits.set_xscale("symlog", linthresh=1)
    hits.set_xlim(-0.3, 2 * max(before.max(), after.max(), 1))
    ticks = [tick for tick in (0, 1, 10, 100, 1000, 10000) if tick <= max(before.max(), after.max(), 1)]
    hits.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    hits.minorticks_off()
    hits.set_xlabel(f"genes linked to the feature at q < {fdr:g}, of {unadjusted.sizes['gene']:,}")
    hits.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    hits.set_ylim(-0.7, len(order) - 0.3)
    links.barh(list(places), batch["rho"].abs()[order], color=GREY, height=0.7)
    links.set_xlabel("|Spearman| of the feature itself\nwith the sequencing batch", color=INK)
    for axis in (hits, links):
        axis.tick_params(axis="y", length=0)
    return figure
