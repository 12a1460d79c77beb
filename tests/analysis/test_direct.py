"""Direct predictors see training patients only, and the best of them is named."""

import types

import numpy as np
import pytest

from radiogenomics.analysis import direct


@pytest.fixture
def run():
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


def test_linear_target_is_predicted_best_by_ridge(run):
    run, targets = run
    r, names, table = direct.best_direct(run, targets, targets, [fold.held_out for fold in run.folds], 0)
    assert r[0] > 0.8 and names[0] == "ridge"
    assert abs(r[1]) < 0.5
    assert r[0] == max(table[0].values()) and set(table[0]) == {"ridge", "random forest", "nearest patients"}


def test_predictions_do_not_depend_on_held_out_targets(run):
    run, targets = run
    before = direct.predict_directly(run, targets, 0)
    changed = targets.copy()
    changed[:30] = 1e3
    after = direct.predict_directly(run, changed, 0)
    for name in before:
        np.testing.assert_allclose(before[name][:30], after[name][:30], rtol=1e-9)
        assert (before[name][30:] != after[name][30:]).any()


def test_missing_targets_are_survived(run):
    run, targets = run
    targets[4, 0] = np.nan
    assert all(np.isfinite(values).all() for values in direct.predict_directly(run, targets, 0).values())
