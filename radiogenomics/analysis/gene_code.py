"""The gene code of every patient, by the fold that never saw the patient, and whether near codes have like images.

Codes of different folds come from different networks and are never compared.
"""

import numpy as np
import pandas as pd

from radiogenomics import outputs
from radiogenomics.analysis import statistics

FILE = "gene_code.csv"
NEIGHBOURS = 5
AT_ONCE = 500  # permutations


def score_gene_code(run, names, real, permutations, seed):
    """Writes gene_code.csv into the run folder and returns "gene_code" of evaluation.json.

    Args:
      run: a `Run`.
      names: [F] features.
      real: [patients, F] real features, NaN where unknown.
      permutations: within-fold permutations of the test.
      seed: integer.
    """
    codes = encode_held_out(run)
    write_codes(run, codes)
    found = neighbour_agreement(codes, real, [fold.held_out for fold in run.folds], NEIGHBOURS, permutations, seed)
    return found | {"features": list(names), "file": FILE}


def encode_held_out(run):
    """Gene codes E(u) [patients, code_size]."""
    codes = np.full((len(run.cohort.patients), run.config.model.code_size), np.nan, np.float32)
    for fold in run.folds:
        codes[fold.held_out] = run.generator.apply(fold.variables, fold.components[fold.held_out], method="encode")
    return codes


def write_codes(run, codes):
    """Writes gene_code.csv: patient, fold (its number), code_000 and so on; one row a patient."""
    number = np.zeros(len(codes), int)
    for fold, rows in enumerate(run.folds):
        number[rows.held_out] = fold
    table = pd.DataFrame(codes, columns=[f"code_{column:03d}" for column in range(codes.shape[1])])
    table.insert(0, "patient", run.cohort.patients)
    table.insert(1, "fold", number)
    with outputs.new_file(run.workdir / FILE) as aside:
        table.to_csv(aside, index=False)


def neighbour_agreement(codes, real, folds, neighbours, permutations, seed):
    """Tests whether patients whose gene codes are near each other look alike.

    Statistic: correlation over a fold's patients between a real feature and its mean over the patient's nearest
    patients of the fold (Euclidean distance of the codes), averaged over folds and features. Null: within a fold the
    patients' features are exchangeable given the codes; all features of a patient move together. Unit: the patient.

    Args:
      codes: [patients, C].
      real: [patients, F], NaN where unknown.
      folds: list of row arrays.
      neighbours: how many nearest patients, fewer where a fold has not as many others.
      permutations: number of within-fold permutations.
      seed: integer.

    Returns:
      {"neighbours", "agreement", "chance" (mean of the null; below zero, because a patient is not their own
      neighbour), "p" (one-sided)}.
    """
    generator = np.random.default_rng(seed)
    neighbours = min(neighbours, min(len(rows) for rows in folds) - 1)
    observed, null = 0.0, np.zeros(permutations)
    for rows in folds:
        values = statistics.standardise_within(real[rows], [np.arange(len(rows))])
        weights = _neighbour_weights(codes[rows], neighbours)
        orders = np.stack([np.arange(len(rows)), *(generator.permutation(len(rows)) for _ in range(permutations))])
        agreement = np.concatenate([
            _agreement(weights, values[orders[begin : begin + AT_ONCE]]) for begin in range(0, len(orders), AT_ONCE)
        ])
        observed += agreement[0] / len(folds)
        null += agreement[1:] / len(folds)
    p = (1 + int((null >= observed - 1e-6).sum())) / (1 + permutations)
    return {"neighbours": neighbours, "agreement": float(observed), "chance": float(null.mean()), "p": p}


def _neighbour_weights(codes, neighbours):
    """Matrix [n, n] that takes the patients' values to the means over each one's nearest others."""
    distance = np.linalg.norm(codes[:, None] - codes[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :neighbours]
    weights = np.zeros(distance.shape)
    np.put_along_axis(weights, nearest, 1.0 / max(neighbours, 1), axis=1)
    return weights


def _agreement(weights, values):
    """Mean over features of the correlation [B] of values [B, n, F], standardised, with their neighbours' means."""
    near = weights @ values
    near = near - near.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.square(near).sum(axis=1))
    product = (near * values).sum(axis=1)
    return np.where(norm > 1e-9, product / np.where(norm > 1e-9, norm, 1.0), 0.0).mean(axis=-1)
