"""What moves a synthesised feature: the patient's genes, the background or the noise; and what noise alone does."""

import numpy as np

from radiogenomics.analysis.features import mean_of_known

SOURCES = ("genes", "background", "noise", "rest")


def cross_draws(samples, patients, backgrounds, noises):
    """Features [patients, B, N, F] of `PatientSample`s whose D draws are B backgrounds by N noises, background-major.

    NaN where undefined, and for a patient without a sample.
    """
    values = np.full((patients, backgrounds, noises, samples[0].features.shape[1]), np.nan)
    for sample in samples:
        values[sample.row] = sample.features.reshape(backgrounds, noises, -1)
    return values


def share_variance(draws, folds):
    """Shares of a synthesised feature's variance that genes, background and noise each carry alone, and the rest.

    Random-effects analysis of variance of the crossed design patients x backgrounds x noises, within folds (Searle,
    Casella & McCulloch, Variance Components, 1992): mean squares are equated to their expectations, which gives
    components without bias from having few levels; plain sums of squares would credit a factor with interactions.
    Components are averaged over folds, then cut at zero, because an estimate can fall below it. "rest" is all
    interactions. A patient of whom one draw has no value (an empty mask) is left out for that feature.

    Args:
      draws: [patients, B, N, F], NaN where undefined.
      folds: list of row arrays.

    Returns:
      {"genes", "background", "noise", "rest"}: arrays [F] that sum to 1. NaN where the feature is constant or no fold
      has two complete patients, and for a factor that has only one level.
    """
    shares = np.full((len(SOURCES), draws.shape[-1]), np.nan)
    for feature in range(draws.shape[-1]):
        tables = [draws[rows, ..., feature] for rows in folds]
        tables = [table[np.isfinite(table).all(axis=(1, 2))] for table in tables]
        tables = [table for table in tables if len(table) > 1]
        if not tables or max(np.ptp(table) for table in tables) <= 1e-9 * max(np.abs(table).max() for table in tables):
            continue
        components = np.maximum(np.mean([variance_components(table) for table in tables], axis=0), 0.0)
        shares[:, feature] = components / np.nansum(components)
    return dict(zip(SOURCES, shares, strict=True))


def variance_components(table):
    """Variance components (genes, background, noise, rest) of one crossed table [patients, B, N] without NaN.

    "rest" is the sum of the interactions'. Unbiased under random effects, and so sometimes negative. NaN for a factor
    with a single level.
    """
    levels = np.array(table.shape)
    varied = [axis for axis in range(3) if levels[axis] > 1]
    squares = {subset: _mean_square(table, subset, levels) for subset in _subsets(varied)}
    components = {}
    for subset in sorted(squares, key=len, reverse=True):
        # E[MS of a subset] = sum over the subsets that contain it of (observations a cell) x component.
        wider = sum(_cell_size(other, levels) * components[other] for other in components if set(subset) < set(other))
        components[subset] = (squares[subset] - wider) / _cell_size(subset, levels)
    alone = [components.get((axis,), np.nan) for axis in range(3)]
    together = [value for subset, value in components.items() if len(subset) > 1]
    return np.array([*alone, sum(together)])


def _subsets(axes):
    """Every non-empty subset of the axes, as sorted tuples."""
    return [tuple(axis for bit, axis in enumerate(axes) if code >> bit & 1) for code in range(1, 2 ** len(axes))]


def _cell_size(subset, levels):
    """Observations behind one cell of the table of means over a subset of the axes."""
    return np.prod([levels[axis] for axis in range(3) if axis not in subset])


def _mean_square(table, subset, levels):
    """Mean square of the effect that belongs to a subset of the axes."""
    effect = table.mean(axis=tuple(axis for axis in range(3) if axis not in subset), keepdims=True)
    for axis in subset:
        effect = effect - effect.mean(axis=axis, keepdims=True)
    freedom = np.prod([levels[axis] - 1 for axis in subset])
    return np.square(effect).sum() * _cell_size(subset, levels) / freedom


def measure_diversity(draws, patches, owners):
    """How much a synthesised feature varies by chance, beside how much it varies over the slices of a real nodule.

    Args:
      draws: [patients, B, N, F] synthesised features, NaN where undefined.
      patches: [M, F] features of real patches, NaN where undefined.
      owners: [M] patient row of each.

    Returns:
      {"noise", "background", "real", "ratio"}: arrays [F]. Means over patients of the SD over noises with the
      background fixed, over backgrounds with the noise fixed (variances pooled over what is fixed), and of the real
      feature over the patient's slices; ratio = noise / real. NaN where nothing can vary or is known.
    """
    spreads = {
        "noise": mean_of_known(_variance(draws.transpose(2, 1, 0, 3))),
        "background": mean_of_known(_variance(draws.transpose(1, 2, 0, 3))),
        "real": np.stack([_variance(patches[owners == owner]) for owner in np.unique(owners)]),
    }
    spreads = {name: mean_of_known(np.sqrt(variances)) for name, variances in spreads.items()}
    real = spreads["real"]
    return spreads | {"ratio": np.where(real > 0, spreads["noise"] / np.where(real > 0, real, 1.0), np.nan)}


def _variance(values):
    """Unbiased variance over the first axis of the known values, NaN where fewer than two are known."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    centred = np.where(known, values - mean_of_known(values), 0.0)
    return np.where(count > 1, np.square(centred).sum(axis=0) / np.maximum(count - 1, 1), np.nan)
