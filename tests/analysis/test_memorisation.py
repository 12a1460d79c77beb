"""Copies of training nodules are noticed; new nodules are not accused."""

import types

import numpy as np
import pytest
from made_up_run import WINDOW_HU, make_nodules

from radiogenomics.analysis import intervals, memorisation

PATIENTS, SLICES = 30, 3
OWNERS = np.repeat(np.arange(PATIENTS), SLICES)
FOLDS = [
    types.SimpleNamespace(held_out=rows, training=np.setdiff1d(np.arange(PATIENTS), rows))
    for rows in np.array_split(np.arange(PATIENTS), 3)
]
WEIGHTS = intervals.patient_weights([fold.held_out for fold in FOLDS], 100, 0)


def draw(seed):
    image_hu, mask = make_nodules(np.random.default_rng(seed), 2, PATIENTS, SLICES, 16)
    return memorisation.nodule_vectors(image_hu, mask, WINDOW_HU)


def copies_of(real, seed=0, noise_hu=5.0):
    """Twelve copies of training nodules for every held-out patient."""
    generator, vectors, owners = np.random.default_rng(seed), [], []
    for fold in FOLDS:
        for row in fold.held_out:
            chosen = generator.choice(np.flatnonzero(np.isin(OWNERS, fold.training)), 12)
            vectors.append(real[chosen] + noise_hu * (real[chosen] > 0))
            owners += [row] * 12
    return np.concatenate(vectors), np.array(owners)


def audit(real, synthetic, owners):
    return memorisation.audit_folds(real, OWNERS, synthetic, owners, FOLDS, WEIGHTS)


def test_distance_is_root_mean_square():
    vectors, references = np.array([[3.0, 4.0], [10.0, 10.0]]), np.array([[0.0, 0.0], [10.0, 10.0]])
    expected = np.sqrt([[12.5, (49 + 36) / 2], [100.0, 0.0]])
    np.testing.assert_allclose(memorisation.distances_hu(vectors, references), expected, atol=1e-6)


def test_distance_of_a_patient_is_the_least_over_its_nodules_and_leaves_one_out():
    distances = np.array([[5.0, 3.0, 8.0], [9.0, 4.0, 1.0], [2.0, 7.0, 6.0]])
    nearest = memorisation.patient_distances(distances, np.array([0, 0, 1]), np.array([1, 2, 3]), [0, 1], [3, 1])
    assert nearest.tolist() == [3.0, 6.0]


def test_copies_are_noticed_and_new_nodules_are_not_accused():
    real = draw(0)
    honest, copied = audit(real, draw(1), OWNERS), audit(real, *copies_of(real))
    assert 0.8 < honest["ratio"] < 1.25 and honest["copies"] < 0.2
    assert honest["membership_auc_low"] < 0.55 and abs(honest["membership_auc"] - 0.5) < 0.15
    assert copied["ratio"] < 0.2 and copied["copies"] == 1.0
    assert copied["membership_auc"] > 0.9 and copied["membership_auc_low"] > 0.8
    for row in (honest, copied):
        assert row["membership_auc_low"] <= row["membership_auc"] <= row["membership_auc_high"] <= 1.0


def test_likeness_to_the_own_patient_is_not_a_leak():
    """A perfect generator would repeat the held-out patient's own nodule: that is gene control."""
    areas = []
    for seed in range(6):
        real = draw(seed)
        obedient = audit(real, real + 1.0, OWNERS)
        areas.append(obedient["membership_auc"])
        assert obedient["copies"] < 0.2
    assert abs(np.mean(areas) - 0.5) < 0.15  # counting their own, held-out patients would all be nearer: 0


def test_membership_auc_against_a_plain_loop():
    training, held_out = np.array([1.0, 2.0, 5.0]), np.array([2.0, 4.0])
    pairs = [(t < h) + 0.5 * (t == h) for t in training for h in held_out]
    weights = [np.full((1, 3), 1 / 3), np.full((1, 2), 1 / 2)]
    assert memorisation.membership_auc(training, held_out, *weights)[0] == pytest.approx(np.mean(pairs))
    weights = [np.array([[0.0, 0.0, 1.0]]), np.array([[0.5, 0.5]])]
    assert memorisation.membership_auc(training, held_out, *weights)[0] == 0.0


def test_a_moved_copy_is_a_copy_and_the_background_does_not_count():
    image_hu, mask = make_nodules(np.random.default_rng(2), 2, 4, 1, 24)
    other = np.random.default_rng(3).normal(-300.0, 80.0, image_hu.shape)
    moved_mask = np.roll(mask, (3, -2), (1, 2))
    moved = np.where(moved_mask, np.roll(image_hu, (3, -2), (1, 2)), other)
    first, second = (
        memorisation.nodule_vectors(*pair, WINDOW_HU) for pair in ((image_hu, mask), (moved, moved_mask))
    )
    np.testing.assert_array_equal(first, second)
    assert (first > 0).sum() == mask.sum()


@pytest.mark.filterwarnings("error")
def test_nothing_synthesised_is_nothing_audited():
    real = draw(0)
    result = audit(real, real[:0], OWNERS[:0])
    assert len(result) == 7 and np.isnan(list(result.values())).all()
    assert np.isfinite(audit(real, real[:15] + 1.0, OWNERS[:15])["membership_auc"])  # one fold only
