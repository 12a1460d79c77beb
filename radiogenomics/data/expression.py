"""Expression tables: read as published, checked, and measured per gene and sample.

A missing value means "not detected". Nothing is altered here; the gene transform of a fold logs and clips.
"""

import csv
import dataclasses
import gzip
import io
import pathlib
import re
import zlib

import numpy as np
import pandas as pd

from radiogenomics.errors import InputError

MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec"
MANGLED = re.compile(
    rf"^(\d{{1,2}}-({MONTHS})|({MONTHS})-\d{{1,4}}|\d{{1,4}}[-/]\d{{1,2}}[-/]\d{{1,4}})$", re.IGNORECASE
)
ABSURD_SD = 6.0  # robust SDs of log2(x + 1) above the gene's median ...
ABSURD_FOLD = 1000.0  # ... and this many times the median
ABSURD_TOTAL = 1e6  # TPM of all genes together
ABSURD_LEAST = 8  # samples that detect a gene; fewer tell neither its centre nor its spread
COUNTS_TOTAL = 2e6  # of a typical sample; FPKM and TPM stay below 1e6
SMALLEST_SD = 0.3  # log2 units; a gene with hardly any spread would flag everything
LARGEST_BYTES = 512 * 2**20  # of a table once decompressed: 20 times the published one of 22,126 genes x 130
LARGEST_WIDTH = 300_000  # columns; more than there are transcripts
CHUNK_BYTES = 2**20
LARGEST_RANGE = 100.0  # of a gene's z-scores or logged values
GZIP_MAGIC = b"\x1f\x8b"
QUANTILES = np.linspace(0.01, 0.99, 99)
OUTLIER_SD = 5.0  # robust SDs from the cohort's median ...
# ... and at least this far: share of genes, log2 units.
OUTLIER_LEAST = {"detected_share": 0.05, "median_log2": 0.5, "iqr_log2": 0.5, "quantile_distance": 0.25}
OUTLIER_SAMPLES = 8  # fewer have no robust SD worth the name


@dataclasses.dataclass(frozen=True)
class ExpressionTable:
    """Expression of all samples of a table."""

    values: pd.DataFrame  # samples x genes, in the table's order, NaN = not detected
    warnings: tuple


