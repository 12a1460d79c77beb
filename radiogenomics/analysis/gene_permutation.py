"""Evidence per gene where other genes do drive the image: genes are permuted, and their effects computed anew.

With the generator frozen, C_p[k, j] g_pj depends on gene j through the patient's own value and through the covariance
of the gene with the components among the fold's training patients. These are the held-out patients of the other folds:
what ties a null gene to a driver by chance in some patients gives its effect a sign in one fold and a correlation of
that sign in another. Permuting the image features keeps the effects as they are and misses this: beside a linear link
its p-values are half of what they should be, beside one that is not linear a quarter and less. Here the patients' genes
move, all genes together, while components, gradients and image features stay, so that the permuted gene's covariance,
effect and score are made as the gene's own are.

A score is compared with the sizes of permuted scores. The gradients too are learned from the held-out patients of the
other folds: a null gene that follows the components and happens to go with the feature in most folds gets that sign
everywhere, and its score exceeds a threshold up to as often as the size of a correlation does. A permuted gene, which
the gradients have not seen, has a sign by chance alone. On 100 null cohorts with a direction learned from each (a
ridge on the components, 130 patients) 6.2 % of genes had p <= 0.05 against signed permuted scores, 3.1 % against their
sizes; family-wise 6 and 1 cohorts erred. In a single fold, whose patients no gradient has seen, sizes make up for few
patients: with the same images and genes paired anew 60 times in each of five folds of 26, tests erred family-wise in
22 of 300 against signed scores (8 of 60 in the worst fold) and in 10 (4 of 60) against sizes.
"""

import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics.analysis import gene_effects, statistics
from radiogenomics.analysis.statistics import Evidence
from radiogenomics.errors import InputError

ENOUGH = 199  # permutations of thousands of genes: their null is pooled, and p_max reaches 0.005 ...
VALUES = 100_000  # ... and of few genes as many as give the null of a feature so many values
TAIL = 0.01  # of a feature's null, whose lower end is the feature's unit in the family-wise comparison
BINS = 4096  # of the null of a studentised correlation, between -1 and 1


