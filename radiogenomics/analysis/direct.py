"""Direct predictors of an image feature from genes: what synthesis has to measure up to, on the same folds.

Hyper-parameters are chosen feature by feature within the fold's training patients, by inner cross-validation over
patients (ridge: leave-one-out; random forest: the patients that a tree did not draw), so that a rival knows no more
than the generator did.
"""

from typing import NamedTuple

import numpy as np
import tqdm
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNetCV, RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits

from radiogenomics.analysis import features, statistics

RIDGE_PENALTIES = np.logspace(1, 6, 21)
LASSO_SHARE = 0.1  # genes come in co-expressed modules, which a sparser fit tears apart
PLS_COMPONENTS = (1, 2, 3, 4, 6)
NEIGHBOURS = (4, 8, 16)
FOREST_SHARES = (1 / 3, 0.8)  # of the inputs that a split chooses from
TREES = 100
WHITENED = 30  # principal components that stand in for a front end's


class Inputs(NamedTuple):
    """What the rivals see of n patients, in three forms; `scores` is a rotation of `genes` that loses nothing."""

    genes: np.ndarray  # [n, G] standardised by the fold's transform
    scores: np.ndarray  # [n, R] principal component scores, R = rank among the training patients
    components: np.ndarray  # [n, K] as the generator's encoder sees them


class Best(NamedTuple):
    """The best direct predictor of every feature."""

    r: np.ndarray  # [F]
    method: list  # [F]
    r_by_method: list  # [F] of {method: r}
    predicted: np.ndarray  # [patients, F] cross-fitted


def predict_directly(run, real, seed):
    """Cross-fitted predictions {method: [patients, F]} of features by each method, from the fold's standardised genes.

    A method learns from `real` features [patients, F] of the training patients, less what the covariates explain there.
    """
    known = [features.adjust_by_fold(run, fold, real, fold.training) for fold in run.folds]
    return predict_by_fold(run.folds, known, len(real), seed)


def predict_by_fold(folds, known, patients, seed, methods=None):
    """Cross-fitted predictions {method: [patients, F]} of features.

    Ridge and elastic net see all genes; PLS and the nearest patients choose between all genes and the components, the
    random forest sees the components. Ridge, PLS and distances do not change under rotation, so these work on scores.

    Args:
      folds: each with `training` and `held_out` rows, `genes` [patients, G] and `components` [patients, K], both
        standardised by a transform of the training patients.
      known: for every fold the features [training, F] that a method learns from.
      patients: their number.
      seed: integer.
      methods: names from `METHODS`; all if None.
    """
    methods = METHODS if methods is None else {name: METHODS[name] for name in methods}
    predictions = {name: np.full((patients, known[0].shape[1]), np.nan) for name in methods}
    models = len(folds) * len(methods)
    # Thousands of small fits: several threads of linear algebra in each cost more than they save.
    with threadpool_limits(1), tqdm.tqdm(total=models, desc="direct", unit="model", disable=None) as progress:
        for fold, learned in zip(folds, known, strict=True):
            inputs = make_inputs(fold)
            for name, fit in methods.items():
                predictions[name][fold.held_out] = _predict(fit, *inputs, learned, seed)
                progress.update()
    return predictions


def _predict(fit, training, held_out, known, seed):
    """Predictions [n, F] by one method; a feature that is constant among the training patients is predicted so."""
    mean, sd = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    predicted = np.tile(mean, (len(held_out.genes), 1))
    varied = sd > 1e-9
    if varied.any():
        scaled = np.nan_to_num((known[:, varied] - mean[varied]) / sd[varied])
        predicted[:, varied] += sd[varied] * fit(training, scaled, held_out, seed)
    return predicted


def make_inputs(fold):
    """`Inputs` of a fold's training and held-out patients, fitted on the training patients.

    Where the front end has more components than there are patients, or is none, the leading principal components,
    scaled to SD 1, take its place.
    """
    genes = np.asarray(fold.genes, np.float64)
    known = genes[fold.training]
    centre = known.mean(axis=0)
    _, singular, axes = np.linalg.svd(known - centre, full_matrices=False)
    rank = max(int((singular > 1e-6 * singular[0]).sum()), 1)
    scores = (genes - centre) @ axes[:rank].T
    components = np.asarray(fold.components, np.float64)
    if components.shape[1] > len(fold.training):
        components = scores[:, :WHITENED] / np.maximum(scores[fold.training, :WHITENED].std(axis=0), 1e-12)
    return tuple(Inputs(genes[rows], scores[rows], components[rows]) for rows in (fold.training, fold.held_out))


