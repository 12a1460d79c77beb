"""Fits the response surface of models/response.py on a fold's training patients."""

import numpy as np
from sklearn.linear_model import LassoCV, RidgeCV

from radiogenomics.data import covariates
from radiogenomics.models.response import ResponseSurface, expect_features

PENALTIES = 30  # on the lasso's path, of which cross-validation over patients chooses one
CROSS_VALIDATION = 5
SHRINKAGE = np.logspace(0, 3, 13)  # of the ridge, as left-out patients choose; networks do not follow smaller slopes


def fit_response(components, design, targets, patches, owners, seed):
    """The generator's "response" variables from training patients: surface, scatter and limits.

    The surface is a lasso per feature on components, their squares and products. Few of the hundreds of terms are kept
    (Tibshirani 1996), which is what 100 patients can carry where the components stand for groups of genes ("factors",
    "metagenes", "pathways"); where none is, a ridge on the components.

    Args:
      components: [patients, K].
      design: [patients, Q] covariates, whose effects on the features are not the genes'.
      targets: [patients, F] features in SDs.
      patches: [N, F] features of patches, in the same SDs. The scatter is their covariance around what their patient's
        genes let expect: what genes do not determine, be it of the patient or of the patch; the limits are their range.
      owners: [N] row of each patch's patient.
      seed: integer.
    """
    adjusted = covariates.remove_effects(design, covariates.fit_effects(design, targets), targets)
    terms, first, second = list_terms(components)
    mean, sd = terms.mean(axis=0), terms.std(axis=0)
    sd = np.where(sd > 1e-6, sd, np.inf)
    standardised, count = (terms - mean) / sd, components.shape[1]
    constant, linear = np.empty(targets.shape[1]), np.empty((targets.shape[1], count))
    quadratic = np.zeros((targets.shape[1], count, count))
    for feature, values in enumerate(adjusted.T):
        weights, intercept = _fit_terms(standardised, count, values, seed)
        weights = weights / sd
        constant[feature] = intercept - weights @ mean
        linear[feature] = weights[:count]
        quadratic[feature, first, second] = weights[count:]
    surface = ResponseSurface(*(part.astype(np.float32) for part in (constant, linear, quadratic)))
    scatter = _factor(patches - np.asarray(expect_features(surface, components))[owners])
    limits = np.stack([patches.min(axis=0), patches.max(axis=0)])
    return {
        "encoder": {"surface": surface}, "scatter": scatter.astype(np.float32), "limits": limits.astype(np.float32),
    }


def _fit_terms(terms, count, values, seed):
    """Weights [T] and intercept of standardised terms [patients, T], the first `count` of them linear.

    Where the lasso keeps nothing, links are too weak to be told one by one, or there are none. A ridge on the linear
    terms (Hoerl and Kennard 1970) then says in which direction they would point: evidence is a correlation, which needs
    a direction, however little is expected along it.
    """
    folds = min(CROSS_VALIDATION, len(values) // 2)
    lasso = LassoCV(cv=folds, eps=0.01, alphas=PENALTIES, max_iter=10_000, random_state=seed).fit(terms, values)
    if lasso.coef_.any():
        return lasso.coef_, lasso.intercept_
    ridge = RidgeCV(SHRINKAGE).fit(terms[:, :count], values)
    return np.pad(ridge.coef_, (0, terms.shape[1] - count)), ridge.intercept_


def list_terms(components):
    """Terms [patients, K + K (K + 1) / 2] of second order, and the two components that each product is made of."""
    first, second = np.triu_indices(components.shape[1])
    return np.concatenate([components, components[:, first] * components[:, second]], axis=1), first, second


def _factor(deviations):
    """Lower-triangular factor [F, F] of the covariance of deviations [N, F]."""
    deviations = deviations - deviations.mean(axis=0)
    covariance = deviations.T @ deviations / len(deviations)
    return np.linalg.cholesky(covariance + 1e-6 * np.eye(len(covariance)))