def read_expression(path, patients, standardised=False):
    """Reads a gene x sample or sample x gene table (CSV or TSV, also .gz).

    Which axis holds the samples is told by the patient ids. Of repeated gene symbols the row detected in most samples
    is kept (the first of equals), of repeated samples the first; text columns and rows or columns without a name are
    left out; `warnings` tells.

    Args:
      path: the table, at most 512 MiB once decompressed and 300,000 columns; first row and first column are names;
        empty, NA or NaN is "not detected".
      patients: ids to look for.
      standardised: the table holds z-scores or logged values, which may be negative; they are read as they are.

    Returns:
      ExpressionTable.

    Raises:
      InputError: where the table is damaged, too large or its rows differ in length, no axis names a patient, or a
        value is negative, infinite or not a number.
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
    frame, nameless = _drop_nameless(frame)
    values, warnings = _to_numbers(frame, path, -np.inf if standardised else 0.0)
    values = values.T if hits[0] >= hits[1] else values
    values, told = _drop_repeats(values)
    values.columns = values.columns.str.replace(r"\s+", "_", regex=True)
    return ExpressionTable(values, (*nameless, *warnings, *told))


def read_bytes(path, largest_bytes):
    """The bytes of a file, decompressed where it is gzip by content; InputError above `largest_bytes` or if damaged."""
    path = pathlib.Path(path)
    content = io.BytesIO()
    try:
        with open(path, "rb") as file:
            compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            with gzip.GzipFile(fileobj=file) if compressed else file as stream:
                while content.tell() <= largest_bytes and (chunk := stream.read(CHUNK_BYTES)):
                    content.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path.name}: cannot be read ({' '.join(str(error).split())}).") from error
    if content.tell() > largest_bytes:
        raise InputError(f"{path.name}: holds more than {largest_bytes:,} bytes once decompressed, the most accepted.")
    return content.getvalue()


def _read_frame(path):
    content = read_bytes(path, LARGEST_BYTES)
    try:
        names, separator = _check_rows(content, path)
        # Names are not given as a header, because pandas would rename repeated ones.
        frame = pd.read_csv(
            io.BytesIO(content), sep=separator, header=None, skiprows=1, index_col=0, low_memory=False,
            encoding="utf-8-sig", dtype={0: str},  # the names: patient 001 is not 1
        )
        frame.columns = names[1:]
    except InputError:
        raise
    except (UnicodeDecodeError, ValueError, OverflowError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name}: not a CSV or TSV table of expression ({reason}).") from error
    frame.index = frame.index.fillna("").astype(str).str.strip()
    return frame


def _check_rows(content, path):
    """(names in the first row, separator); InputError unless all rows are as long, as a truncated table's are not."""
    with io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig") as lines:
        first = lines.readline()
        separator = max("\t,;", key=first.count)
        lines.seek(0)
        rows = csv.reader(lines, delimiter=separator)
        names = [name.strip() for name in next(rows, ())]
        if len(names) > LARGEST_WIDTH:
            raise InputError(f"{path.name}: {len(names):,} columns; expected at most {LARGEST_WIDTH:,}.")
        width = None
        for row in rows:
            # R writes no name above the first column.
            names = ["", *names] if width is None and len(names) == len(row) - 1 else names
            width = len(names)
            if row and len(row) != width:
                raise InputError(
                    f"{path.name}: not a CSV or TSV table of expression (line {rows.line_num} has {len(row)} fields; "
                    f"expected {width} as in the first row)."
                )
    if width is None or width < 2:
        raise InputError(
            f"{path.name}: not a CSV or TSV table of expression (expected two rows and two columns or more)."
        )
    return names, separator


def _drop_nameless(frame):
    named_rows, named_columns = frame.index != "", frame.columns != ""
    count = int((~named_rows).sum() + (~named_columns).sum())
    told = (f"{count} rows or columns without a name left out of the expression table",) if count else ()
    return frame.loc[named_rows, named_columns], told


def from_standardised(values):
    """Expression whose log2(x + 1) is a gene's z-score or logged value [patients, genes] above the gene's lowest one.

    The gene transform then works on the values as given: it takes the logarithm and scales every gene anyway. NaN (not
    detected) stays, and will count as the gene's lowest value. InputError where a gene spans more than 100.
    """
    widest = (values.max(axis=0) - values.min(axis=0)).max()
    if widest > LARGEST_RANGE:
        raise InputError(f"expression: a gene spans {widest:g}; expected z-scores or logged values, within 100.")
    return np.exp2(values - values.min(axis=0)) - 1


