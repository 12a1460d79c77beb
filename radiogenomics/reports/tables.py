"""The tables of a report as plain rows of numbers that the page formats, and its summary in plain sentences."""

import numpy as np
import pandas as pd
from scipy import stats

from radiogenomics.analysis import recovery

FAMILY_WISE = 0.05
COMPARED_TOP = 50  # genes at the head of two rankings whose overlap is counted
FAILING_PRECISION = 0.2  # average precision below which a route is said to miss a planted link
ROUTES = {"score": "generator", "classical": "Spearman", "three_step": "three-step"}
LEVELS_SHOWN = 6
NAMES = {"mean": "mean attenuation", "sd": "SD of attenuation"}


def feature_label(name, unit=""):
    """A feature name for people: `texture_energy_hu`, "HU" becomes "texture energy (HU)"."""
    suffix = "_" + unit.lower().replace("/", "_per_")
    stem = name.removesuffix(suffix) if unit else name
    words = NAMES.get(stem, stem.replace("_", " "))
    return f"{words} ({unit})" if unit else words


def feature_units(dataset):
    """{feature: unit} of a map, empty text where it has none."""
    units = dataset["unit"].values if "unit" in dataset.coords else [""] * dataset.sizes["feature"]
    return {str(name): str(unit) for name, unit in zip(dataset["feature"].values, units, strict=True)}


def feature_labels(dataset):
    """{feature: label} of a map."""
    return {name: feature_label(name, unit) for name, unit in feature_units(dataset).items()}


def number(value, digits=3):
    """A number with `digits` significant digits and a true minus sign; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    places = int(np.clip(digits - 1 - np.floor(np.log10(abs(value))), 0, 6))
    text = f"{value:,.{places}f}" if abs(value) >= 1e-4 else f"{value:.{digits - 1}e}"
    return text.replace("-", "−")


def correlation(value):
    """A correlation with two decimals; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def p_value(value):
    """A p or q value with two significant digits, three decimals at least where it is not small."""
    if value is None or not np.isfinite(value):
        return "–"
    if value >= 0.01:
        return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
    # 9,999 permutations end at 0.0001, which single precision stores a little lower.
    return f"{value:.1g}" if value < 9.9e-5 else f"{value:.4f}"[:6].rstrip("0")


def supported_features(dataset):
    """Names of the features that the held-out patients support, in the map's order."""
    if "supported" not in dataset:
        return []
    return [str(name) for name in dataset["feature"].values[dataset["supported"].values.astype(bool)]]


def order_features(dataset):
    """Feature names, supported ones first."""
    supported = supported_features(dataset)
    return supported + [str(name) for name in dataset["feature"].values if name not in supported]


def feature_sd(dataset):
    """SD of each real feature over patients [feature], in feature units; 1 where it is unknown or zero."""
    if "feature_value" not in dataset:
        return np.ones(dataset.sizes["feature"])
    sd = dataset["feature_value"].std("patient").values
    return np.where(np.isfinite(sd) & (sd > 0), sd, 1.0)


def summarise(evaluation, dataset, fdr, baseline=None, truth=None):
    """The summary as at most five sentences.

    Args:
      evaluation: content of evaluation.json.
      dataset: the generator's map.
      fdr: q below which a gene counts as found.
      baseline: the classical map, or None.
      truth: planted truth of a phantom, or None.
    """
    folds = evaluation["folds"]
    sentences = [
        f"{len(evaluation['patients'])} patients in {len(folds)} folds, {dataset.sizes['gene']:,} genes, "
        f"{dataset.sizes['feature']} image features; every patient was judged by a generator that never saw that "
        "patient.",
        _gate_sentence(evaluation["gate"], feature_labels(dataset)),
        _hit_sentence(dataset, fdr),
    ]
    if baseline is not None:
        sentences.append(_baseline_sentence(dataset, baseline, fdr))
    if truth is not None:
        sentences.append(_truth_sentence(dataset, baseline, truth, fdr))
    return sentences


