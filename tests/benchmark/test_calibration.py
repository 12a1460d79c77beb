"""Null cohorts keep what is scanned alike, and a test that errs is seen to."""

import numpy as np
import pytest

from radiogenomics.analysis import mapping
from radiogenomics.benchmark import calibration


def test_null_patients_are_drawn_by_label_without_repeats():
    labels = np.array(["1|A"] * 6 + ["2|B"] * 6)
    pool = np.arange(12.0)[:, None]
    wanted = np.array(["2|B", "1|A"] * 4)
    drawn = calibration.draw_null(pool, labels, wanted, np.random.default_rng(0))[:, 0]
    assert (drawn[wanted == "1|A"] < 6).all() and (drawn[wanted == "2|B"] >= 6).all() and len(set(drawn)) == 8


@pytest.fixture(scope="module")
def tested(run):
    return mapping.map_with_predictions(run, genes=run.cohort.genes[:40])[1].mapped


def test_independent_features_rarely_err_and_the_genes_own_images_do(run, tested):
    generator, labels = np.random.default_rng(0), calibration.label_patients(run.cohort)
    null = calibration.null_errors(run, tested, generator.standard_normal((24, 9)), labels, cohorts=30, permutations=39)
    assert null["cohorts"] == 30 and null["family_wise"]["errors"] <= 6
    assert null["family_wise"]["low"] <= null["family_wise"]["rate"] <= null["family_wise"]["high"]
    # Features that the tested genes make: every label its own patient, so that everybody gets their own.
    own = np.array([f"{row}" for row in range(24)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "label_patients", lambda cohort: own)
        effects = np.zeros((24, 9))
        for fold in tested:
            components = fold.components[fold.training] - fold.components[fold.training].mean(axis=0)
            weights = components.T @ fold.genes[fold.training][:, 0]
            effects[fold.held_out] = (fold.gradient @ weights) * fold.genes[fold.held_out][:, :1]
        bad = calibration.null_errors(run, tested, effects, own, cohorts=2, permutations=39)
    assert bad["family_wise"]["errors"] == 2


def test_a_rate_has_an_exact_interval():
    assert calibration.rate(0, 20)["low"] == 0.0 and calibration.rate(0, 20)["high"] == pytest.approx(0.1684, abs=1e-3)
