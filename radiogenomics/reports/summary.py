"""The summary of a report in plain sentences."""

import numpy as np

from radiogenomics.reports import evaluation_tables, map_tables
from radiogenomics.reports.formatting import correlation, counted, feature_label, number


def summarise(evaluation, dataset, fdr, baseline=None, truth=None):
    """The summary as at most six sentences.

    Args:
      evaluation: content of evaluation.json.
      dataset: the generator's map.
      fdr: q below which a gene counts as found.
      baseline: the classical map, or None.
      truth: planted truth of a phantom, or None.
    """
    folds, labels = evaluation["folds"], map_tables.feature_labels(dataset)
    sentences = [
        f"{len(evaluation['patients'])} patients in {len(folds)} folds, {dataset.sizes['gene']:,} genes, "
        f"{dataset.sizes['feature']} image features; every patient was judged by a generator that never saw that "
        "patient.",
        _gate_sentence(evaluation["gate"], labels),
        evaluation_tables.describe_gate(evaluation.get("gate_summary") or {}, labels),
        _hit_sentence(dataset, fdr),
    ]
    if baseline is not None:
        sentences.append(_baseline_sentence(dataset, baseline, fdr))
    if truth is not None:
        sentences.append(_truth_sentence(dataset, baseline, truth, fdr))
    return [sentence for sentence in sentences if sentence]


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
    supported = map_tables.supported_features(dataset)
    if not supported:
        return "No feature of the map is supported by held-out patients, so no gene is reported as found."
    shown = dataset.sel(feature=supported)
    found, sure = shown["q"].values < fdr, shown["p_max"].values < map_tables.FAMILY_WISE
    if not found.any():
        return f"No gene has q < {fdr:g} on a supported feature."
    gene, feature = np.unravel_index(np.nanargmax(shown["score"].values), found.shape)
    best = shown.isel(gene=gene, feature=feature)
    unit = map_tables.feature_units(shown)[supported[feature]]
    return (
        f"On supported features {counted(found.any(axis=1).sum(), 'gene')} "
        f"({counted(found.sum(), 'gene-feature pair')}) have q < {fdr:g} and "
        f"{counted(sure.any(axis=1).sum(), 'gene')} ({counted(sure.sum(), 'pair')}) hold with family-wise "
        f"p < {map_tables.FAMILY_WISE:g}; the strongest is {best['gene'].item()} for "
        f"{feature_label(supported[feature], unit)} "
        f"(score {correlation(best['score'].item())}, {number(best['association'].item())} {unit} per gene SD)."
    ).replace("  ", " ")


def _baseline_sentence(dataset, baseline, fdr):
    rows = map_tables.compare_maps(dataset, baseline, fdr)
    rows = [row for row in rows if row["supported"]] or rows
    if not rows:
        return "The classical map shares no gene or no feature with this map, so the two cannot be compared."
    found, classical, shared = (sum(row[key] for row in rows) for key in ("hits", "classical_hits", "shared_hits"))
    alike = np.median([row["top_shared"] for row in rows])
    return (
        f"On the same {counted(len(rows), 'feature')} the classical Spearman map has {classical:,} gene-feature pairs "
        f"at q < {fdr:g} against {found:,} here, {shared:,} in both; of the top {rows[0]['top_count']} genes of a "
        f"feature a median of {alike:.0f} are the same{_other_patients(dataset, baseline)}."
    )


def _other_patients(dataset, baseline):
    """A warning clause where the two maps are not of the same patients."""
    ours, theirs = set(dataset["patient"].values), set(baseline["patient"].values)
    return "" if ours == theirs else f" (but it has {len(theirs)} patients, of whom {len(ours & theirs)} are the same)"


def _truth_sentence(dataset, baseline, truth, fdr):
    planted = map_tables.score_routes(dataset, baseline, truth, fdr)
    if not planted["links"]:
        return "The planted truth links no feature of this map, so nothing can be scored against it."
    means = [f"{route['name']} {correlation(route['mean'])}" for route in planted["routes"]]
    first = planted["routes"][0]
    missed = ", ".join(first["failed"]) or "none"
    return (
        f"Against the planted truth ({counted(len(planted['links']), 'link')}) the mean average precision is "
        f"{', '.join(means)}, chance {correlation(planted['chance'])}; links that the generator misses: {missed}."
    )
