"""Extractors: they see the nodule and its margin, are the same every time, and training teaches them something."""

import jax
import numpy as np
import pytest
from made_up_run import WINDOW_HU, make_run

from radiogenomics.analysis import extractors

SPACING_MM = 2.0  # a margin of two steps


@pytest.fixture(scope="module")
def made_up():
    return make_run(patients=20, size=16)


def embed(params, image_hu, mask):
    return extractors.embed(params, image_hu, mask, SPACING_MM, WINDOW_HU)


@pytest.mark.parametrize("ndim", [2, 3])
def test_only_the_nodule_and_its_margin_decide(ndim):
    nodules = make_run(ndim, patients=2, slices=1).cohort.nodules
    image_hu, mask = nodules.image_hu.astype(np.float32), nodules.mask > 0
    params = extractors.random_weights(ndim)
    steps = np.stack([distance_steps(nodule) for nodule in mask])
    features = embed(params, image_hu, mask)
    assert features.shape == (2, 2 * sum(extractors.ENCODER.channels)) and features.std() > 0
    np.testing.assert_array_equal(features, embed(params, np.where(steps > 2, 300.0, image_hu), mask))
    for changed in (np.where(steps == 2, 300.0, image_hu), np.where(steps == 0, image_hu + 50.0, image_hu)):
        assert np.abs(features - embed(params, changed, mask)).max() > 1e-3


def distance_steps(mask):
    """Steps between face neighbours from each voxel to the mask, by a plain search."""
    inside = np.argwhere(mask)
    apart = np.abs(np.argwhere(np.ones_like(mask))[:, None] - inside[None]).sum(axis=2)
    return apart.min(axis=1).reshape(mask.shape)


def test_random_features_are_the_same_every_time_and_place(made_up):
    nodules = made_up.cohort.nodules
    image_hu, mask = nodules.image_hu[:5], nodules.mask[:5]
    features = embed(extractors.random_weights(2), image_hu, mask)
    np.testing.assert_array_equal(features, embed(extractors.random_weights(2), image_hu, mask))
    # A part of a batch, and another batch: only the nodule counts.
    np.testing.assert_allclose(embed(extractors.random_weights(2), image_hu[3:], mask[3:]), features[3:], rtol=1e-5)
    assert np.abs(features - embed(extractors.random_weights(2, seed=1), image_hu, mask)).max() > 1e-3


def test_many_patches_pass_in_parts(monkeypatch, made_up):
    nodules = made_up.cohort.nodules
    whole = embed(extractors.random_weights(2), nodules.image_hu, nodules.mask)
    monkeypatch.setattr(extractors, "CHUNK", 7)
    parts = embed(extractors.random_weights(2), nodules.image_hu, nodules.mask)
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)


def test_empty_masks_have_no_features(made_up):
    nodules = made_up.cohort.nodules
    mask = nodules.mask[:3].copy()
    mask[1] = 0
    features = embed(extractors.random_weights(2), nodules.image_hu[:3], mask)
    np.testing.assert_array_equal(np.isnan(features).all(axis=1), [False, True, False])
    assert np.isfinite(features[[0, 2]]).all()


def test_training_tells_nodules_of_unseen_patients_apart(made_up, monkeypatch):
    monkeypatch.setattr(extractors, "STEPS", 40)
    nodules = made_up.cohort.nodules
    sets = [np.arange(10), np.arange(5, 15)]
    trained = extractors.train_weights(
        nodules.image_hu, nodules.mask, nodules.patient, sets, SPACING_MM, WINDOW_HU, seed=0
    )
    assert len(trained) == 2
    unseen = np.flatnonzero(nodules.patient >= 15)[::3]
    crops = extractors.make_crops(nodules.image_hu[unseen], nodules.mask[unseen], SPACING_MM, WINDOW_HU)
    initial = extractors._initialise(jax.random.key(0), 2)
    generator = np.random.default_rng(0)
    pairs = [np.concatenate([extractors._make_view(crops, generator) for _ in range(2)]) for _ in range(8)]

    def loss(encoder):
        params = {"encoder": encoder, "projection": initial["projection"]}
        return np.mean([extractors.contrast(params, pair) for pair in pairs])

    for encoder in trained:
        assert loss(encoder) < loss(initial["encoder"]) - 0.05
    assert any(np.abs(one - other).max() > 1e-4 for one, other in zip(*map(jax.tree.leaves, trained), strict=True))


def test_views_are_of_the_same_nodules(made_up):
    nodules = made_up.cohort.nodules
    crops = extractors.make_crops(nodules.image_hu[:9], nodules.mask[:9], SPACING_MM, WINDOW_HU)
    view = extractors._make_view(crops, np.random.default_rng(1))
    np.testing.assert_array_equal(view[..., 1].sum(axis=(1, 2)), crops[..., 1].sum(axis=(1, 2)))
    np.testing.assert_array_equal((view[..., 0] != 0).sum(axis=(1, 2)), (crops[..., 0] != 0).sum(axis=(1, 2)))
    assert np.abs(view - crops).max() > 0.1


def test_training_sees_its_own_patients_only(made_up, monkeypatch):
    monkeypatch.setattr(extractors, "STEPS", 3)
    nodules = made_up.cohort.nodules
    changed = np.where((nodules.patient >= 10)[:, None, None], 400, nodules.image_hu)
    one, other = (
        extractors.train_weights(image, nodules.mask, nodules.patient, [np.arange(10)], SPACING_MM, WINDOW_HU, seed=3)
        for image in (nodules.image_hu, changed)
    )
    jax.tree.map(np.testing.assert_array_equal, one, other)
