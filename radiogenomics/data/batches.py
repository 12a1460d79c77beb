"""Batches of an expression table: breaks in the order of its samples, and what its leading components follow."""

import dataclasses

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

SMALLEST = 8  # samples on either side of a break
COMPONENTS = 5
CLEAR_AUC = 0.9
SIGNIFICANCE = 0.05  # after Holm
ORDERS_PER_TEST = 100  # so that Holm's correction cannot take every p-value above the level
ORDERS_AT_ONCE = 200  # bounds the memory
LEVEL_SMALLEST = 3  # samples of a category; rarer ones count as unknown
UNKNOWN = ("", "nan", "none", "unknown")
BATCHES = "the two batches"


@dataclasses.dataclass(frozen=True)
class BatchReport:
    """What the order of the samples and the covariates show in an expression table."""

    labels: pd.Series  # sample -> "1" or "2"; "1" for all without a clear break
    p: float  # of the break
    findings: tuple  # plain sentences; their p-values are Holm-adjusted, except for the break's
    components: pd.DataFrame  # [samples, component_1 .. component_5], scores; zeros where there are fewer
    explained: tuple  # share of the variance of each component


@dataclasses.dataclass(frozen=True)
class _Link:
    words: str  # up to the p-value
    p: float


def find_batches(values, covariates, permutations, seed):
    """Splits samples into two sequencing batches by their order, and names what the leading components follow.

    Per gene, log2(x + 1) (not detected = the gene's mean) and the indicator of not being detected are standardised. The
    break is the place in the order with the largest between-group sum of squares over all of them. It counts where
    none of `permutations` random orders has as large a one and one of their first five principal components tells the
    two sides apart with AUC >= 0.9.

    The components reported are those of the log2 values alone. Every one is tested against the order (its own largest
    break, AUC) and every covariate (eta squared of a categorical, |Spearman| of a numeric one; samples without a value
    and categories of fewer than 3 left out), and the batches, where there are two, against every covariate. Permutation
    p-values, from more random orders where Holm's correction needs them; it acts on all tests of the components
    together, and on those of the batches. An adjusted p below 0.05 makes a finding.

    Args:
      values: DataFrame [samples, genes] in the table's order, NaN = not detected.
      covariates: DataFrame indexed by sample; may lack samples or be empty.
      permutations: number of random orders.
      seed: integer.

    Returns:
      BatchReport; with fewer than 16 samples one batch, p = 1 and no findings.
    """
    logged, missing = _features(values.to_numpy(np.float64))
    products = logged @ logged.T
    components, explained = _principal_components(products)
    frame = pd.DataFrame(
        components, index=values.index, columns=[f"component_{number}" for number in range(1, COMPONENTS + 1)]
    )
    if len(values) < 2 * SMALLEST:
        labels = pd.Series("1", index=values.index, name="sequencing_batch")
        return BatchReport(labels, 1.0, (), frame, explained)
    place, p, clear = _split_by_order(products + missing @ missing.T, permutations, seed)
    second = (np.arange(len(values)) >= place) & clear
    labels = pd.Series(np.where(second, "2", "1"), index=values.index, name="sequencing_batch")
    findings = [_tell_break(values.index, place, p, components)] if clear else []
    for axes in _families(components, second):
        findings += _significant(_links(axes, covariates.reindex(values.index), permutations, seed))
    return BatchReport(labels, p, tuple(findings), frame, explained)


def _features(values):
    """Standardised log2(x + 1) (not detected = the gene's mean) and indicators of not detected, each [samples, n]."""
    missing = np.isnan(values)
    logged = np.log2(1 + np.where(missing, 0.0, values))
    present = np.maximum((~missing).sum(axis=0), 1)
    logged = np.where(missing, (logged * ~missing).sum(axis=0) / present, logged)
    return _standardise(logged), _standardise(missing.astype(float))


