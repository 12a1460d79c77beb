"""Values with 95 % patient-bootstrap intervals, for statistics that take weights of the patients."""

import numpy as np

from radiogenomics.analysis import statistics


def patient_weights(folds, bootstraps, seed):
    """Weights [1 + bootstraps, patients], rows summing to 1: equal ones, then bootstrap samples within folds."""
    patients = sum(len(rows) for rows in folds)
    return np.concatenate(
        [np.full((1, patients), 1 / patients), statistics.bootstrap_weights(folds, bootstraps, seed)]
    ).astype(np.float64)


def renormalise(weights, rows):
    """Weights [W, n] of the patients in `rows`, summing to 1; equal ones where a bootstrap sample has none of them."""
    chosen = weights[:, rows]
    total = chosen.sum(axis=1, keepdims=True)
    return np.where(total > 0, chosen / np.where(total > 0, total, 1.0), 1 / max(len(rows), 1))


def mean_of_known(values, weights):
    """Weighted mean [W] of the patients' values [n] that are known, NaN where none is."""
    known = np.flatnonzero(np.isfinite(values))
    return renormalise(weights, known) @ values[known] if len(known) else np.full(len(weights), np.nan)


def summarise(values, bounds=(-np.inf, np.inf)):
    """(value, low, high) of a statistic [W] under `patient_weights`, all NaN where the value is.

    The bootstrap's spread is laid around the value: distances are biased upward, and resampling adds that bias again.
    """
    value, samples = values[0], values[1:]
    if not np.isfinite(value) or not len(samples):
        return float(value), np.nan, np.nan
    spread = np.quantile(samples, (0.025, 0.975)) - samples.mean()
    low, high = np.clip(value + spread, *bounds)
    return float(value), float(low), float(high)
