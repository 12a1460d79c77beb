"""Tables, targets and the figure of the recovery suite, from what was measured on each phantom."""

import numpy as np
import pandas as pd
from scipy import stats

from radiogenomics import outputs
from radiogenomics.reports import recovery_figures

KINDS = ("linear", "u", "interaction")
OURS, LOCATED = "generator: score", "generator: pixel strength"
KIND_OF_PHANTOM = ["patients", "effect", "seed"]
LEVEL = 0.05
ENOUGH = 20  # retrained null phantoms, of which fewer say too little of an error of 5 %
CLEARLY = 0.1  # average precision by which a target of "clearly above" is met


def write_tables(out, scored, central, routes, described):
    """Writes `recovery.csv`, `discoveries.csv`, `localisation.csv`, `recovery.json`, `recovery.png`; returns targets.

    Args:
      out: folder.
      scored: list of {"patients", "effect", "seed"} and what `recovery.finish_phantom` returns.
      central: (patients, effect) of the phantoms that the targets are about.
      routes: `recovery.ROUTES`.
      described: `provenance.describe` of the suite.

    Returns:
      DataFrame of `judge_targets`.
    """
    tables = {name: _gather(scored, part) for name, part in
              (("recovery", "links"), ("discoveries", "discoveries"), ("localisation", "localisation"))}
    for name, table in tables.items():
        with outputs.new_file(out / f"{name}.csv") as aside:
            table.to_csv(aside, index=False, float_format="%.4g")
    null = pool_null([one["null"] for one in scored if one["null"]])
    targets = judge_targets(tables, null, central)
    outputs.write_json(out / "recovery.json", {
        "central": central, "targets": targets.reset_index().to_dict("records"), "null": null,
        "false_discovery_rate": summarise_false(tables["discoveries"]).to_dict("records"), "phantoms": scored,
    } | described)
    figure = recovery_figures.draw_recovery(tables, null, central, [route.name for route in routes])
    with outputs.new_file(out / "recovery.png") as aside:
        figure.savefig(aside, dpi=110)
    return targets


def _gather(scored, part):
    rows = [{name: one[name] for name in KIND_OF_PHANTOM} | row for one in scored for row in one[part]]
    return pd.DataFrame(rows)


def pool_null(nulls):
    """Errors on null cohorts over all frozen maps: {"maps", "cohorts", "family_wise", "fdr"}, with exact intervals.

    Cohorts of one map share its generator and so are not quite independent of each other.
    """
    cohorts = sum(null["cohorts"] for null in nulls)
    pooled = {"maps": len(nulls), "cohorts": cohorts}
    for name in ("family_wise", "fdr"):
        errors = sum(null[name]["errors"] for null in nulls)
        low, high = stats.binomtest(errors, cohorts).proportion_ci(0.95, method="exact")
        pooled[name] = {"errors": errors, "rate": errors / cohorts, "low": float(low), "high": float(high)}
    return pooled


def summarise_false(discoveries):
    """Realised FDR of each map over the phantoms with links: mean false share with its 95 % t interval over phantoms.

    Columns: map, phantoms, hits (sum), false_share, low, high.
    """
    linked = discoveries[discoveries["effect"] > 0]
    rows = []
    for name, group in linked.groupby("map", sort=False):
        shares, low, high = group["false_share"], np.nan, np.nan
        if len(shares) > 1:
            low, high = stats.t.interval(0.95, len(shares) - 1, shares.mean(), max(stats.sem(shares), 1e-12))
        rows.append({"map": name, "phantoms": len(shares), "hits": int(group["hits"].sum()),
                     "false_share": shares.mean(), "low": low, "high": high})
    return pd.DataFrame(rows)


def judge_targets(tables, null, central):
    """What was aimed at on the central phantoms, what was measured, and whether it was reached.

    Columns: measured, needed, reached (None where too few phantoms tell); one row a target. A rate counts as kept where
    its 95 % interval reaches down to the level.
    """
    rows = {}
    scores = _central(tables["recovery"], central)
    precision = scores.groupby(["route", "kind"])["average_precision"].mean().unstack()
    for kind in (kind for kind in KINDS if kind in precision):
        classical = precision.loc[precision.index.str.startswith("classical"), kind].max()
        margin = 0.0 if kind == "linear" else CLEARLY
        # Two hundredths are what the order of near ties in a long list costs.
        tolerance = 0.02 if kind == "linear" else 0.0
        rows[f"average precision, {kind} links"] = _at_least(precision.loc[OURS, kind], classical + margin - tolerance)
    located = _central(tables["localisation"], central).groupby("route")["average_precision"].mean()
    rows["average precision, pixels"] = _at_least(located[LOCATED], located.drop(LOCATED).max() + CLEARLY)
    false = summarise_false(tables["discoveries"]).set_index("map").loc["generator"]
    rows["realised FDR"] = _at_most(false["false_share"], false["low"])
    for name, key in (("family-wise error, frozen maps on null cohorts", "family_wise"),
                      ("null cohorts with any q < 0.05", "fdr")):
        rows[name] = _at_most(null[key]["rate"], null[key]["low"])
    retrained = tables["discoveries"].query("effect == 0 and map == 'generator'")
    if len(retrained):
        low = stats.binomtest(int((retrained["certain"] > 0).sum()), len(retrained)).proportion_ci().low
        name = f"family-wise error, retrained on {len(retrained)} null phantoms"
        rows[name] = _at_most((retrained["certain"] > 0).mean(), low)
        if len(retrained) < ENOUGH:
            rows[name]["reached"] = None
    batch = _central(tables["discoveries"], central).query("map == 'generator'")
    share = (batch["batch_hits"] / batch["batch_pairs"]).mean()
    rows["share of the batch module's pairs reported"] = _at_most(share, share)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("target")


def _central(table, central):
    return table[(table["patients"] == central[0]) & (table["effect"] == central[1])]


def _at_least(measured, needed):
    return {"measured": measured, "needed": needed, "reached": bool(measured >= needed)}


def _at_most(rate, low):
    return {"measured": rate, "needed": LEVEL, "reached": bool(rate <= LEVEL or low <= LEVEL)}
