"""Realism: at its floor for the same distribution, away from it for another, and nothing where nothing is."""

import types

import numpy as np
import pytest

from radiogenomics.analysis import distances, intervals, realism

PATIENTS, FOLDS = 40, [np.arange(20), np.arange(20, 40)]
WEIGHTS = intervals.patient_weights(FOLDS, 60, 0)


def make_folds():
    return [
        types.SimpleNamespace(held_out=rows, training=np.setdiff1d(np.arange(PATIENTS), rows)) for rows in FOLDS
    ]


def draw(seed, shift=0.0, patches=4):
    generator = np.random.default_rng(seed)
    owners = np.repeat(np.arange(PATIENTS), patches)
    centres = generator.standard_normal((PATIENTS, 3))[owners]
    return realism.Vectors(centres + shift + 0.1 * generator.standard_normal((len(owners), 3)), owners)


def score(synthetic, real=None):
    real = real or draw(0)
    spaces = {name: [vectors, vectors] for name, vectors in synthetic.items()}
    return realism.score_vectors([real, real], spaces, make_folds(), WEIGHTS, 0)


def test_scores_of_the_same_and_of_another_distribution():
    scores = score({"same": draw(1, patches=6), "shifted": draw(2, shift=1.5), "far": draw(3, shift=9.0)})
    keys = {"kid", "density", "coverage"}
    expected = {f"{key}{end}" for key in keys for end in ("", "_low", "_high", "_floor")} - {"kid_floor"} | {"floor"}
    assert set(scores["same"]) == expected
    same, shifted, far = scores["same"], scores["shifted"], scores["far"]
    assert same["kid_low"] < 0.3 and abs(same["floor"]) < 0.3 and shifted["kid_low"] > 1.0
    assert same["kid"] < shifted["kid"] < far["kid"]
    assert same["density"] == pytest.approx(1.0, abs=0.35) and same["density_floor"] == pytest.approx(1.0, abs=0.25)
    assert same["coverage"] > 0.85 and same["coverage_floor"] > 0.85
    assert shifted["coverage_high"] < same["coverage_low"] and far["coverage"] == far["density"] == 0.0
    for row in scores.values():
        assert row["kid_low"] <= row["kid"] <= row["kid_high"]


def test_patients_are_compared_within_their_fold_only():
    """Each fold is its own world; mixed up, the two would look alike."""
    generator = np.random.default_rng(4)
    owners = np.repeat(np.arange(PATIENTS), 2)
    values = generator.standard_normal((len(owners), 3))
    side = np.where(owners < 20, 5.0, -5.0)[:, None]
    mixed = score({"swapped": realism.Vectors(values - side, owners)}, realism.Vectors(values + side, owners))
    assert mixed["swapped"]["coverage"] == 0.0


def test_distance_of_a_fold_without_enough_patients_is_left_out():
    real, few = draw(0), draw(1)
    keep = few.owner < 22  # two patients of the second fold
    one = score({"few": realism.Vectors(few.values[keep], few.owner[keep])}, real)
    full = score({"few": realism.Vectors(few.values[few.owner < 20], few.owner[few.owner < 20])}, real)
    assert one == full and np.isfinite(one["few"]["kid"])


@pytest.mark.filterwarnings("error")
def test_nothing_synthesised_is_nothing_scored():
    nothing = realism.Vectors(np.zeros((0, 3)), np.zeros(0, int))
    row = score({"empty": nothing})["empty"]
    assert all(np.isnan(row[key]) for key in ("kid", "kid_low", "density", "density_high", "coverage"))
    assert np.isfinite(row["floor"])
    nan = realism.Vectors(np.full((80, 3), np.nan), np.repeat(np.arange(PATIENTS), 2))
    _, made = realism.standardise(draw(0), {"empty": nan}, FOLDS[0])
    assert made["empty"].values.shape == (0, 3)
    assert np.isnan(realism.spread_between(("a", "b", "c"), draw(0), nan)["a"]["synthetic"])


def test_score_distance_has_a_floor_for_its_number_of_patients():
    spaces = {"same": [draw(1)] * 2, "shifted": [draw(1, shift=2.0)] * 2}
    scores = realism.score_distance(distances.frechet_distance, [draw(0)] * 2, spaces, make_folds(), WEIGHTS, 0)
    same, shifted = scores["same"], scores["shifted"]
    assert 0.0 <= same["low"] < same["floor"] < 1.5 and same["floor"] == shifted["floor"]
    assert shifted["low"] > 6.0 > same["high"] and shifted["value"] == pytest.approx(12.0, abs=5.0)


def test_vectors_are_standardised_by_training_patients():
    generator = np.random.default_rng(5)
    owners = np.repeat(np.arange(PATIENTS), 3)
    values = generator.standard_normal((len(owners), 3)) * [1.0, 100.0, 0.0] + [0.0, 50.0, 7.0]
    values[owners < 20] *= 3.0  # held out: must not count
    values[100, 1] = np.nan
    real, made = realism.standardise(
        realism.Vectors(values, owners), {"same": realism.Vectors(values[-3:], owners[-3:])}, np.arange(20, 40)
    )
    known = real.values[real.owner >= 20]
    np.testing.assert_allclose(known.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(known[:, :2].std(axis=0), 1.0)
    assert len(real.values) == len(values) - 1 and np.isfinite(real.values).all()
    np.testing.assert_allclose(made["same"].values, known[-3:])


def test_spread_is_that_of_patients_means():
    owners = np.array([0, 0, 1, 1, 2])
    real = realism.Vectors(np.array([[0.0, 1.0], [2.0, np.nan], [4.0, 2.0], [6.0, 2.0], [9.0, np.nan]]), owners)
    spread = realism.spread_between(("a", "b"), real, realism.Vectors(np.ones((5, 2)), owners))
    assert spread["a"]["real"] == pytest.approx(np.std([1.0, 5.0, 9.0])) and spread["a"]["synthetic"] == 0.0
    assert spread["b"]["real"] == pytest.approx(0.5)
