"""From gradients to associations: what moves with a gene counts with it (Haufe et al. 2014).

A gradient spreads arbitrarily over co-expressed genes; multiplied by the genes' covariance it becomes the change of the
feature when the gene rises by one SD together with what rises with it.
"""

import numpy as np


def gene_sensitivity(sensitivity, fold):
    """S [patients, F, G], feature units per gene SD, from gradients by component [patients, F, K]."""
    return fold.transform.pull_back(sensitivity)


def gene_association(sensitivity, fold):
    """C [patients, F, G] = S Sigma / sd, with Sigma the unshrunk covariance of the fold's training genes.

    Sigma is applied through the training data [n, G], so no [G, G] matrix is formed, and through the components, so
    that S [patients, F, G] is not either.
    """
    training = fold.genes[fold.training]
    by_patient = sensitivity @ _centred(fold.components[fold.training]).T / len(training)  # [patients, F, n]
    return by_patient @ (_centred(training) / _sd(training))


def direction_association(sensitivity, fold, weights):
    """C [patients, F, M] of the metagenes with gene weights [G, M]: as `gene_association`, for their scores."""
    return sensitivity @ metagene_direction(fold, weights)


def metagene_direction(fold, weights):
    """Conditional-mean direction [K, M] in component space: what rises with a metagene when it rises by one SD."""
    scores = _centred(fold.genes[fold.training] @ weights)
    return _centred(fold.components[fold.training]).T @ scores / (len(scores) * _sd(scores))


def metagene_scores(fold, weights):
    """Metagene scores [patients, M] of everybody, in SDs of the training patients about their mean."""
    scores = fold.genes @ weights
    training = scores[fold.training]
    return (scores - training.mean(axis=0)) / _sd(training)


def _centred(values):
    return values - values.mean(axis=0)


def _sd(values):
    sd = values.std(axis=0)
    return np.where(sd > 0, sd, np.inf)
