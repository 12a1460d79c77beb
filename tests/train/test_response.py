"""The response surface: it finds planted links of every kind, and only in the training patients."""

import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models.response import expect_features, flat_surface, intend_features, set_no_limits
from radiogenomics.train import folds, response

SPREAD = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.5]])


@pytest.fixture(scope="module")
def fitted():
    """(components, targets, response variables) of 120 patients with a linear, a U-shaped and an interaction link.

    A patient has four patches, which differ from what its genes let expect by `SPREAD` times white noise.
    """
    generator = np.random.default_rng(0)
    components = generator.standard_normal((240, 8)).astype(np.float32)
    signals = [components[:, 0], (components[:, 1] ** 2 - 1) / np.sqrt(2), components[:, 2] * components[:, 3]]
    targets = np.stack(signals, axis=1) + 0.3 * generator.standard_normal((240, 3))
    owners = np.repeat(np.arange(120), 4)
    patches = np.stack(signals, axis=1)[owners] + generator.standard_normal((480, 3)) @ SPREAD
    design = np.zeros((120, 0))
    return components, targets, response.fit_response(components[:120], design, targets[:120], patches, owners, 0)


def test_planted_links_are_expected_of_new_patients(fitted):
    components, targets, variables = fitted
    expected = np.asarray(expect_features(variables["encoder"]["surface"], components[120:]))
    for feature in range(3):
        assert np.corrcoef(expected[:, feature], targets[120:, feature])[0, 1] > 0.85


def test_expectation_is_the_polynomial_of_its_terms(fitted):
    components, _, variables = fitted
    surface = variables["encoder"]["surface"]
    u = components[0].astype(float)
    by_hand = [
        surface.constant[f] + surface.linear[f] @ u + u @ surface.quadratic[f] @ u for f in range(3)
    ]
    np.testing.assert_allclose(expect_features(surface, components[0]), by_hand, rtol=1e-4, atol=1e-5)


def test_links_too_weak_for_the_lasso_keep_their_direction():
    """Forty features, each weakly linked to one of eight components; what the lasso keeps has few terms."""
    generator = np.random.default_rng(0)
    components = generator.standard_normal((60, 8)).astype(np.float32)
    linked = np.arange(40) % 8
    targets = 0.25 * components[:, linked] + generator.standard_normal((60, 40))
    surface = response.fit_response(
        components, np.zeros((60, 0)), targets, targets, np.arange(60), 0
    )["encoder"]["surface"]
    weak = (surface.linear != 0).all(axis=1) & (surface.quadratic == 0).all(axis=(1, 2))
    own = surface.linear[weak, linked[weak]]
    assert weak.sum() > 10 and (own > 0).mean() > 0.8
    assert 0.005 < own.mean() < 0.25


def test_scatter_has_the_covariance_of_what_genes_do_not_determine(fitted):
    noise = np.random.default_rng(1).standard_normal((40_000, 5)).astype(np.float32)
    drawn = np.asarray(intend_features(0.0, jnp.asarray(fitted[2]["scatter"]), set_no_limits(3), noise))
    np.testing.assert_allclose(np.cov(drawn.T), SPREAD.T @ SPREAD, atol=0.2)


def test_no_nodule_beyond_the_training_patches_is_asked_for(fitted):
    limits = fitted[2]["limits"]
    far = np.array([[100.0, 0.0, -100.0]])
    intended = np.asarray(intend_features(far, np.zeros((3, 3)), limits, np.zeros((1, 5))))
    np.testing.assert_array_equal(intended, [[limits[1, 0], 0.0, limits[0, 2]]])


def test_a_flat_surface_expects_nothing():
    np.testing.assert_array_equal(expect_features(flat_surface(2, 4), jnp.ones((3, 4))), np.zeros((3, 2)))


def test_it_is_fitted_on_training_patients_only(trainer, cohort, config):
    rows = folds.training_rows(cohort, "fold_0")
    transform = trainer.transforms["fold_0"]
    patches = trainer.features.copy()
    before = folds.fit_response(config, cohort, rows, transform, patches)
    patches[~np.isin(cohort.nodules.patient, rows)] += 1000.0
    after = folds.fit_response(config, cohort, rows, transform, patches)
    np.testing.assert_array_equal(before["scatter"], after["scatter"])
    for name in ("constant", "linear", "quadratic"):
        np.testing.assert_array_equal(
            getattr(before["encoder"]["surface"], name), getattr(after["encoder"]["surface"], name)
        )
