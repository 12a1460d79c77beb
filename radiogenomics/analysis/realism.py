"""Realism of synthesised nodules against real ones of the same held-out patients, without downloaded networks.

Every measure compares within a fold, averages over folds, and stands beside its floor: held-out patients against as
many of the fold's training patients, both real. With few patients no distance is zero, and no coverage is one.
"""

from typing import NamedTuple

import numpy as np

from radiogenomics.analysis import distances, intervals
from radiogenomics.analysis.features import mean_of_known

FEWEST = 4  # patients of a fold that a distance needs
FLOOR_DRAWS = 20
BOUNDS = {"kid": (-np.inf, np.inf), "density": (0.0, np.inf), "coverage": (0.0, 1.0), "value": (0.0, np.inf)}


class Vectors(NamedTuple):
    """What is compared: N patches, or voxels, and the row of the patient of each."""

    values: np.ndarray  # [N, F] or [N]
    owner: np.ndarray  # [N]


def score_vectors(real, synthetic, folds, weights, seed):
    """KID, density and coverage of vectors with intervals and floors; {candidate: {"kid", "kid_low", ..., "floor"}}.

    Args:
      real: a fold's `Vectors` of all patients, one for each fold.
      synthetic: {candidate: the same of the synthesised nodules}.
      folds: list with the rows `held_out` and `training`.
      weights: [W, patients], see `intervals.patient_weights`.
      seed: integer, of the patients that the floors draw.
    """
    kernel = compare(("kid",), distances.kernel_distance, real, synthetic, folds, weights, seed)
    manifold = compare(("density", "coverage"), distances.density_coverage, real, synthetic, folds, weights, seed)
    return {
        candidate: {
            key: value
            for name, score in (kernel[candidate] | manifold[candidate]).items()
            for key, value in (
                (name, score["value"]),
                (f"{name}_low", score["low"]),
                (f"{name}_high", score["high"]),
                ("floor" if name == "kid" else f"{name}_floor", score["floor"]),
            )
        }
        for candidate in synthetic
    }


def score_distance(measure, real, synthetic, folds, weights, seed):
    """One distance, arguments as in `score_vectors`: {candidate: {"value", "low", "high", "floor"}}."""
    scores = compare(("value",), measure, real, synthetic, folds, weights, seed)
    return {candidate: score["value"] for candidate, score in scores.items()}


def compare(names, measure, real, synthetic, folds, weights, seed):
    """{candidate: {name: {"value", "low", "high", "floor"}}} of a measure of `distances` that returns all `names`.

    NaN where no fold has FEWEST patients with a nodule on both sides, as with a generator that makes none.
    """
    floors = _floors(measure, real, folds, seed)
    scores = {}
    for candidate, vectors in synthetic.items():
        values = [_compare_fold(measure, *part, weights) for part in zip(real, vectors, folds, strict=True)]
        means = _mean([np.atleast_2d(value) for value in values if value is not None], (len(names), len(weights)))
        floor = _mean(floors, (len(names),))
        scores[candidate] = {
            name: dict(zip(("value", "low", "high"), intervals.summarise(mean, BOUNDS[name]), strict=True))
            | {"floor": float(least)}
            for name, mean, least in zip(names, means, floor, strict=True)
        }
    return scores


def _compare_fold(measure, real, synthetic, fold, weights):
    """The measure on the held-out patients with nodules on both sides; None where they are too few."""
    patients = np.intersect1d(np.intersect1d(fold.held_out, real.owner), synthetic.owner)
    if len(patients) < FEWEST:
        return None
    return measure(*_of(real, patients), *_of(synthetic, patients), intervals.renormalise(weights, patients))


def _floors(measure, real, folds, seed):
    """The measure [names] of held-out against training patients, random ones, for draws of every fold."""
    generator, values = np.random.default_rng(seed), []
    for vectors, fold in zip(real, folds, strict=True):
        sides = [np.intersect1d(rows, vectors.owner) for rows in (fold.held_out, fold.training)]
        size = min(len(side) for side in sides)
        if size < FEWEST:
            continue
        equal = np.full((1, size), 1 / size)
        for _ in range(FLOOR_DRAWS):
            held_out, training = (np.sort(generator.permutation(side)[:size]) for side in sides)
            values.append(np.atleast_2d(measure(*_of(vectors, held_out), *_of(vectors, training), equal))[:, 0])
    return values


def _of(vectors, patients):
    """Values of the sorted patients, and whose they are as positions among them."""
    rows = np.isin(vectors.owner, patients)
    return vectors.values[rows], np.searchsorted(patients, vectors.owner[rows])


def _mean(values, shape):
    return np.mean(values, axis=0) if values else np.full(shape, np.nan)


def standardise(real, synthetic, training):
    """`Vectors` of real and synthesised patches in SDs of the real ones of the rows `training`, complete patches only.

    Returns (real, {candidate: synthetic}). A feature without variation among training patients is left as it is.
    """
    real, synthetic = _complete(real), {candidate: _complete(vectors) for candidate, vectors in synthetic.items()}
    known = real.values[np.isin(real.owner, training)]
    if not len(known):
        return real, synthetic
    center, sd = known.mean(axis=0), known.std(axis=0)
    sd = np.where(sd > 1e-9 * np.maximum(np.abs(center), 1e-12), sd, 1.0)
    scaled = {
        candidate: Vectors((vectors.values - center) / sd, vectors.owner) for candidate, vectors in synthetic.items()
    }
    return Vectors((real.values - center) / sd, real.owner), scaled


def _complete(vectors):
    known = np.isfinite(vectors.values).all(axis=1)
    return Vectors(vectors.values[known], vectors.owner[known])


def spread_between(names, real, synthetic):
    """{feature: {"real", "synthetic"}}: SD over patients of the patients' means, NaN with fewer than two patients."""
    return {
        name: {"real": one, "synthetic": other}
        for name, one, other in zip(names, _spread(real), _spread(synthetic), strict=True)
    }


def _spread(vectors):
    means = np.array([mean_of_known(vectors.values[vectors.owner == patient]) for patient in np.unique(vectors.owner)])
    known = [column[np.isfinite(column)] for column in means.T]
    return [float(column.std()) if len(column) > 1 else np.nan for column in known]
