"""Effects of genes on image quantities, a block of genes at a time.

Gradients by component [patients, I, K] are small and kept. What they come to for every gene [patients, I, G] is 100 MB
for 130 patients and 5,172 genes and grows with both, so that it is formed for as many genes at once as a bound on the
memory allows, and summarised.
"""

import logging
from typing import NamedTuple

import numpy as np

from radiogenomics.analysis import association, statistics
from radiogenomics.analysis.jacobian import MEGABYTE

MEMORY_MB = 1024.0
COPIES = 6  # of a block [patients, I, genes] in single precision that are alive at once


class MappedFold(NamedTuple):
    """What the effects of M genes (or metagenes) are made from in one fold; rows number the cohort's patients."""

    gradient: np.ndarray  # [held out, I, K] of the image quantities by component
    components: np.ndarray  # [patients, K]
    genes: np.ndarray  # [patients, M] standardised
    training: np.ndarray  # rows
    held_out: np.ndarray  # rows, as many as `gradient` has

    def take(self, genes):
        """The fold with some of its genes, a slice."""
        return self._replace(genes=self.genes[:, genes])


class GeneSummary(NamedTuple):
    """Effects of every gene, summarised over the held-out patients of all folds."""

    mean: np.ndarray  # [I, G] of the association
    strength: np.ndarray  # [I, G] its root mean square
    heterogeneity: np.ndarray  # [I, G] its SD
    variance: np.ndarray  # [I, G] of its mean over bootstraps of patients
    low: np.ndarray  # [G, F] smallest score when a group of patients is left out; NaN where there is no group
    high: np.ndarray  # [G, F] and largest


def associate(folds):
    """C [patients, I, M] of `MappedFold`s, feature units per gene SD; patients in the order of `held_out`."""
    return np.concatenate([association.gene_association(fold.gradient, fold) for fold in folds])


def predict(folds):
    """[patients, I, M]: association times the patient's gene."""
    return associate(folds) * np.concatenate([fold.genes[fold.held_out] for fold in folds])[:, None]


def mean_association(folds):
    """[I, M]: mean over patients of `associate`, which is linear in the gradient."""
    total = sum(association.gene_association(fold.gradient.sum(axis=0), fold) for fold in folds)
    return total / sum(len(fold.held_out) for fold in folds)


def mean_sensitivity(folds, gradient, columns):
    """[I, G] of genes `columns`: mean over patients of the effect of a gene that rises alone.

    Args:
      folds: [(fold, held-out rows)] of one training.
      gradient: [patients, I, K] of that training.
    """
    positions = statistics.number_patients([len(rows) for _, rows in folds])
    total = sum(
        association.gene_sensitivity(gradient[rows].sum(axis=0), fold)[:, columns]
        for rows, (fold, _) in zip(positions, folds, strict=True)
    )
    return total / len(gradient)


def gene_blocks(genes, patients, quantities, memory_mb=MEMORY_MB):
    """Slices over so many genes, each as large as the memory allows for the effects on every patient's quantities."""
    size = max(1, min(genes, int(memory_mb * MEGABYTE / (4 * COPIES * patients * quantities))))
    return [slice(begin, begin + size) for begin in range(0, genes, size)]


def summarise(folds, real, splits, weights, memory_mb=MEMORY_MB):
    """The `GeneSummary` of `MappedFold`s.

    Args:
      folds: a list.
      real: [patients, F] features, the first of the gradients' quantities, less what the covariates explain.
      splits: lists of row arrays, each the folds without one group of patients.
      weights: [bootstraps, patients] of `statistics.bootstrap_weights`.
      memory_mb: bound on a block's effects, in megabytes.
    """
    genes, quantities = folds[0].genes.shape[1], folds[0].gradient.shape[1]
    blocks = gene_blocks(genes, len(real), quantities, memory_mb)
    size = blocks[0].stop
    logging.info(
        "map: about %.0f MB for %d of %d genes at once (%d patients x %d image quantities; bound %g)",
        4 * COPIES * len(real) * quantities * size / MEGABYTE, size, genes, len(real), quantities, memory_mb,
    )
    parts = [_summarise_block([fold.take(block) for fold in folds], real, splits, weights) for block in blocks]
    *by_quantity, low, high = zip(*parts, strict=True)
    return GeneSummary(
        *(np.concatenate(arrays, axis=1) for arrays in by_quantity), np.concatenate(low), np.concatenate(high)
    )


def _summarise_block(folds, real, splits, weights):
    effects = associate(folds).astype(np.float32)
    mean, deviation = effects.mean(axis=0), effects.std(axis=0)
    variance = statistics.bootstrap_variance(weights, effects)
    effects *= np.concatenate([fold.genes[fold.held_out] for fold in folds])[:, None]
    low, high = score_range(effects[:, : real.shape[1]], real, splits)
    return GeneSummary(mean, np.sqrt(np.square(mean) + np.square(deviation)), deviation, variance, low, high)


def score_range(predicted, outcomes, splits):
    """Smallest and largest cross-fitted correlation [M, F] over several lists of folds; NaN where there is none.

    Args:
      predicted: [patients, F, M].
      outcomes: [patients, F].
      splits: a list of lists of row arrays.
    """
    low, high = np.full((2, predicted.shape[2], predicted.shape[1]), np.nan, np.float32)
    for folds in splits:
        for feature in range(predicted.shape[1]):
            score = statistics.cross_fitted_correlation(predicted[:, feature], outcomes[:, [feature]], folds)
            low[:, feature] = np.fmin(low[:, feature], score)
            high[:, feature] = np.fmax(high[:, feature], score)
    return low, high