def _to_numbers(frame, path, least):
    """Float64 table without its text columns; InputError for a text among numbers or a number below `least`."""
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
    extremes = np.nanmin(values.to_numpy(), initial=0.0), np.nanmax(values.to_numpy(), initial=0.0)
    if extremes[0] < least or np.isinf(extremes).any():
        raise InputError(
            f"{path.name}: holds the value {extremes[0] or extremes[1]:g}; expected FPKM, TPM or counts >= 0, finite, "
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


def ceiling(values):
    """The value [genes] above which a gene's expression is an artefact of quantification; values [patients, genes].

    6 robust SDs (MAD, at least 0.3) of log2(x + 1) and 1000 times (x + 1) above the median, both of the patients who
    detect the gene (a value above 0), so that a gene that is off in most has the level of those in whom it is on; none
    for a gene that fewer than 8 patients detect. Whatever the gene, at most 1e6, the sum of all genes in TPM, unless
    the table holds counts: all values are whole numbers, or those of a typical sample sum to more than 2e6 (over the
    genes with a median up to 1e6, median x share of patients who detect the gene). Infinite where neither limit acts.
    """
    values = np.asarray(values, np.float64)
    logged = np.log2(1 + np.where(values > 0, values, np.nan))
    counts = np.isfinite(logged).sum(axis=0)
    some = counts > 0
    center, spread = np.zeros((2, values.shape[1]))
    center[some] = np.nanmedian(logged[:, some], axis=0)
    spread[some] = 1.4826 * np.nanmedian(np.abs(logged[:, some] - center[some]), axis=0)
    above = np.maximum(ABSURD_SD * np.maximum(spread, SMALLEST_SD), np.log2(ABSURD_FOLD))
    limit = np.where(counts < ABSURD_LEAST, np.inf, center + above)
    total = np.inf if _holds_counts(values, np.exp2(center) - 1) else ABSURD_TOTAL
    return np.exp2(np.minimum(limit, np.log2(1 + total))) - 1


def _holds_counts(values, medians):
    """Whether a table [patients, genes] holds read counts; `medians` [genes] of the detected values."""
    detected = values[values > 0]
    if len(detected) and (detected == np.floor(detected)).all():
        return True
    # Genes whose median is an artefact must not make FPKM look like counts; counts reach the sum without them.
    sound = medians <= ABSURD_TOTAL
    return float((medians * detection(values))[sound].sum()) > COUNTS_TOTAL


def absurd(values):
    """Which values [patients, genes] no tissue can have: those above the gene's `ceiling`."""
    return np.asarray(values, np.float64) > ceiling(values)


def sample_quality(values):
    """Quality of every sample of an expression table, and which samples stand out from the cohort.

    A value above 0 is detected; medians and quantiles are of the detected values, in log2(x + 1). A sample stands out
    where a measure lies 5 robust SDs (MAD) from the cohort's median, and further than `OUTLIER_LEAST`.

    Args:
      values: DataFrame [samples, genes], NaN = not detected.

    Returns:
      DataFrame indexed by sample: detected_share (of the genes), median_log2, iqr_log2, quantile_distance (root mean
      square, in log2 units, from the cohort's median quantile curve, 1 to 99 %), implausible_values (count, see
      `ceiling`), outlier (why, '' for most). NaN where a sample detects nothing.
    """
    array = values.to_numpy(np.float64)
    logged = np.log2(1 + np.where(array > 0, array, np.nan))
    curves = np.full((len(array), len(QUANTILES)), np.nan)
    some = (array > 0).any(axis=1)
    if some.any():
        curves[some] = np.nanquantile(logged[some], QUANTILES, axis=1).T
    middle = np.median(curves[some], axis=0) if some.any() else np.nan
    low, median, high = (curves[:, np.searchsorted(QUANTILES, share - 1e-9)] for share in (0.25, 0.5, 0.75))
    quality = pd.DataFrame(
        {
            "detected_share": (array > 0).sum(axis=1) / max(array.shape[1], 1),
            "median_log2": median,
            "iqr_log2": high - low,
            "quantile_distance": np.sqrt(((curves - middle) ** 2).mean(axis=1)),
            "implausible_values": absurd(array).sum(axis=1),
        },
        index=values.index.rename("sample"),
    )
    return quality.assign(outlier=_reasons(quality))


def _reasons(quality):
    """What makes each sample stand out, '' where nothing does."""
    reasons = [[] if share else ["detects no gene"] for share in quality["detected_share"]]
    if len(quality) >= OUTLIER_SAMPLES:
        for name, least in OUTLIER_LEAST.items():
            center = quality[name].median()
            distance = (quality[name] - center).abs()
            far = distance > max(OUTLIER_SD * 1.4826 * distance.median(), least)
            for row in np.flatnonzero(far):
                reasons[row].append(f"{name} {quality[name].iloc[row]:.2f} (cohort {center:.2f})")
    return ["; ".join(told) for told in reasons]


def mangled_symbols(genes):
    """Symbols that a spreadsheet turned into dates, such as '3-Mar' (MARCHF3)."""
    return [gene for gene in genes if MANGLED.match(gene)]