def _gate_sentence(gate, labels):
    found = sorted((name for name in gate if gate[name].get("supported")), key=lambda name: -(gate[name]["r"] or 0))
    if not found:
        return f"The genes control none of the {len(gate)} image features on held-out patients: the map has no finding."
    told = [
        f"{labels.get(name, name)} r {correlation(gate[name].get('r'))} "
        f"[{correlation(gate[name].get('r_low'))}, {correlation(gate[name].get('r_high'))}]"
        for name in found
    ]
    missed = [labels.get(name, name) for name in gate if name not in found]
    rest = f"; not supported: {', '.join(missed)}" if missed else ""
    return (
        f"The genes control {len(found)} of {len(gate)} image features on held-out patients "
        f"(correlation r with 95 % interval): {', '.join(told)}{rest}."
    )


def _hit_sentence(dataset, fdr):
    supported = supported_features(dataset)
    if not supported:
        return "No feature of the map is supported by held-out patients, so no gene is reported as found."
    shown = dataset.sel(feature=supported)
    found, sure = shown["q"].values < fdr, shown["p_max"].values < FAMILY_WISE
    if not found.any():
        return f"No gene has q < {fdr:g} on a supported feature."
    gene, feature = np.unravel_index(np.nanargmax(shown["score"].values), found.shape)
    best = shown.isel(gene=gene, feature=feature)
    unit = feature_units(shown)[supported[feature]]
    return (
        f"On supported features {_count(found.any(axis=1).sum(), 'gene')} ({_count(found.sum(), 'gene-feature pair')}) "
        f"have q < {fdr:g} and {_count(sure.any(axis=1).sum(), 'gene')} ({_count(sure.sum(), 'pair')}) hold with "
        f"family-wise p < {FAMILY_WISE:g}; the strongest is {best['gene'].item()} for "
        f"{feature_label(supported[feature], unit)} "
        f"(score {correlation(best['score'].item())}, {number(best['association'].item())} {unit} per gene SD)."
    ).replace("  ", " ")


def _count(count, noun):
    return f"{int(count):,} {noun}" + ("" if count == 1 else "s")


def _baseline_sentence(dataset, baseline, fdr):
    rows = compare_maps(dataset, baseline, fdr)
    rows = [row for row in rows if row["supported"]] or rows
    if not rows:
        return "The classical map shares no gene or no feature with this map, so the two cannot be compared."
    found, classical, shared = (sum(row[key] for row in rows) for key in ("hits", "classical_hits", "shared_hits"))
    alike = np.median([row["top_shared"] for row in rows])
    return (
        f"On the same {_count(len(rows), 'feature')} the classical Spearman map has {classical:,} gene-feature pairs "
        f"at q < {fdr:g} against {found:,} here, {shared:,} in both; of the top {rows[0]['top_count']} genes of a "
        f"feature a median of {alike:.0f} are the same{_other_patients(dataset, baseline)}."
    )


def _other_patients(dataset, baseline):
    """A warning clause where the two maps are not of the same patients."""
    ours, theirs = set(dataset["patient"].values), set(baseline["patient"].values)
    return "" if ours == theirs else f" (but it has {len(theirs)} patients, of whom {len(ours & theirs)} are the same)"


def _truth_sentence(dataset, baseline, truth, fdr):
    planted = score_routes(dataset, baseline, truth, fdr)
    if not planted["links"]:
        return "The planted truth links no feature of this map, so nothing can be scored against it."
    means = [f"{route['name']} {correlation(route['mean'])}" for route in planted["routes"]]
    first = planted["routes"][0]
    missed = ", ".join(first["failed"]) or "none"
    return (
        f"Against the planted truth ({_count(len(planted['links']), 'link')}) the mean average precision is "
        f"{', '.join(means)}, chance {correlation(planted['chance'])}; links that the generator misses: {missed}."
    )


def gate_rows(gate, dataset):
    """One row a feature: the gate's numbers with a label, in the gate's order."""
    labels = feature_labels(dataset)
    keys = ("r", "r_low", "r_high", "p_holm", "r_best_direct", "best_direct", "r_shuffled", "ceiling")
    return [
        {"feature": name, "label": labels.get(name, name), "in_loss": bool(row.get("in_loss")),
         "supported": bool(row.get("supported"))} | {key: row.get(key) for key in keys}
        for name, row in gate.items()
    ]