def test_genes(folds, outcomes, groups, count, seed):
    """Cross-fitted correlation of every gene's predicted effect with image features, tested by permuting the genes.

    Null: a gene is independent of image, components and gradients; genes keep what ties them to each other. Unit: the
    patient. A permutation moves the genes of patients who were held out together. Scores are studentised as in
    `statistics.permutation_evidence`. p is the share of all permuted genes, of any symbol, whose score for that feature
    is as large in size (pooled as by Tusher et al. 2001, which studentising allows); a score below zero is no evidence.
    p_max is the share of permutations whose largest one over the table is as large, each feature's divided by what TAIL
    of its null reaches, because features differ in the tail of their null.

    Args:
      folds: list of `gene_effects.MappedFold`; their quantities are the F features.
      outcomes: [C, patients, F] C versions of the features (adjusted, unadjusted, simulated), patients in the order of
        the folds' `held_out`; NaN counts as the fold's mean.
      groups: list of row arrays, who was held out together.
      count: permutations; of thousands of genes ENOUGH are used.
      seed: integer.

    Returns:
      A list of C `Evidence`s with score, p and p_max [M, F], and `largest` in the unit of the median feature; above 1
      where even a perfect correlation could be chance.

    Raises:
      InputError: without a permutation.
    """
    if count < 1:
        raise InputError(f"map.permutations: {count}; expected at least 1.")
    count = min(count, max(ENOUGH, VALUES // len(folds[0].genes[0])))
    parts = _standardise_parts(folds, outcomes)
    score, observed = _score_genes(folds, parts, np.arange(len(folds[0].genes)))
    tails = np.zeros((*observed.shape[:2], BINS), np.int64)
    largest = np.zeros((count, *observed.shape[:2]), np.float32)
    for number, order in enumerate(statistics.within_fold_permutations(groups, count, seed)):
        null = np.abs(_score_genes(folds, parts, order)[1])
        tails += _histogram(null)
        largest[number] = null.max(axis=2)
    return [_summarise(*version) for version in zip(score, observed, tails, largest.swapaxes(0, 1), strict=True)]


def _standardise_parts(folds, outcomes):
    """Every fold's part [C, held out, F] of outcomes [C, patients, F], mean 0 and norm 1; NaN counts as the mean."""
    splits = statistics.number_patients([len(fold.held_out) for fold in folds])
    standard = np.stack([statistics.standardise_within(values, splits) for values in outcomes])
    return [standard[:, rows] for rows in splits]


def _score_genes(folds, parts, order):
    """Correlations and studentised correlations [C, F, M] of genes whose patients are taken in `order` [patients].

    `parts` are of `_standardise_parts`. Genes are taken in blocks that fit into the memory.
    """
    held_out, genes = max(len(fold.held_out) for fold in folds), folds[0].genes.shape[1]
    scores = []
    for block in gene_effects.gene_blocks(genes, held_out, folds[0].gradient.shape[1]):
        moments = sum(
            _fold_moments(
                fold.gradient, _centred(fold.components[fold.training]), fold.genes[order[fold.training], block],
                fold.genes[order[fold.held_out], block], values,
            )
            for fold, values in zip(folds, parts, strict=True)
        )
        product, *spread = np.asarray(moments)
        r = product / len(folds)
        scores.append((r, statistics.studentise(r, spread, [len(fold.held_out) for fold in folds])))
    return tuple(np.concatenate(each, axis=-1) for each in zip(*scores, strict=True))


def _centred(values):
    return values - values.mean(axis=0)


@jax.jit
def _fold_moments(gradient, components, training_genes, genes, outcomes):
    """Sums [4, C, F, M] over a fold's held-out patients of y z, y^2 z^2, y z^3 and z^4: z predicted, y real, norm 1."""
    weights = components.T @ training_genes  # covariance up to a factor, which norm 1 takes away
    predicted = jnp.einsum("hfk,km->fhm", gradient, weights) * genes
    centred = predicted - predicted.mean(axis=1, keepdims=True)
    norm = jnp.sqrt(jnp.square(centred).sum(axis=1, keepdims=True))
    tiny = 1e-6 * jnp.sqrt(float(len(genes))) * jnp.maximum(jnp.abs(predicted).max(axis=1, keepdims=True), 1e-30)
    z = jnp.where(norm > tiny, centred / jnp.where(norm > tiny, norm, 1.0), 0.0)
    y, square = jnp.moveaxis(outcomes, 2, 0), jnp.square(z)  # [F, C, h], [F, h, M]
    moments = [y @ z, jnp.square(y) @ square, y @ (z * square)]
    fourth = jnp.broadcast_to(jnp.square(square).sum(axis=1, keepdims=True), moments[0].shape)
    return jnp.moveaxis(jnp.stack([*moments, fourth]), 1, 2)


def _histogram(values):
    """Counts [C, F, BINS] of values [C, F, M] in -1..1."""
    pairs = values.shape[0] * values.shape[1]
    places = _bin(values).reshape(pairs, -1) + BINS * np.arange(pairs)[:, None]
    return np.bincount(places.ravel(), minlength=pairs * BINS).reshape(*values.shape[:2], BINS)


def _bin(values):
    return np.clip(((values + 1.0) * (BINS / 2)).astype(np.int64), 0, BINS - 1)


def _summarise(score, observed, tails, largest):
    """`Evidence` from correlations and studentised ones [F, M], counts [F, BINS] and each feature's largest [n, F]."""
    # Everything in a value's own bin counts as reaching it.
    reached, count = np.cumsum(tails[:, ::-1], axis=1)[:, ::-1], len(largest)
    p = (1 + np.take_along_axis(reached, _bin(observed), axis=1)) / (1 + count * observed.shape[1])
    # Not the smallest p: beyond all permutations it would tie over features, with fewer permutations than pairs.
    within = np.argmax(reached <= TAIL * reached[:, :1], axis=1)
    scale = np.maximum(2.0 * within / BINS - 1.0, 1.0 / BINS)  # [F] of each feature's null
    null = np.sort((largest / scale).max(axis=1))
    above = count - np.searchsorted(null, observed / scale[:, None] - 1e-6)
    return Evidence(score.T, p.T, ((1 + above) / (1 + count)).T, null * np.median(scale))