def _standardise(columns):
    columns = columns - columns.mean(axis=0)
    sd = columns.std(axis=0)
    return columns[:, sd > 1e-9] / sd[sd > 1e-9]


def _principal_components(products):
    """Scores [samples, 5] and shares of the variance from inner products; the largest score of each is positive."""
    variances, directions = np.linalg.eigh(products)
    variances, directions = variances[::-1][:COMPONENTS], directions[:, ::-1][:, :COMPONENTS]
    total = max(float(np.trace(products)), 1e-12)
    carried = variances > 1e-9 * total
    scores = np.where(carried, directions * np.sqrt(np.where(carried, variances, 0.0)), 0.0)
    # The sign of an eigenvector is arbitrary; fixing it keeps reports comparable across machines.
    scores = scores * np.where(scores.max(axis=0) >= -scores.min(axis=0), 1.0, -1.0)
    lacking = COMPONENTS - scores.shape[1]
    shares = np.pad(np.where(carried, variances / total, 0.0), (0, lacking))
    return np.pad(scores, ((0, 0), (0, lacking))), tuple(float(share) for share in shares)


def _split_by_order(products, permutations, seed):
    """(place of the largest break, its p-value, whether it is clear)."""
    place, size = _largest_break(products)
    generator = np.random.default_rng(seed)
    orders = (generator.permutation(len(products)) for _ in range(permutations))
    beaten = sum(_largest_break(products[np.ix_(order, order)])[1] >= size for order in orders)
    second = np.arange(len(products)) >= place
    best = max(_auc(second, scores) for scores in _principal_components(products)[0].T)
    return place, (1 + beaten) / (1 + permutations), beaten == 0 and best >= CLEAR_AUC


def _largest_break(products):
    """Place and size of the largest between-group sum of squares of consecutive groups, from inner products."""
    count = len(products)
    first = np.arange(1, count)
    sums = np.cumsum(np.cumsum(products, axis=0), axis=1).diagonal()[:-1]
    between = sums * count / (first * (count - first))
    between[: SMALLEST - 1] = between[count - SMALLEST :] = 0.0
    return int(between.argmax()) + 1, float(between.max())


def _auc(second, scores):
    """How well scores separate two groups, whichever is higher."""
    area = roc_auc_score(second, scores)
    return float(max(area, 1 - area))


def _tell_break(samples, place, p, components):
    areas = np.array([_auc(np.arange(len(samples)) >= place, scores) for scores in components.T])
    return (
        f"the samples fall into two batches by their order: {samples[0]} to {samples[place - 1]} ({place}) and "
        f"{samples[place]} to {samples[-1]} ({len(samples) - place}), p {p:.2g}; component {areas.argmax() + 1} tells "
        f"them apart best (AUC {areas.max():.2f})"
    )


def _families(components, second):
    """What is tested, {name: scores [samples]}: the batches where there are two, then the leading components.

    Two families for Holm's correction, because whether the batches are confounded is a question of its own.
    """
    if second.any():
        yield {BATCHES: second.astype(float)}
    yield {f"component {number}": scores for number, scores in enumerate(components.T, 1) if np.ptp(scores) > 0}


def _links(axes, covariates, permutations, seed):
    """Every axis against the order (not the batches, which are made from it) and every usable covariate."""
    ordered = {name: scores for name, scores in axes.items() if name != BATCHES}
    known = {name: usable for name in covariates for usable in [_known(covariates[name])] if usable.nunique() > 1}
    orders = max(permutations, ORDERS_PER_TEST * (len(ordered) + len(axes) * len(known)))
    generator = np.random.default_rng([seed, 1])
    links = _order_links(ordered, covariates.index, orders, generator) if ordered else []
    for name, values in known.items() if axes else ():
        links += _covariate_links(axes, name, values, covariates.index, orders, generator)
    return links


