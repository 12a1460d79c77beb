"""Regions are what they are said to be, move with the mask, and their means have the right slopes."""

import types

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from radiogenomics.analysis import (
    evidence_tables,
    features,
    gene_effects,
    patient_effects,
    regions,
    statistics,
    synthesis,
)

INDICES = np.indices((24, 24)) - 11.5


def disc(radius):
    return (np.hypot(*INDICES) < radius).astype(np.float32)


def layered(radius):
    """A patch of known regional means: core 100, rim -100, lung -800 HU."""
    distance = np.hypot(*INDICES)
    return np.select([distance < radius / 2, distance < radius], [100.0, -100.0], -800.0).astype(np.float32)


def test_means_of_a_layered_disc():
    means = regions.region_means(layered(8.0)[None], disc(8.0)[None], 1.0)
    np.testing.assert_allclose(means[0], [100.0, -100.0, -800.0], atol=12.0)


def test_regions_are_a_partition():
    ball = np.square(np.indices((20, 20)) - 9.5).sum(axis=0) < 36
    found = regions.nodule_regions(ball, 1.0)
    assert list(found) == [*regions.REGIONS, "outside"]
    np.testing.assert_array_equal(sum(region.astype(int) for region in found.values()), 1)
    np.testing.assert_array_equal(found["core"] | found["rim"], ball)
    assert found["core"][9, 9] and found["rim"][9, 4] and found["margin"][9, 2] and found["outside"][0, 0]


def test_a_region_without_a_voxel_has_no_mean():
    means = regions.region_means(np.zeros((2, 24, 24)), np.stack([disc(8.0), np.zeros((24, 24))]), 1.0)
    assert np.isfinite(means[0]).all() and np.isnan(means[1]).all()


def test_growth_alone_moves_the_regions_not_their_means():
    """Discs of one attenuation that grow: far less on average than what fixed rim and margin brighten."""
    def patch(radius):
        mask = jax.nn.sigmoid((radius - jnp.hypot(*INDICES)) / 0.5)
        return -100.0 * mask - 800.0 * (1.0 - mask), mask

    def slopes(radius):
        fixed = jax.lax.stop_gradient(regions.region_weights(regions.SoftRegion(*patch(radius), 1.0)))
        means = (lambda r: regions.soft_region_means(*patch(r), 1.0)[0]), (lambda r: (
            (fixed * patch(r)[0]).sum(axis=(1, 2)) / fixed.sum(axis=(1, 2))
        ))
        return jnp.stack([jax.jvp(mean, (radius,), (1.0,))[1] for mean in means])

    moving, standing = np.asarray(jax.jit(jax.vmap(slopes))(jnp.linspace(7.0, 8.0, 11))).mean(axis=0)
    assert (standing[1:] > 80.0).all() and (np.abs(moving[1:]) < 0.5 * standing[1:]).all() and abs(moving[0]) < 1.0


def test_real_means_are_of_the_patients_patches(run):
    found = regions.real_region_means(run)
    nodules, row = run.cohort.nodules, 3
    each = regions.region_means(nodules.image_hu, nodules.mask, run.cohort.spacing_mm)
    np.testing.assert_allclose(found[row], np.nanmean(each[nodules.patient == row], axis=0), rtol=1e-5)
    assert found.shape == (24, 3) and (found[:, 1] > found[:, 2]).all()


def test_regions_stand_in_the_map_with_evidence_and_gate(run, mapped, workdir):
    for name in ("association", "se", "score", "p", "q", "p_max"):
        assert mapped[f"region_{name}"].dims == ("gene", "region") and np.isfinite(mapped[f"region_{name}"]).all()
        assert mapped[f"metagene_region_{name}"].dims == ("metagene", "region")
    assert (mapped["region_p_max"] >= mapped["region_p"] - 1e-6).all() and mapped["region_supported"].dtype == bool
    real = features.adjust_features(run, regions.real_region_means(run))
    order = [run.cohort.patients.index(name) for name in mapped["patient"].values]
    np.testing.assert_allclose(mapped["region_value"], real[order], rtol=1e-4, atol=1e-2)
    assert len((workdir / "regions.csv").read_text().splitlines()) == 1 + 3 * (200 + 5)


def test_regional_gradients_are_slopes_of_regional_means(run):
    fold, settings = run.folds[0], run.config.map
    draws = synthesis.make_draws(run, fold, settings.backgrounds, settings.noises)
    rows = fold.held_out[:1]
    gradients = patient_effects.component_gradients(run, features.feature_list(run.config), with_regions=True)
    slope = gradients(fold, rows, draws)[0, -3:]
    means = jax.jit(synthesis.mean_measures(run, [regions.region_measure(run)]))
    steps = 0.02 * np.eye(5, dtype=np.float32)[:2]
    start = fold.components[rows[0]]
    expected = [
        np.subtract(*(means(fold.variables, start + sign * step, draws) for sign in (1, -1))) / 0.04 for step in steps
    ]
    assert slope.shape == (3, 5)
    np.testing.assert_allclose(slope[:, :2].T, expected, atol=0.05 * np.abs(expected).max() + 0.05)


def test_a_region_that_genes_drive_is_found():
    """Made-up effects: gene 0 drives the core, nothing drives the rest; one family over genes and regions."""
    generator = np.random.default_rng(0)
    genes, real = generator.standard_normal((60, 4)), generator.standard_normal((60, 3))
    real[:, 0] += 1.5 * genes[:, 0]
    halves, patients = [np.arange(30), np.arange(30, 60)], np.arange(60)
    associated, gradient = np.ones((60, 5, 4)), np.ones((60, 5, 1))
    effects = patient_effects.Effects(gradient, associated, associated[:, :2], real + 0.3, None, None)
    tested = [
        gene_effects.MappedFold(gradient[rows], genes[:, :1], genes, np.setdiff1d(patients, rows), rows)
        for rows in halves
    ]
    run = types.SimpleNamespace(
        config=ml_collections.ConfigDict({"seed": 0, "map": {"permutations": 199, "bootstraps": 20}}),
        folds=[types.SimpleNamespace(held_out=rows) for rows in halves],
        cohort=types.SimpleNamespace(patients=patients),
    )
    weights = statistics.bootstrap_weights(halves, 20, 0)
    summary = gene_effects.summarise(tested, real[:, :2], [], weights)
    table = evidence_tables.region_table(
        run, effects, summary, [np.zeros((5, 4))] * 2, (tested, tested), real, halves, weights
    )
    assert float(table["region_p_max"].sel(region="core")[0]) == pytest.approx(0.005)
    others = np.delete(table["region_p_max"].values.ravel(), 0)
    assert (others > 0.05).all() and table["region_supported"].all()