def _ridge(training, known, held_out, seed):
    model = RidgeCV(RIDGE_PENALTIES, alpha_per_target=True).fit(training.scores, known)
    return model.predict(held_out.scores).reshape(-1, known.shape[1])


def _elastic_net(training, known, held_out, seed):
    model = ElasticNetCV(
        l1_ratio=LASSO_SHARE, alphas=12, eps=0.03, cv=_inner(known, seed), tol=1e-2, max_iter=2000
    )
    return MultiOutputRegressor(model).fit(training.genes, known).predict(held_out.genes)


def _partial_least_squares(training, known, held_out, seed):
    most = min(_inner_size(known), training.scores.shape[1], training.components.shape[1])
    candidates = [
        (form, MultiOutputRegressor(PLSRegression(count, scale=False)))
        for form in ("scores", "components") for count in PLS_COMPONENTS if count <= most
    ]
    return _choose(candidates, training, known, held_out, seed)


def _random_forest(training, known, held_out, seed):
    predicted = np.zeros((len(held_out.components), known.shape[1]))
    for column, target in enumerate(known.T):
        forests = [
            RandomForestRegressor(TREES, max_features=share, min_samples_leaf=3, oob_score=True, random_state=seed).fit(
                training.components, target
            )
            for share in FOREST_SHARES
        ]
        predicted[:, column] = max(forests, key=lambda forest: forest.oob_score_).predict(held_out.components)
    return predicted


def _nearest_patients(training, known, held_out, seed):
    candidates = [
        (form, KNeighborsRegressor(min(count, _inner_size(known)), weights="distance"))
        for form in ("scores", "components") for count in NEIGHBOURS
    ]
    return _choose(candidates, training, known, held_out, seed)


METHODS = {
    "ridge": _ridge,
    "elastic net": _elastic_net,
    "PLS": _partial_least_squares,
    "random forest": _random_forest,
    "nearest patients": _nearest_patients,
}


def _inner(known, seed):
    """Inner folds over the training patients."""
    return KFold(min(5, len(known)), shuffle=True, random_state=seed)


def _inner_size(known):
    """Patients that the smallest inner fit learns from."""
    return len(known) - -(-len(known) // min(5, len(known)))


def _choose(candidates, training, known, held_out, seed):
    """Predictions [n, F] by the candidate (form of inputs, model) with the least inner squared error, by feature."""
    errors = []
    for form, model in candidates:
        predicted = cross_val_predict(model, getattr(training, form), known, cv=_inner(known, seed))
        errors.append(np.square(predicted.reshape(known.shape) - known).mean(axis=0))
    chosen = np.argmin(errors, axis=0)
    result = np.zeros((len(held_out.genes), known.shape[1]))
    for number in np.unique(chosen):
        form, model = candidates[number]
        columns = chosen == number
        fitted = clone(model).fit(getattr(training, form), known[:, columns])
        result[:, columns] = fitted.predict(getattr(held_out, form)).reshape(len(result), -1)
    return result


def best_direct(predictions, targets, folds):
    """The `Best` of the cross-fitted predictions {method: [patients, F]} of targets [patients, F].

    It is chosen on the same patients, which favours the rivals, not the generator.
    """
    names = list(predictions)
    table = np.stack([
        statistics.cross_fitted_correlation(predicted, targets, folds) for predicted in predictions.values()
    ])
    best = table.argmax(axis=0)
    stacked = np.stack([predictions[name] for name in names])
    return Best(
        r=table.max(axis=0),
        method=[names[index] for index in best],
        r_by_method=[dict(zip(names, column, strict=True)) for column in table.T],
        predicted=np.take_along_axis(stacked, best[None, None], axis=0)[0],
    )
