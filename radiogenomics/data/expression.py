"""Expression tables: read as published, checked, filtered by detection, and searched for sequencing batches.

A missing value means "not detected". Nothing is altered here; the gene transform of a fold logs and clips.
"""

import csv
import dataclasses
import gzip
import itertools
import pathlib
import re

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from radiogenomics.errors import InputError

MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec"
MANGLED = re.compile(
    rf"^(\d{{1,2}}-({MONTHS})|({MONTHS})-\d{{1,4}}|\d{{1,4}}[-/]\d{{1,2}}[-/]\d{{1,4}})$", re.IGNORECASE
)
ABSURD_SD = 6.0  # robust SDs of log2(x + 1) above the gene's median ...
ABSURD_FOLD = 1000.0  # ... and this many times the median
ABSURD_TOTAL = 1e6  # TPM of all genes together
SMALLEST_SD = 0.3  # log2 units; a gene with hardly any spread would flag everything
BATCH_SMALLEST = 8  # samples
BATCH_COMPONENTS = 5
BATCH_AUC = 0.9


@dataclasses.dataclass(frozen=True)
class ExpressionTable:
    """Expression of all samples of a table."""

    values: pd.DataFrame  # samples x genes, in the table's order, NaN = not detected
    warnings: tuple


def read_expression(path, patients):
    """Reads a gene x sample or sample x gene table (CSV or TSV, also .gz).

    Which axis holds the samples is told by the patient ids. Of repeated gene symbols the row detected in most samples
    is kept (the first of equals), of repeated samples the first; text columns are left out; `warnings` tells.

    Args:
      path: the table; first row and first column are names; empty, NA or NaN is "not detected".
      patients: ids to look for.

    Returns:
      ExpressionTable.

    Raises:
      InputError: where no axis names a patient, or a value is negative or not a number.
    """
    path = pathlib.Path(path)
    frame = _read_frame(path)
    wanted = set(patients)
    hits = [len(wanted & set(axis)) for axis in (frame.columns, frame.index)]
    if not any(hits):
        raise InputError(
            f"{path.name}: neither its first row nor its first column names one of the {len(wanted)} patients with "
            f"images (such as '{min(wanted, default='')}')."
        )
    values, warnings = _to_numbers(frame, path)
    values = values.T if hits[0] >= hits[1] else values
    values, told = _drop_repeats(values)
    values.columns = values.columns.str.replace(r"\s+", "_", regex=True)
    return ExpressionTable(values, (*warnings, *told))


def _read_frame(path):
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8-sig") as lines:
            first, second = itertools.islice(lines, 2)
        separator = max("\t,;", key=first.count)
        names, values = (next(csv.reader([line.rstrip("\r\n")], delimiter=separator)) for line in (first, second))
        # R writes no name above the first column.
        names = ["", *names] if len(names) == len(values) - 1 else names
        # Names are not given as a header, because pandas would rename repeated ones.
        frame = pd.read_csv(path, sep=separator, header=None, skiprows=1, index_col=0, low_memory=False)
        frame.columns = [name.strip() for name in names[1:]]
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path.name}: not a CSV or TSV table of expression ({str(error).strip()}).") from error
    frame.index = frame.index.astype(str).str.strip()
    return frame


def _to_numbers(frame, path):
    """Float64 table without its text columns; InputError for a text among numbers or a negative number."""
    columns, text = {}, []
    for position, (name, column) in enumerate(frame.items()):
        numbers = pd.to_numeric(column, errors="coerce")
        wrong = column[numbers.isna() & column.notna()]
        if len(wrong) and not numbers.notna().any():
            text.append(name)
            continue
        if len(wrong):
            raise InputError(f"{path.name}: '{wrong.iloc[0]}' at {wrong.index[0]}, {name}; expected a number or NA.")
        columns[position] = numbers.to_numpy(np.float64)
    values = pd.DataFrame(columns, index=frame.index)
    values.columns = frame.columns[list(columns)]
    if np.nanmin(values.to_numpy(), initial=0.0) < 0:
        raise InputError(
            f"{path.name}: holds the value {np.nanmin(values.to_numpy()):g}; expected FPKM, TPM or counts >= 0, "
            "neither logged below 1 nor standardised."
        )
    return values, [f"text columns left out of the expression table: {', '.join(text[:5])}"] if text else []


