"""Direct predictors see training patients only, and the best of them is named."""

import types

import numpy as np
import pytest
from sklearn import linear_model

from radiogenomics.analysis import direct


@pytest.fixture(scope="module")
def made_up():
    """Sixty patients in two folds; the first target is linear in the genes, the second is chance."""
    generator = np.random.default_rng(0)
    genes = generator.standard_normal((60, 8)).astype(np.float32)
    halves = (np.arange(30), np.arange(30, 60))
    average = types.SimpleNamespace(design=lambda covariates: np.ones((60, 1)))
    transform = types.SimpleNamespace(covariates=average)
    folds = tuple(
        types.SimpleNamespace(
            genes=genes, components=genes[:, :4], training=training, held_out=held_out, transform=transform
        )
        for training, held_out in (halves, halves[::-1])
    )
    targets = np.stack([genes[:, 0] + 0.3 * generator.standard_normal(60), generator.standard_normal(60)], axis=1)
    return types.SimpleNamespace(folds=folds, cohort=types.SimpleNamespace(covariates=None)), targets


@pytest.fixture(scope="module")
def predictions(made_up):
    """Cross-fitted predictions of the made-up targets."""
    run, targets = made_up
    return direct.predict_directly(run, targets, 0)


def test_a_linear_target_is_predicted_and_chance_is_not(made_up, predictions):
    run, targets = made_up
    best = direct.best_direct(predictions, targets, [fold.held_out for fold in run.folds])
    assert set(best.r_by_method[0]) == {"ridge", "elastic net", "PLS", "random forest", "nearest patients"}
    for method in ("ridge", "elastic net", "PLS"):
        assert best.r_by_method[0][method] > 0.8
    assert abs(best.r[1]) < 0.5


def test_the_best_is_named_and_its_predictions_go_with_it(made_up, predictions):
    run, targets = made_up
    best = direct.best_direct(predictions, targets, [fold.held_out for fold in run.folds])
    for column, (r, method, by_method) in enumerate(zip(best.r, best.method, best.r_by_method, strict=True)):
        assert r == max(by_method.values()) == by_method[method]
        np.testing.assert_array_equal(best.predicted[:, column], predictions[method][:, column])


def test_a_target_that_is_not_linear_needs_the_forest(made_up):
    run, _ = made_up
    genes = np.concatenate([fold.genes[fold.held_out] for fold in reversed(run.folds)])
    targets = np.square(genes[:, :1])
    best = direct.best_direct(direct.predict_directly(run, targets, 0), targets, [fold.held_out for fold in run.folds])
    assert best.r_by_method[0]["random forest"] > 0.5 > best.r_by_method[0]["ridge"]


def test_predictions_do_not_depend_on_held_out_targets(made_up, predictions):
    run, targets = made_up
    changed = targets.copy()
    changed[:30] = np.random.default_rng(1).standard_normal((30, 2))
    after = direct.predict_directly(run, changed, 0)
    for name in predictions:
        np.testing.assert_allclose(predictions[name][:30], after[name][:30], rtol=1e-9)
        assert (predictions[name][30:] != after[name][30:]).any()


def test_scores_lose_nothing(made_up):
    """Ridge and distances on the scores are those on all genes."""
    run, targets = made_up
    training, held_out = direct.make_inputs(run.folds[0])
    apart = np.linalg.norm(training.genes[:, None] - training.genes[None], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(training.scores[:, None] - training.scores[None], axis=-1), apart)
    known = targets[run.folds[0].training]
    on_genes, on_scores = (
        linear_model.Ridge(10.0).fit(getattr(training, form), known).predict(getattr(held_out, form))
        for form in ("genes", "scores")
    )
    np.testing.assert_allclose(on_scores, on_genes, atol=1e-9)


def test_more_components_than_patients_are_replaced_by_whitened_scores(made_up):
    fold = made_up[0].folds[0]
    wide = types.SimpleNamespace(**vars(fold) | {"components": np.tile(fold.genes, (1, 5))})
    training, held_out = direct.make_inputs(wide)
    np.testing.assert_allclose(training.components.std(axis=0), 1.0)
    assert training.components.shape == held_out.components.shape == (30, 8)


def test_missing_and_constant_targets_and_few_patients_are_survived(made_up):
    run, targets = made_up
    targets = np.column_stack([targets, np.full(60, 7.0)])
    targets[4, 0] = np.nan
    assert all(np.isfinite(values).all() for values in direct.predict_directly(run, targets, 0).values())
    few = types.SimpleNamespace(cohort=run.cohort, folds=[
        types.SimpleNamespace(**vars(run.folds[0]) | {"training": np.arange(30, 38), "held_out": np.arange(3)})
    ])
    assert all(np.isfinite(values[:3]).all() for values in direct.predict_directly(few, targets, 0).values())
