"""Two maps beside each other: do they rank genes alike, find the same hits, and agree on the direction?

    compare(read_map(RUN), read_map(CLASSICAL))

Works between any two maps of the contract: generator and classical, two runs, two cohorts.
"""

import numpy as np
import pandas as pd
from scipy import stats

from radiogenomics import outputs
from radiogenomics.errors import InputError

ALL = "all"
MEASURES = ("rank_correlation", "jaccard", "sign_concordance")


def compare(map_a, map_b, variable="score", fdr=0.05, bootstraps=2000, seed=0):
    """Agreement of two maps over the genes that they share, feature by feature and over all features.

    `rank_correlation`: Spearman correlation of `variable` over genes; over all features the mean of theirs.
    `jaccard`: pairs with q < `fdr` in both maps over those in either; `jaccard_expected` has in its place the overlap
    that the hypergeometric distribution expects of as many hits drawn at random. Genes are correlated, so hits come
    in modules, and the expectation describes; it tests nothing. `sign_concordance`: share of the hits of either map
    whose `association` has the same sign in both; for links without direction it says nothing. NaN where undefined.

    Intervals (`_low`, `_high`) are 95 % percentiles of a block bootstrap over metagenes (Kuensch, Ann. Statist. 1989),
    the first map's clusters of co-expressed genes, ranks and hits kept as they are. A map on disk holds no value per
    patient and gene, so the intervals do not cover the sampling of patients; `attrs` says so. NaN where the first map
    has no `metagene_loading`.

    Args:
      map_a, map_b: maps with `q`, `association` and `variable` [gene, feature].
      variable: what ranks the genes.
      fdr: q below which a pair is a hit.
      bootstraps: bootstrap samples.
      seed: integer.

    Returns:
      A DataFrame with one row a shared feature and a last one, "all": `genes`, `hits_a`, `hits_b`, `hits_both`,
      `supported` (by every map that judged the feature), and the measures with their intervals.

    Raises:
      InputError: where the maps share no gene or no feature, or one lacks a variable.
    """
    for name, dataset in (("first", map_a), ("second", map_b)):
        usable = [key for key, values in dataset.data_vars.items() if set(values.dims) == {"gene", "feature"}]
        missing = [needed for needed in (variable, "q", "association") if needed not in usable]
        if missing:
            raise InputError(
                f"{name} map: has no variable '{missing[0]}' of genes by features; expected one of {', '.join(usable)}."
            )
    genes, features = (_shared(map_a, map_b, dim) for dim in ("gene", "feature"))
    ours, theirs = (dataset.sel(gene=genes, feature=features) for dataset in (map_a, map_b))
    sums, blocks = _block_sums(ours, theirs, variable, fdr)
    weights = _block_weights(len(sums), bootstraps, seed)
    measured = _measure(np.einsum("wb,bfs->wfs", weights, sums))
    frame = pd.DataFrame({"feature": [*features, ALL], "genes": len(genes)} | _counts(ours, theirs, fdr))
    for name, values in measured.items():
        frame[name] = values[0]
        if name in MEASURES:
            low, high = _percentiles(values[1:]) if blocks else np.full((2, values.shape[1]), np.nan)
            frame[f"{name}_low"], frame[f"{name}_high"] = low, high
    frame.attrs = {
        "variable": variable, "fdr": fdr, "interval": _unit_sentence(blocks),
        "jaccard_expected": "hypergeometric; genes are correlated, so it is descriptive and no test",
    }
    return frame


def write_comparison(frame, path):
    """Writes the table of `compare` as CSV, headed by comment lines (#) that state its terms."""
    with outputs.new_file(path) as aside, open(aside, "w", encoding="utf-8") as lines:
        lines.writelines(f"# {name}: {value}\n" for name, value in frame.attrs.items())
        frame.to_csv(lines, index=False, float_format="%.4g")


def format_comparison(frame):
    """The table of `compare` as text for a terminal, its terms below."""
    shown = pd.DataFrame({"feature": frame["feature"], "hits a/b/both": [
        f"{a}/{b}/{both}" for a, b, both in zip(frame["hits_a"], frame["hits_b"], frame["hits_both"], strict=True)
    ]})
    for name in MEASURES:
        shown[name.replace("_", " ")] = [
            f"{value:.2f} ({low:.2f} to {high:.2f})"
            for value, low, high in zip(frame[name], frame[f"{name}_low"], frame[f"{name}_high"], strict=True)
        ]
    shown.insert(4, "expected", [f"{value:.2f}" for value in frame["jaccard_expected"]])
    return "\n".join([shown.to_string(index=False), *(f"{name}: {value}" for name, value in frame.attrs.items())])


