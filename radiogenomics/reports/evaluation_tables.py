"""Gene control on held-out patients as plain rows that the page formats: gate, retrieval, variance, gene codes."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from radiogenomics.analysis import statistics
from radiogenomics.reports import map_tables
from radiogenomics.reports.formatting import correlation, counted, interval, p_value, share

GATE_KEYS = (
    "r", "r_low", "r_high", "p_holm", "r_best_direct", "best_direct", "ratio", "ratio_low", "ratio_high", "r_shuffled",
    "r_shuffled_low", "r_shuffled_high", "ceiling",
)
KINDS = {"linear": "linear", "u": "U-shaped", "interaction": "interaction"}
SOURCES = ("genes", "background", "noise", "rest")  # of the variance of a synthesised feature
CHANCE = 0.05  # p below which gene codes count as telling patients' images
UNSEEN_TOLD = 3  # features left out of the loss that are told one by one


def gate_rows(gate, dataset):
    """One row a feature: the gate's numbers with a label, in the gate's order; None for what an older run lacks."""
    labels = map_tables.feature_labels(dataset)
    return [
        {"feature": name, "label": labels.get(name, name), "in_loss": bool(row.get("in_loss")),
         "supported": bool(row.get("supported")), "link": KINDS.get(row.get("link"), "")}
        | {key: row.get(key) for key in GATE_KEYS}
        for name, row in gate.items()
    ]


def describe_gate(summary, labels):
    """`gate_summary` of evaluation.json as one sentence about synthesis beside direct prediction.

    Args:
      summary: the summary of a cohort with planted links.
      labels: {feature: label}.
    """
    parts = [_describe_linear(summary, labels)] if summary.get("linear_mean_ratio") is not None else []
    nonlinear, unseen = summary.get("nonlinear") or {}, summary.get("unseen") or {}
    if nonlinear:
        parts.append(f"on links that are not linear, {_beside_direct(nonlinear, labels)}")
    if len(unseen) > UNSEEN_TOLD:
        r, direct = (np.median([row[key] or 0.0 for row in unseen.values()]) for key in ("r", "r_best_direct"))
        parts.append(f"on the {len(unseen)} features left out of the loss a median of r {correlation(r)} against "
                     f"{correlation(direct)}")
    elif unseen:
        parts.append(f"on {counted(len(unseen), 'feature')} left out of the loss, {_beside_direct(unseen, labels)}")
    return f"Beside the best direct predictor from the same genes: {'; '.join(parts)}." if parts else ""


def _describe_linear(summary, labels):
    worst = summary.get("linear_worst_feature")
    bounds = interval(summary.get("linear_mean_ratio_low"), summary.get("linear_mean_ratio_high"), share)
    told = f", least for {labels.get(worst, worst)} with {share(summary.get('linear_worst_ratio'))}" if worst else ""
    return (
        f"on planted linear links synthesis reaches {share(summary['linear_mean_ratio'])} of its correlation on average"
        f"{f' [{bounds}]' if bounds else ''}{told}"
    )


def _beside_direct(rows, labels):
    return ", ".join(
        f"{labels.get(name, name)} r {correlation(row['r'])} against {correlation(row['r_best_direct'])}"
        for name, row in rows.items()
    )


def retrieval_rows(evaluation):
    """How well a synthesised nodule finds its own patient: rows of measure, value, reference and meaning."""
    retrieval = evaluation.get("retrieval") or {}
    rows = [
        ("right patient first", *_retrieved(retrieval, 1),
         "How often the synthesised nodule is most like its own patient among the fold's held-out patients."),
        ("right patient among the first 5", *_retrieved(retrieval, 5), "The same, counting the five most alike."),
        ("mean place of the right patient", share(retrieval.get("mean_rank_share")), "chance 50 %",
         "When the held-out patients are ordered by likeness; 0 % is always first."),
    ]
    return [dict(zip(("measure", "value", "reference", "meaning"), row, strict=True)) for row in rows]


def _retrieved(retrieval, within):
    chance = share(retrieval.get(f"chance_at_{within}"))
    return share(retrieval.get(f"r_at_{within}")), f"chance {chance}, p {p_value(retrieval.get(f'p_at_{within}'))}"


def variance_rows(evaluation, labels):
    """What moves each synthesised feature: one row a feature; None where the evaluation does not say.

    Returns:
      [{"label", "shares": {source: share of variance, or None of a constant}, "noise", "background", "real",
      "ratio"}]; the last four are SDs in the feature's unit and the ratio noise over real, None where unknown.
    """
    sensitivity, diversity = evaluation.get("sensitivity"), evaluation.get("diversity") or {}
    if not sensitivity:
        return None
    spreads = ("noise", "background", "real", "ratio")
    return [
        {"label": labels.get(name, name), "shares": {source: (shares or {}).get(source) for source in SOURCES}}
        | {key: (diversity.get(name) or {}).get(key) for key in spreads}
        for name, shares in sensitivity.items()
    ]


def describe_variance(rows):
    """One sentence on the median share of the genes, and on the diversity that noise gives, of `variance_rows`."""
    genes = [row["shares"]["genes"] for row in rows if row["shares"]["genes"] is not None]
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
    if not genes:
        return "No synthesised feature varies."
    told = f"Over the features the genes account for a median of {share(float(np.median(genes)))} of the variance"
    if not ratios:
        return f"{told}."
    return (
        f"{told}; with genes and background fixed, noise moves a feature by a median of "
        f"{share(float(np.median(ratios)))} of what it varies over the slices of a real nodule."
    )


def describe_gene_code(found):
    """One sentence on whether patients with similar gene codes have similar images, of `gene_code`."""
    p = found.get("p")
    if p is None:
        return "Whether patients with similar gene codes have similar nodules could not be tested."
    verdict = "look more alike than chance" if p < CHANCE else "do not look measurably more alike than chance"
    return f"Held-out patients whose gene codes are near each other {verdict} (p {p_value(p)})."


def agreement_by_feature(codes, values, folds, neighbours):
    """How well each real feature follows the gene code: patients' values against those of their nearest patients.

    Args:
      codes: gene codes [patients, C], each by the fold that never saw the patient.
      values: real features [patients, F], NaN where unknown.
      folds: list of row arrays; neighbours are of the same fold, whose codes share one encoder.
      neighbours: nearest patients averaged; fewer where the fold is small.

    Returns:
      [F] mean over folds of the within-fold correlation.
    """
    around = np.full(values.shape, np.nan)
    for rows in folds:
        if len(rows) > 1:
            nearest = NearestNeighbors(n_neighbors=min(max(neighbours, 1), len(rows) - 1)).fit(codes[rows])
            near = values[rows][nearest.kneighbors(return_distance=False)]  # [n, k, F], a patient's own row left out
            known = np.isfinite(near)
            total = np.where(known, near, 0.0).sum(axis=1)
            around[rows] = np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
    return statistics.cross_fitted_correlation(around, values, folds)


def embed_codes(codes, values):
    """The first two principal components [n, 2] of one fold's codes [n, C], and the share of variance they hold.

    Signs are arbitrary: each axis is turned so that `values` [n] rise along it, NaN counting as the mean.
    """
    count = min(2, len(codes) - 1, codes.shape[1])
    points = np.zeros((len(codes), 2))
    if count < 1 or not np.ptp(codes, axis=0).any():
        return points, 0.0
    components = PCA(count, svd_solver="full").fit(codes)
    points[:, :count] = components.transform(codes)
    known = np.isfinite(values)
    centred = np.where(known, values - values[known].mean(), 0.0) if known.any() else np.zeros(len(codes))
    return points * np.where(centred @ points < 0, -1.0, 1.0), float(components.explained_variance_ratio_.sum())
