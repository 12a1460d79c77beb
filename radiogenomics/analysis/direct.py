"""Direct predictors of an image feature from genes: what synthesis has to measure up to, on the same folds."""

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor

from radiogenomics.analysis import features, statistics

RIDGE_PENALTIES = np.logspace(1, 6, 11)


def predict_directly(run, real, seed):
    """Cross-fitted predictions of features [patients, F] by each method, from the fold's standardised genes.

    A method learns from `real` features [patients, F] of the training patients, less what the covariates explain there.

    Returns {method: [patients, F]}. Ridge sees all genes; the forest and the nearest neighbours see the components
    (all genes, where there is no front end).
    """
    predictions = {name: np.full(real.shape, np.nan) for name in ("ridge", "random forest", "nearest patients")}
    for fold in run.folds:
        known = features.adjust_by_fold(run, fold, real, fold.training)
        known = np.where(np.isfinite(known), known, 0.0)
        for name, values in predictions.items():
            inputs = fold.genes if name == "ridge" else fold.components
            model = _model(name, seed).fit(inputs[fold.training], known)
            values[fold.held_out] = model.predict(inputs[fold.held_out]).reshape(len(fold.held_out), -1)
    return predictions


def _model(name, seed):
    if name == "ridge":
        return RidgeCV(RIDGE_PENALTIES, alpha_per_target=True)
    if name == "random forest":
        return RandomForestRegressor(200, min_samples_leaf=3, max_features=0.5, random_state=seed, n_jobs=2)
    return KNeighborsRegressor(5, weights="distance")


def best_direct(run, real, targets, folds, seed):
    """Per feature the best cross-fitted r, its method, and all of them: (r [F], names [F], [{method: r}] of length F).

    The best is chosen on the same patients, which favours the rivals, not the generator.
    """
    by_method = {
        name: statistics.cross_fitted_correlation(predicted, targets, folds)
        for name, predicted in predict_directly(run, real, seed).items()
    }
    names = list(by_method)
    table = np.stack([by_method[name] for name in names])
    each = [dict(zip(names, column, strict=True)) for column in table.T]
    return table.max(axis=0), [names[index] for index in table.argmax(axis=0)], each