def _shared(map_a, map_b, dim):
    """Names along a dimension that both maps have, in the first one's order."""
    ours, theirs = (dataset[dim].values for dataset in (map_a, map_b))
    shared = ours[np.isin(ours, theirs)]
    if not len(shared):
        raise InputError(
            f"maps: no {dim} is in both (the first has {len(ours)}, such as '{ours[0]}', the second {len(theirs)}, "
            f"such as '{theirs[0]}'); expected maps that share some."
        )
    return shared


def _hits(dataset, fdr):
    return dataset["q"].transpose("gene", "feature").values < fdr


def _counts(ours, theirs, fdr):
    """Columns of counts per feature and in total, and the gate's verdict."""
    a, b = _hits(ours, fdr), _hits(theirs, fdr)
    counts = {"hits_a": a.sum(0), "hits_b": b.sum(0), "hits_both": (a & b).sum(0)}
    judged = [dataset["supported"].values.astype(bool) for dataset in (ours, theirs) if "supported" in dataset]
    supported = list(np.all(judged, axis=0)) if judged else [pd.NA] * ours.sizes["feature"]
    return {name: [*values, values.sum()] for name, values in counts.items()} | {"supported": [*supported, pd.NA]}


def _block_sums(ours, theirs, variable, fdr):
    """Sums over each block's genes [blocks, F, 12], of which every measure is made, and the number of blocks.

    Without metagenes all genes are one block, and the number is 0.
    """
    x, y = (dataset[variable].transpose("gene", "feature").values.astype(float) for dataset in (ours, theirs))
    known = np.isfinite(x) & np.isfinite(y)
    x, y = (_centred_ranks(values, known) for values in (x, y))
    a, b = _hits(ours, fdr), _hits(theirs, fdr)
    signs = [np.sign(dataset["association"].transpose("gene", "feature").values) for dataset in (ours, theirs)]
    parts = [known, x, y, x * x, y * y, x * y, a & b, a | b, (a | b) & (signs[0] == signs[1]), np.ones_like(a), a, b]
    values = np.stack([np.asarray(part, float) for part in parts], axis=-1)
    if "metagene_loading" not in ours:
        return values.sum(axis=0, keepdims=True), 0
    labels = _blocks(ours["metagene_loading"].transpose("gene", "metagene").values)
    sums = np.zeros((labels.max() + 1, *values.shape[1:]))
    np.add.at(sums, labels, values)
    return sums, len(sums)


def _blocks(loading):
    """Block number [G] of each gene: its metagene; a gene of none is a block of its own."""
    labels = np.abs(loading).argmax(axis=1)
    alone = ~(np.abs(loading) > 0).any(axis=1)
    labels[alone] = loading.shape[1] + np.arange(alone.sum())
    return np.unique(labels, return_inverse=True)[1]


def _centred_ranks(values, known):
    """Ranks over the genes [G, F] about their mean, zero where one of the two maps does not know the value."""
    ranks = stats.rankdata(np.where(known, values, np.nan), axis=0, nan_policy="omit")
    return np.where(known, ranks - (known.sum(axis=0) + 1) / 2, 0.0)


def _block_weights(blocks, bootstraps, seed):
    """How often each block counts [1 + bootstraps, blocks]: once, then as often as it is drawn."""
    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), bootstraps)
    return np.concatenate([np.ones((1, blocks)), drawn])


def _measure(sums):
    """Measures [W, F + 1] from weighted sums [W, F, 12]; the last column is over all features."""
    count, x, y, xx, yy, xy, both, either, same, genes, a, b = np.moveaxis(sums, -1, 0)
    covariance = xy - _ratio(x * y, count)
    correlation = _ratio(covariance, np.sqrt(np.maximum((xx - _ratio(x * x, count)) * (yy - _ratio(y * y, count)), 0)))
    expected = _ratio(a * b, genes)
    both, either, same, expected, found = (_with_total(part) for part in (both, either, same, expected, a + b))
    defined = np.isfinite(correlation)
    mean = _ratio(np.where(defined, correlation, 0.0).sum(axis=1), defined.sum(axis=1))
    return {
        "rank_correlation": np.column_stack([correlation, mean]),
        "jaccard": _ratio(both, either),
        "jaccard_expected": _ratio(expected, found - expected),
        "sign_concordance": _ratio(same, either),
    }


def _with_total(values):
    return np.column_stack([values, values.sum(axis=1)])


def _ratio(part, whole):
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


def _percentiles(values):
    """95 % percentiles (low, high) [F + 1] of bootstrapped values [W, F + 1]; NaN where none is defined."""
    defined = np.isfinite(values).any(axis=0)
    return np.nanquantile(np.where(defined, values, 0.0), (0.025, 0.975), axis=0) + np.where(defined, 0.0, np.nan)


def _unit_sentence(blocks):
    if not blocks:
        return "none: the first map has no metagenes, and genes one by one are not independent"
    return (
        f"95 %, block bootstrap over {blocks} groups of genes (metagenes of the first map); maps hold no value per "
        "patient and gene, so the sampling of patients is not covered"
    )