def quality_rows(evaluation):
    """Retrieval, realism, mask, memorisation and background as rows of measure, value, reference and meaning."""
    parts = (_retrieval_rows, _realism_rows, _mask_rows, _memorisation_rows)
    names = ("retrieval", "realism", "mask", "memorisation")
    rows = [row for part, name in zip(parts, names, strict=True) for row in part(evaluation.get(name) or {})]
    rows.append((
        "Background: largest change", _with_unit(evaluation.get("background_max_abs_error_hu"), "HU"), "0 HU",
        "Largest change outside the mask, where the background must stay as it is.",
    ))
    return [dict(zip(("measure", "value", "reference", "meaning"), row, strict=True)) for row in rows]


def _realism_rows(realism):
    radiomic = realism.get("radiomic") or {}
    ratios = list(spread_ratios(realism.get("sd_between_patients") or {}).values())
    return [
        ("Realism: radiomic distance", number(radiomic.get("kid")),
         f"95 % {number(radiomic.get('kid_low'))} to {number(radiomic.get('kid_high'))}; "
         f"real against real {number(radiomic.get('floor'))}",
         "Kernel distance between the feature vectors of real and synthesised nodules; 0 would be no difference."),
        ("Realism: attenuation", _with_unit(realism.get("hu_wasserstein"), "HU"), "0 HU",
         "Wasserstein distance between the voxel values inside real and synthesised nodules."),
        ("Realism: spread between patients", _share(float(np.median(ratios)) if ratios else None), "100 %",
         "SD of the patients' means, synthesised over real, median over features; less means too much alike."),
    ]


def _mask_rows(mask):
    return [
        ("Mask: agreement with the image", correlation(mask.get("dice_synthetic")),
         f"real nodules {correlation(mask.get('dice_real'))}",
         "Dice of the mask with an independent threshold segmentation of the same image; 1 is perfect."),
        ("Mask: area", _share(mask.get("area_share_synthetic")), f"real nodules {_share(mask.get('area_share_real'))}",
         "Mean share of the patch that the mask covers."),
        ("Mask: empty", _share(mask.get("empty_share")), "0 %", "Share of synthesised patches without a nodule."),
    ]


def _memorisation_rows(copied):
    return [
        ("Memorisation: nearest training nodule", _with_unit(copied.get("nearest_synthetic_hu"), "HU"),
         f"real held-out nodules {_with_unit(copied.get('nearest_held_out_hu'), 'HU')}",
         "Median distance to the nearest training nodule; much less than the reference would be copying."),
        ("Memorisation: copies", _share(copied.get("copies")), "0 %",
         "Share of synthesised nodules nearer to a training nodule than any held-out real nodule is."),
    ]


def _retrieval_rows(retrieval):
    return [
        _retrieval_row(retrieval, 1),
        _retrieval_row(retrieval, 5),
        ("Retrieval: mean rank", _share(retrieval.get("mean_rank_share")), "chance 50 %",
         "Mean place of the right patient when the held-out ones are ordered by likeness; 0 % is always first."),
    ]


def _retrieval_row(retrieval, within):
    return (
        f"Retrieval: right patient among the first {within}" if within > 1 else "Retrieval: right patient first",
        _share(retrieval.get(f"r_at_{within}")),
        f"chance {_share(retrieval.get(f'chance_at_{within}'))}, p {p_value(retrieval.get(f'p_at_{within}'))}",
        "How often the synthesised nodule is most like its own patient among the fold's held-out patients."
        if within == 1 else "The same, counting the five most alike.",
    )


def _share(value):
    return "–" if value is None else f"{100 * value:.0f} %" if value >= 0.1 or value == 0 else f"{100 * value:.1f} %"


def _with_unit(value, unit):
    if value is None:
        return "–"
    return f"below 0.001 {unit}" if 0 < value < 1e-3 else f"{number(value, 2)} {unit}"


def spread_ratios(sd_between):
    """{feature: synthesised over real SD between patients}, where both are known."""
    return {
        name: row["synthetic"] / row["real"]
        for name, row in sd_between.items()
        if row.get("real") and row.get("synthetic") is not None
    }