def _drop_repeats(values):
    """Unique samples (the first) and unique genes (the one detected in most samples)."""
    warnings = []
    samples = sorted(set(values.index[values.index.duplicated()]))
    if samples:
        warnings.append(f"{len(samples)} samples repeated, first kept: {', '.join(samples[:5])}")
        values = values[~values.index.duplicated()]
    genes = sorted(set(values.columns[values.columns.duplicated()]))
    if genes:
        warnings.append(f"{len(genes)} gene symbols repeated, most detected row kept: {', '.join(genes[:5])}")
        order = np.argsort(-(values.to_numpy() > 0).sum(axis=0), kind="stable")
        kept = np.sort(order[~values.columns[order].duplicated()])
        values = values.iloc[:, kept]
    return values, warnings


def detection(values):
    """Share of patients [genes] in whom a gene is detected (a value above 0); values [patients, genes]."""
    return (np.asarray(values) > 0).mean(axis=0)


def absurd(values):
    """Which values [patients, genes] no tissue can have: artefacts of quantification.

    Above 6 robust SDs of the gene in log2(x + 1) and 1000 times its median, or above 1e6 (the sum of all genes in TPM).
    """
    values = np.asarray(values, np.float64)
    logged = np.log2(1 + np.clip(values, 0, None))
    detected = np.isfinite(logged).any(axis=0)
    center, spread = np.zeros((2, values.shape[1]))
    center[detected] = np.nanmedian(logged[:, detected], axis=0)
    spread[detected] = 1.4826 * np.nanmedian(np.abs(logged[:, detected] - center[detected]), axis=0)
    above = logged - center
    far = (above > ABSURD_SD * np.maximum(spread, SMALLEST_SD)) & (above > np.log2(ABSURD_FOLD))
    return far | (values > ABSURD_TOTAL)


def mangled_symbols(genes):
    """Symbols that a spreadsheet turned into dates, such as '3-Mar' (MARCHF3)."""
    return [gene for gene in genes if MANGLED.match(gene)]


def detect_batches(values, permutations, seed):
    """Splits samples into two sequencing batches, where their order in the table shows a clear break.

    Per gene, log2(x + 1) (not detected = the gene's mean) and the indicator of not being detected are standardised. The
    break is the place in the order with the largest between-group sum of squares over all of them. It counts where
    none of `permutations` random orders has as large a one and one of the first five principal components tells the
    two sides apart with AUC >= 0.9.

    Args:
      values: [samples, genes] in the table's order, NaN = not detected.
      permutations: number of random orders.
      seed: integer.

    Returns:
      (labels [samples], '1' and '2', or '1' for all, and the p-value of the break).
    """
    values = np.asarray(values, np.float64)
    count = len(values)
    if count < 2 * BATCH_SMALLEST:
        return np.full(count, "1"), 1.0
    features = _standardised(values)
    products = features @ features.T
    place, size = _largest_break(products)
    generator = np.random.default_rng(seed)
    orders = (generator.permutation(count) for _ in range(permutations))
    beaten = sum(_largest_break(products[np.ix_(order, order)])[1] >= size for order in orders)
    second = np.arange(count) >= place
    clear = beaten == 0 and _best_auc(products, second) >= BATCH_AUC
    return np.where(second & clear, "2", "1"), (1 + beaten) / (1 + permutations)


def _standardised(values):
    missing = np.isnan(values)
    logged = np.log2(1 + np.where(missing, 0.0, values))
    present = np.maximum((~missing).sum(axis=0), 1)
    logged = np.where(missing, (logged * ~missing).sum(axis=0) / present, logged)
    both = np.concatenate([logged, missing.astype(float)], axis=1)
    both -= both.mean(axis=0)
    sd = both.std(axis=0)
    return both[:, sd > 0] / sd[sd > 0]


def _largest_break(products):
    """Place and size of the largest between-group sum of squares of consecutive groups, from inner products."""
    count = len(products)
    first = np.arange(1, count)
    sums = np.cumsum(np.cumsum(products, axis=0), axis=1).diagonal()[:-1]
    between = sums * count / (first * (count - first))
    between[: BATCH_SMALLEST - 1] = between[count - BATCH_SMALLEST :] = 0.0
    return int(between.argmax()) + 1, float(between.max())


def _best_auc(products, second):
    """How well the best of the first principal components separates the two groups."""
    components = np.linalg.eigh(products)[1][:, -BATCH_COMPONENTS:]
    areas = [roc_auc_score(second, component) for component in components.T]
    return max(max(area, 1 - area) for area in areas)
