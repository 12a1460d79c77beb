"""The map of a run, and others beside it, as plain rows of numbers that the page formats."""

import numpy as np
from scipy import stats

from radiogenomics.analysis import recovery
from radiogenomics.reports.formatting import correlation, feature_label

COMPARED_TOP = 50  # genes at the head of two rankings whose overlap is counted
FAMILY_WISE = 0.05
FAILING_PRECISION = 0.2  # average precision below which a route is said to miss a planted link
ROUTES = {"score": "generator", "classical": "Spearman", "three_step": "three-step"}


def feature_units(dataset):
    """{feature: unit} of a map, empty text where it has none."""
    units = dataset["unit"].values if "unit" in dataset.coords else [""] * dataset.sizes["feature"]
    return {str(name): str(unit) for name, unit in zip(dataset["feature"].values, units, strict=True)}


def feature_labels(dataset):
    """{feature: label} of a map."""
    return {name: feature_label(name, unit) for name, unit in feature_units(dataset).items()}


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
        "stability": float(one["metagene_stability"].item()) if "metagene_stability" in one else None,
    } | {
        key: float(best[f"metagene_effect{suffix}"].item()) if f"metagene_effect{suffix}" in best else None
        for key, suffix in (("effect", ""), ("se", "_se"), ("p", "_p"), ("q", "_q"), ("p_max", "_p_max"))
    }


def region_rows(dataset, count):
    """One row a region of the nodule: whether genes control it, and its `count` best genes; none in an older map."""
    if "region_score" not in dataset:
        return []
    rows = []
    for name in dataset["region"].values:
        one = dataset.sel(region=name)
        best = np.argsort(-np.nan_to_num(one["region_score"].values, nan=-np.inf), kind="stable")[:count]
        genes = [
            {"gene": str(dataset["gene"].values[place])}
            | {key: float(one[f"region_{key}"].values[place]) for key in ("association", "se", "score", "p_max")}
            for place in best
        ]
        rows.append({"region": str(name), "definition": str(one["region_definition"].item()), "genes": genes,
                     "r": float(one["region_gate_r"]), "p": float(one["region_gate_p"]),
                     "supported": bool(one["region_supported"])})
    return rows


def describe_detection(dataset):
    """The weakest link that the map could have certified, as a sentence; empty where the map does not say."""
    threshold = dataset.attrs.get("family_wise_threshold", np.nan)
    limit = dataset.attrs.get("smallest_certifiable_correlation", np.nan)
    tested = f"Over the {dataset.sizes['gene'] * dataset.sizes['feature']:,} gene-feature pairs tested, "
    tested += f"{dataset.sizes['patient']} patients"
    if np.isfinite(limit):
        return (
            f"{tested} certify a correlation of {correlation(limit)} with 80 % power at family-wise p < "
            f"{FAMILY_WISE:g} (a score of {correlation(threshold)} passes); weaker links can go unseen."
        )
    if threshold >= 1.0:
        return f"{tested} cannot certify even a perfect correlation at family-wise p < {FAMILY_WISE:g}."
    return ""


def enrichment_rows(table, fdr, count):
    """(rows of the sets with q below `fdr`, supported features first, at most `count`; how many there are)."""
    found = table[table["q"] < fdr].sort_values("supported", ascending=False, kind="stable")
    rows = found.head(count).to_dict("records")
    return [row | {"leading_genes": str(row["leading_genes"]).split(";")} for row in rows], len(found)


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