def drop_rows(quality):
    """Reasons for dropping patients with their counts, most frequent first, from qc.json."""
    reasons = pd.Series([row.get("reason") or "no reason recorded" for row in quality["patients"] if not row["kept"]])
    return [{"reason": reason, "count": int(count)} for reason, count in reasons.value_counts().items()]


def covariate_rows(covariates, folds):
    """Covariates of all patients and of each fold as text: mean (SD) of numbers, counts of levels.

    Args:
      covariates: DataFrame indexed by patient.
      folds: lists of patient ids.
    """
    groups = [covariates, *(covariates.loc[list(fold)] for fold in folds)]
    rows = []
    for name in covariates:
        if pd.api.types.is_numeric_dtype(covariates[name]):
            cells = [f"{number(group[name].mean())} ({number(group[name].std(), 2)})" for group in groups]
            label = feature_label(name, "mm" if name.endswith("_mm") else "")
            rows.append({"name": label, "level": "mean (SD)", "cells": cells})
            continue
        levels = list(covariates[name].value_counts().index)
        for position, level in enumerate(levels[:LEVELS_SHOWN]):
            cells = [str(int((group[name] == level).sum())) for group in groups]
            rows.append({"name": "" if position else name.replace("_", " "), "level": str(level), "cells": cells})
        if levels[LEVELS_SHOWN:]:
            cells = [str(int(group[name].isin(levels[LEVELS_SHOWN:]).sum())) for group in groups]
            rows.append({"name": "", "level": f"{len(levels) - LEVELS_SHOWN} other levels", "cells": cells})
    return rows


def top_genes(dataset, feature, count):
    """Rows of the `count` genes with the highest score for a feature."""
    column = dataset.sel(feature=feature)
    names = [name for name in ("association", "se", "score", "p", "q", "p_max") if name in column]
    best = np.argsort(-np.nan_to_num(column["score"].values, nan=-np.inf), kind="stable")[:count]
    values = {name: column[name].values[best] for name in names}
    return [
        {"gene": str(gene)} | {name: float(values[name][place]) for name in names}
        for place, gene in enumerate(column["gene"].values[best])
    ]


def group_genes(dataset, count):
    """[(feature, genes)]: each gene goes with the supported feature it scores best on, the best `count` of each.

    Where no feature is supported all features take part.
    """
    features = supported_features(dataset) or order_features(dataset)
    score = np.nan_to_num(dataset["score"].sel(feature=features).values, nan=-np.inf)
    home, best = score.argmax(axis=1), score.max(axis=1)
    order = np.argsort(-best, kind="stable")
    groups = [(feature, order[home[order] == place][:count]) for place, feature in enumerate(features)]
    return [(feature, [str(gene) for gene in dataset["gene"].values[rows]]) for feature, rows in groups if len(rows)]


def metagene_rows(dataset, count):
    """The `count` metagenes with the strongest evidence on supported features (all, where none is): rows to tell."""
    features = supported_features(dataset) or order_features(dataset)
    shown = dataset.sel(feature=features)
    p, score = shown["metagene_effect_p"].values, shown["metagene_effect_score"].values
    order = np.lexsort((-np.nanmax(score, axis=1), np.nanmin(p, axis=1)))[:count]
    return [_metagene_row(shown.isel(metagene=place), features, dataset) for place in order]


def _metagene_row(one, features, dataset):
    place = int(np.lexsort((-one["metagene_effect_score"].values, one["metagene_effect_p"].values))[0])
    best = one.isel(feature=place)
    loading = np.abs(best["metagene_loading"].values)
    members = loading > 1e-9
    rank = np.where(members, np.nan_to_num(best["score"].values, nan=-np.inf), -np.inf)
    first = np.argsort(-rank, kind="stable")[: min(6, int(members.sum()))]
    return {
        "metagene": str(one["metagene"].item()),
        "size": int(members.sum()),
        "genes": [str(gene) for gene in dataset["gene"].values[first]],
        "feature": features[place],
        "unit": feature_units(dataset)[features[place]],
        "supported": features[place] in supported_features(dataset),
    } | {
        key: float(best[f"metagene_effect{suffix}"].item()) if f"metagene_effect{suffix}" in best else None
        for key, suffix in (("effect", ""), ("se", "_se"), ("p", "_p"), ("q", "_q"), ("p_max", "_p_max"))
    }


