"""Fits the response surface of models/response.py on a fold's training patients."""

import numpy as np
from sklearn.linear_model import LassoCV

from radiogenomics.data import covariates
from radiogenomics.models.response import ResponseSurface

PENALTIES = 30  # on the path of which cross-validation over patients chooses one
CROSS_VALIDATION = 5


def fit_response(components, design, targets, deviations, seed):
    """The generator's "response" variables from training patients: surface and scatter.

    The surface is a lasso per feature on components, their squares and products.

    Few of the hundreds of terms are kept (Tibshirani 1996), which is what 100 patients can carry where the components
    are rotated towards groups of genes ("rotated_pca", "metagenes", "pathways").

    Args:
      components: [patients, K].
      design: [patients, Q] covariates, whose effects on the features are not the genes'.
      targets: [patients, F] features in SDs.
      deviations: [patches, F] features of patches less those of their patient, in the same SDs; their covariance is
        the scatter's.
      seed: integer.
    """
    adjusted = covariates.remove_effects(design, covariates.fit_effects(design, targets), targets)
    terms, first, second = list_terms(components)
    mean, sd = terms.mean(axis=0), terms.std(axis=0)
    sd = np.where(sd > 1e-6, sd, np.inf)
    count = components.shape[1]
    constant, linear = np.empty(targets.shape[1]), np.empty((targets.shape[1], count))
    quadratic = np.zeros((targets.shape[1], count, count))
    for feature, values in enumerate(adjusted.T):
        folds = min(CROSS_VALIDATION, len(values) // 2)
        lasso = LassoCV(cv=folds, eps=0.01, alphas=PENALTIES, max_iter=10_000, random_state=seed)
        lasso.fit((terms - mean) / sd, values)
        weights = lasso.coef_ / sd
        constant[feature] = lasso.intercept_ - weights @ mean
        linear[feature] = weights[:count]
        quadratic[feature, first, second] = weights[count:]
    surface = ResponseSurface(*(part.astype(np.float32) for part in (constant, linear, quadratic)))
    return {"encoder": {"surface": surface}, "scatter": _factor(deviations).astype(np.float32)}


def list_terms(components):
    """Terms [patients, K + K (K + 1) / 2] of second order, and the two components that each product is made of."""
    first, second = np.triu_indices(components.shape[1])
    return np.concatenate([components, components[:, first] * components[:, second]], axis=1), first, second


def _factor(deviations):
    """Lower-triangular factor [F, F] of the deviations' covariance; a patient with one patch has none."""
    covariance = deviations.T @ deviations / len(deviations)
    return np.linalg.cholesky(covariance + 1e-6 * np.eye(len(covariance)))
