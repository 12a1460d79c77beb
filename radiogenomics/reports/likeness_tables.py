"""Do the synthesised nodules look real? Realism, masks and memorisation, beside two stand-ins that learned nothing.

A measure earns trust where it tells the stand-ins apart: "nothing added" leaves the background as it is, under the mask
of a training nodule; "copied" pastes a training patient's real nodule.
"""

import numpy as np

from radiogenomics.reports.formatting import correlation, interval, number, share, two_digits, with_unit

CANDIDATES = {"generator": "synthesised", "no-op": "nothing added", "copy": "copied"}
SPACES = {
    "radiomic": "In exact image features",
    "random": "In features of an untrained network",
    "trained": "In features of a network trained on each fold's real nodules, without labels",
}
TOLD = "radiomic"  # the space whose rows say what a measure means
LOWER, HIGHER = "lower", "higher"
IN_SPACE = (  # of each space: key, key of real against real, name, form, better, meaning
    ("kid", "floor", "kernel distance", two_digits, LOWER,
     "How far real and synthesised nodules lie apart as two clouds; 0 is no difference."),
    ("density", "density_floor", "density", correlation, HIGHER,
     "How deep synthesised nodules lie among real ones; about 1 if they are alike."),
    ("coverage", "coverage_floor", "coverage", share, HIGHER, "Share of the real nodules with a synthesised one near."),
)


def likeness_tables(evaluation):
    """Tables of realism, masks and memorisation; None where the evaluation has none of the candidates.

    Returns:
      [{"title", "columns": names of candidates, "reference": heading, "rows": [{"group", "measure", "better", "cells":
      [{"value", "interval"}], "reference", "meaning"}]}]; `group` is told where it changes.
    """
    parts = [evaluation.get(name) or {} for name in ("realism", "mask", "memorisation")]
    if not all("generator" in part for part in parts):
        return None
    realism, mask, memorisation = parts
    background = evaluation.get("background_max_abs_error_hu")
    return [
        _table("Likeness", "real against real", realism, _realism_rows(realism)),
        _table("Masks", "real masks", mask, [*_mask_rows(mask), _background_row(mask, background)]),
        _table("Memorisation", "held-out real nodules", memorisation, _memorisation_rows(memorisation)),
    ]


def _table(title, reference, part, rows):
    columns = [name for key, name in CANDIDATES.items() if key in part]
    groups = [row["group"] for row in rows]
    for row, before in zip(rows, [None, *groups], strict=False):
        row["group"] = row["group"] if row["group"] != before else ""
    return {"title": title, "reference": reference, "columns": columns, "rows": rows}


def _row(part, measure, better, cell, reference, meaning, group=""):
    """A row whose `cell` turns the numbers of a candidate into a value, or a value and an interval."""
    cells = [cell(part[key] or {}) for key in CANDIDATES if key in part]
    cells = [made if isinstance(made, tuple) else (made, "") for made in cells]
    return {"group": group, "measure": measure, "better": better, "reference": reference, "meaning": meaning,
            "cells": [{"value": value, "interval": bounds} for value, bounds in cells]}


def _with_interval(scores, key, low, high, form):
    return form(scores.get(key)), interval(scores.get(low), scores.get(high), form)


def _realism_rows(realism):
    rows = [row for space in SPACES for row in _space_rows(realism, space)]
    first = realism["generator"] or {}
    for key, name, form, meaning in (
        ("frechet", "Fréchet distance", two_digits,
         "How far means and spreads of exact image features differ; with few patients not 0 even between real "
         "nodules."),
        ("hu_wasserstein", "attenuation (HU)", two_digits,
         "How far the voxel values inside real and synthesised nodules lie apart."),
    ):
        rows.append(_row(
            realism, name, LOWER,
            lambda scores, key=key, form=form: _with_interval(scores.get(key) or {}, "value", "low", "high", form),
            form((first.get(key) or {}).get("floor")), meaning, "As distributions",
        ))
    rows.append(_row(
        realism, "spread between patients", "near 100 %",
        lambda scores: share(_median_spread(scores)), "100 %",
        "SD of the patients' means, synthesised over real, median over features; less means too much alike.",
        "As distributions",
    ))
    return rows


def _space_rows(realism, space):
    """Rows of one feature space; none where no candidate was scored in it."""
    if not any((scores or {}).get(space) for scores in realism.values()):
        return []
    first = (realism["generator"] or {}).get(space) or {}
    return [
        _row(
            realism, name, better,
            lambda scores, key=key, form=form: _with_interval(
                scores.get(space) or {}, key, f"{key}_low", f"{key}_high", form),
            form(first.get(floor)), meaning if space == TOLD else "", SPACES[space],
        )
        for key, floor, name, form, better, meaning in IN_SPACE
    ]


def _median_spread(scores):
    ratios = list(spread_ratios(scores.get("sd_between_patients") or {}).values())
    return float(np.median(ratios)) if ratios else None


def _mask_rows(mask):
    first = mask["generator"] or {}
    distances = [
        _row(mask, f"distribution of {name}", LOWER, lambda scores, key=key: two_digits(
            scores.get(f"{key}_wasserstein")), "–", meaning)
        for key, name, meaning in (
            ("area", "area", "How far the distributions of real and synthesised masks lie apart, in SDs of real."),
            ("sphericity", "roundness", "The same for sphericity, in 2-D circularity."),
            ("spiculation", "spikes", "The same for spiculation."),
        )
    ]
    return [
        _row(mask, "agreement with the image", HIGHER,
             lambda scores: _with_interval(scores, "dice", "dice_low", "dice_high", correlation),
             correlation(first.get("dice_real")),
             "Dice of the mask with an independent threshold segmentation of the same image; 1 is perfect."),
        _row(mask, "empty", LOWER, lambda scores: share(scores.get("empty_share")), "0 %",
             "Share of patches without a nodule."),
        _row(mask, "area", "near real", lambda scores: share(scores.get("area_share")),
             share(first.get("area_share_real")), "Mean share of the patch that the mask covers."),
        *distances,
    ]


def _background_row(mask, change_hu):
    row = _row(mask, "largest change outside", LOWER, lambda scores: "–", "0 HU",
               "The background outside the mask must stay as it is.")
    row["cells"][0]["value"] = with_unit(change_hu, "HU")
    return row


def _memorisation_rows(copied):
    return [
        _row(copied, "nearest training nodule (HU)", HIGHER,
             lambda scores: number(scores.get("nearest_synthetic_hu")),
             number((copied["generator"] or {}).get("nearest_held_out_hu")),
             "Median distance to the nearest training nodule; much less than the reference would be copying."),
        _row(copied, "the same over the reference", "1 or more", lambda scores: correlation(scores.get("ratio")), "1",
             "Below 1: nearer to a training nodule than real nodules of other patients are."),
        _row(copied, "copies", LOWER, lambda scores: share(scores.get("copies")), "0 %",
             "Share nearer to a training nodule than any held-out real nodule is."),
        _row(copied, "telling who was trained on", "near 0.50",
             lambda scores: _with_interval(
                 scores, "membership_auc", "membership_auc_low", "membership_auc_high", correlation), "0.50",
             "How well the distance to the nearest synthesised nodule tells training from held-out patients (area "
             "under the curve); 0.50 is guessing, 1 gives everyone away."),
    ]


def spread_ratios(sd_between):
    """{feature: synthesised over real SD between patients}, where both are known."""
    return {
        name: row["synthetic"] / row["real"]
        for name, row in sd_between.items()
        if row.get("real") and row.get("synthetic") is not None
    }