def compare_maps(dataset, baseline, fdr):
    """One row a feature that both maps have, supported ones first: hits of each, shared, agreement, top genes.

    `agreement` is the Spearman correlation over genes between the generator's score and the absolute classical score.
    """
    genes = dataset["gene"].values[np.isin(dataset["gene"].values, baseline["gene"].values)]
    if not len(genes):
        return []
    ours, theirs = dataset.sel(gene=genes), baseline.sel(gene=genes)
    known, supported = set(baseline["feature"].values), supported_features(dataset)
    return [
        _comparison(ours.sel(feature=name), np.abs(theirs["score"].sel(feature=name).values),
                    theirs["q"].sel(feature=name).values < fdr, fdr)
        | {"feature": name, "supported": name in supported}
        for name in order_features(dataset) if name in known
    ]


def _comparison(column, classical, classical_hit, fdr):
    score, hit = column["score"].values, column["q"].values < fdr
    varied = len(score) > 2 and np.ptp(score) > 0 and np.ptp(classical) > 0
    top = [set(np.argsort(-np.nan_to_num(values), kind="stable")[:COMPARED_TOP]) for values in (score, classical)]
    return {
        "hits": int(hit.sum()),
        "classical_hits": int(classical_hit.sum()),
        "shared_hits": int((hit & classical_hit).sum()),
        "agreement": float(stats.spearmanr(score, classical, nan_policy="omit").statistic) if varied else np.nan,
        "top_shared": len(top[0] & top[1]),
        "top_count": min(COMPARED_TOP, len(score)),
    }


def score_routes(dataset, baseline, truth, fdr):
    """Scores the generator's map and both classical routes against planted truth, on the genes that they share.

    Returns:
      {"links": [{"factor", "modules", "feature", "kind", "supported", "chance", "routes": {key: scores}}],
      "routes": [{"key", "name", "mean", "failed"}], "chance"}; a route fails a link where its average precision is
      below `FAILING_PRECISION`.
    """
    variables = {"score": (dataset, "score")}
    if baseline is not None and np.isin(dataset["gene"].values, baseline["gene"].values).any():
        variables["classical"] = (baseline, "score")
        if "three_step_score" in baseline:
            variables["three_step"] = (baseline, "three_step_score")
    maps, truth = _on_common_genes([table for table, _ in variables.values()], truth)
    scored = {
        key: recovery.score_recovery(table, truth, variable, fdr)
        for table, (key, (_, variable)) in zip(maps, variables.items(), strict=True)
    }
    by_route = {key: {_link_key(link): link for link in value["links"]} for key, value in scored.items()}
    planted = [link for link in truth["links"] if _link_key(link) in by_route["score"]]
    supported = supported_features(dataset)
    links = [
        {"factor": link["factor"], "modules": link["modules"], "feature": link["feature"], "kind": link["kind"],
         "supported": link["feature"] in supported, "chance": by_route["score"][_link_key(link)]["base_rate"],
         "routes": {key: found.get(_link_key(link)) for key, found in by_route.items()}}
        for link in planted
    ]
    routes = [
        {"key": key, "name": ROUTES[key], "mean": value["mean_average_precision"],
         "failed": [f"{link['factor']} ({link['kind']})" for link in value["links"]
                    if link["average_precision"] < FAILING_PRECISION]}
        for key, value in scored.items()
    ]
    return {"links": links, "routes": routes, "chance": np.mean([link["chance"] for link in links]) if links else None}


def _on_common_genes(maps, truth):
    """The maps cut to their common genes, and the truth without links that have no gene among them."""
    genes = maps[0]["gene"].values
    for table in maps[1:]:
        genes = genes[np.isin(genes, table["gene"].values)]
    links = [
        link for link in truth["links"]
        if any(np.isin(truth["modules"][module], genes).any() for module in link["modules"])
    ]
    return [table.sel(gene=genes) for table in maps], truth | {"links": links}


def _link_key(link):
    return link["factor"], link["feature"]
