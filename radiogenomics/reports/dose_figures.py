"""Figures of dose and response: what becomes of a feature when a metagene, a gene or a set of genes is moved."""

import numpy as np
from matplotlib.figure import Figure

from radiogenomics.analysis import map_files
from radiogenomics.reports import map_tables
from radiogenomics.reports.style import BLUE, GREY, INK, LIGHT_GREY, PALE, WIDTH, styled

COLUMNS = 3
BAR_SHARE = 0.22  # of a panel's height, for the largest share of patients


def choose_curves(dataset, curves):
    """[(feature, item)] of each feature's strongest metagene, supported features first.

    Empty where there are no curves, or where they belong to another map (metagenes or features are missing).
    """
    if curves is None:
        return []
    strongest = map_files.strongest_metagenes(dataset)
    chosen = [(feature, strongest[feature]) for feature in map_tables.order_features(dataset)]
    known = set(curves["item"].values), set(curves["feature"].values)
    return chosen if all(item in known[0] and feature in known[1] for feature, item in chosen) else []


@styled
def draw_dose_response(dataset, curves, chosen):
    """A panel for each (feature, item) in `chosen`: mean and interval of the feature against the dose.

    Args:
      dataset: the map, for the features' labels and which of them held-out patients support.
      curves: of `dose_response`.
      chosen: [(feature, item)] of the curves.
    """
    labels, supported = map_tables.feature_labels(dataset), map_tables.supported_features(dataset)
    columns = min(COLUMNS, len(chosen))
    lines = -(-len(chosen) // columns)
    figure = Figure(figsize=(WIDTH, 2.5 * lines + 0.3))
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True)
    for axis, (feature, item) in zip(axes.flat, chosen, strict=False):
        _draw_curve(axis, curves.sel(item=item, feature=feature), BLUE if feature in supported else GREY)
        axis.set_title(labels[feature] + ("" if feature in supported else ", not supported"), loc="left")
        axis.set_xlabel(str(item), color=INK if feature in supported else GREY)
        axis.tick_params(labelbottom=True)
    for axis in axes.flat[len(chosen):]:
        axis.set_axis_off()
    figure.supxlabel("dose: SD over training patients", fontsize=9)
    return figure


def _draw_curve(axis, curve, color):
    dose, mean = curve["dose"].values, curve["mean"].values
    within = (dose >= float(curve["range_low"])) & (dose <= float(curve["range_high"]))
    _draw_support(axis, curve)
    axis.fill_between(dose, curve["low"].values, curve["high"].values, color=color, alpha=0.25, linewidth=0)
    axis.plot(dose, mean, color=color, linewidth=1.2, linestyle=(0, (3, 2)))
    axis.plot(dose, np.where(within, mean, np.nan), color=color, linewidth=2.2)
    axis.set_xlim(dose[0], dose[-1])


def _draw_support(axis, curve):
    """Behind the curve: the range of the cohort, and bars at the foot for the share of patients near each dose."""
    dose, support = curve["dose"].values, curve["support"].values
    back = axis.twinx()
    back.axvspan(float(curve["range_low"]), float(curve["range_high"]), color=PALE, linewidth=0)
    back.bar(dose, support, width=0.8 * np.diff(dose).min(), color=LIGHT_GREY, linewidth=0)
    back.set_ylim(0, max(support.max(), 1e-9) / BAR_SHARE)
    back.set_axis_off()
    axis.set_zorder(back.get_zorder() + 1)
    axis.patch.set_visible(False)