def _known(values):
    """The samples that have a value, of a covariate that enough samples have; empty otherwise."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        values = values[values.notna()].astype(str).str.strip()
        values = values[~values.str.casefold().isin(UNKNOWN)]
        values = values[values.map(values.value_counts()) >= LEVEL_SMALLEST]
    values = values[np.isfinite(values)] if pd.api.types.is_numeric_dtype(values) else values
    return values if len(values) >= 2 * SMALLEST else values.iloc[:0]


def _order_links(axes, samples, orders, generator):
    columns = _unit(np.stack(list(axes.values()), axis=1))
    places = _breaks(columns).argmax(axis=0) + SMALLEST
    p = _permutation_p(lambda columns: _breaks(columns).max(axis=0), columns, orders, generator)
    links = []
    for axis, place, own in zip(axes, places, p, strict=True):
        auc = _auc(np.arange(len(samples)) >= place, axes[axis])
        words = f"{axis} follows the sample order: it breaks after {samples[place - 1]} (AUC {auc:.2f}"
        links.append(_Link(words, own))
    return links


def _covariate_links(axes, name, values, samples, orders, generator):
    rows = samples.get_indexer(values.index)
    columns = np.stack(list(axes.values()), axis=1)[rows]
    axes = [axis for axis, varies in zip(axes, np.ptp(columns, axis=0) > 0, strict=True) if varies]
    columns = columns[:, np.ptp(columns, axis=0) > 0]
    if not axes:
        return []
    if pd.api.types.is_numeric_dtype(values):
        columns, own = _unit(rankdata(columns, axis=0)), _unit(rankdata(values.to_numpy(float))[:, None])[:, 0]
        measure, statistic, words = lambda columns: np.abs(own @ columns), "|Spearman|", ("follows", "differ in")
    else:
        columns, members = _unit(columns), pd.get_dummies(values).to_numpy(float)
        measure = lambda columns: ((members.T @ columns) ** 2 / members.sum(axis=0)[:, None]).sum(axis=0)  # noqa: E731
        statistic, words = "eta2", ("differs by", "differ by")
    p = _permutation_p(measure, columns, orders, generator)
    verbs = [words[axis == BATCHES] for axis in axes]
    return [
        _Link(f"{axis} {verb} {name} ({statistic} {size:.2f}", own_p)
        for axis, verb, size, own_p in zip(axes, verbs, measure(columns), p, strict=True)
    ]


def _unit(columns):
    """Columns centred and of length 1, so that a sum of squares is a share of the variance."""
    columns = columns - columns.mean(axis=0)
    return columns / np.linalg.norm(columns, axis=0)


def _breaks(columns):
    """Share of the variance between the two sides of every admissible break [breaks, columns] of unit columns."""
    count = len(columns)
    first = np.arange(SMALLEST, count - SMALLEST + 1)[:, None]
    sums = np.cumsum(columns, axis=0)[SMALLEST - 1 : count - SMALLEST]
    return sums**2 * count / (first * (count - first))


def _permutation_p(measure, columns, orders, generator):
    """Share of random orders of the rows whose `measure` (columns [n, K] -> [K]) is as large, per column."""
    count, width = columns.shape
    observed, beaten = measure(columns) - 1e-12, np.zeros(width, int)
    for begin in range(0, orders, ORDERS_AT_ONCE):
        size = min(ORDERS_AT_ONCE, orders - begin)
        order = generator.permuted(np.tile(np.arange(count), (size, 1)), axis=1)
        permuted = columns[order].transpose(1, 0, 2).reshape(count, size * width)
        beaten += (measure(permuted).reshape(size, width) >= observed).sum(axis=0)
    return (1 + beaten) / (1 + orders)


def _significant(links):
    """The sentences of the links that stay below the level after Holm's correction over all of them, in their order."""
    p = np.array([link.p for link in links])
    rank = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[rank] = np.minimum(np.maximum.accumulate(p[rank] * np.arange(len(p), 0, -1)), 1.0)
    return [
        f"{link.words}, p {own:.2g})" for link, own in zip(links, adjusted, strict=True) if own < SIGNIFICANCE
    ]
