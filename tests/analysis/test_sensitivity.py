"""Variance shares are those that were put in, whatever the number of levels, and diversity is what it says."""

import types

import numpy as np
import pytest

from radiogenomics.analysis import sensitivity

FOLDS = [np.arange(0, 30), np.arange(30, 60)]


def draw(seed, genes, background, noise, rest, backgrounds=4, noises=4, interaction=0.0):
    """Features [60, B, N, 1] from random effects of the given SDs; the folds have backgrounds of their own."""
    generator = np.random.default_rng(seed)
    values = genes * generator.standard_normal((60, 1, 1)) + rest * generator.standard_normal((60, backgrounds, noises))
    for rows in FOLDS:
        values[rows] += background * generator.standard_normal((1, backgrounds, 1))
        values[rows] += noise * generator.standard_normal((1, 1, noises))
        values[rows] += interaction * generator.standard_normal((30, backgrounds, 1))
    return values[..., None]


def test_shares_of_a_table_without_error():
    """One effect at a time carries everything."""
    for source in ("genes", "background", "noise"):
        sds = dict.fromkeys(("genes", "background", "noise", "rest"), 0.0) | {source: 2.0}
        shares = sensitivity.share_variance(draw(0, **sds), FOLDS)
        assert {name: value[0] for name, value in shares.items()} == pytest.approx(
            {name: float(name == source) for name in shares}, abs=1e-12
        )


@pytest.mark.parametrize("backgrounds, noises", [(4, 4), (2, 7)])
def test_components_are_unbiased(backgrounds, noises):
    """Means over many tables are the variances put in: 4, 1, 0.25, and 1 + 2.25 of an interaction and error."""
    estimates = np.array([
        sensitivity.variance_components(
            draw(seed, 2.0, 1.0, 0.5, 1.0, backgrounds, noises, interaction=1.5)[FOLDS[0], ..., 0]
        )
        for seed in range(400)
    ])
    error = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - [4.0, 1.0, 0.25, 3.25]) < 4 * error).all()
    assert (error < [0.1, 0.1, 0.05, 0.05]).all()


def test_an_interaction_is_credited_to_the_rest_not_to_the_genes():
    shares = sensitivity.share_variance(draw(0, 0.0, 0.0, 0.0, 0.1, interaction=2.0), FOLDS)
    assert shares["rest"][0] > 0.9 and shares["genes"][0] < 0.1


def test_shares_sum_to_one_and_are_not_negative():
    for seed in range(20):
        shares = np.array(list(sensitivity.share_variance(draw(seed, 0.3, 0.0, 0.0, 1.0, 2, 2), FOLDS).values()))
        assert (shares >= 0.0).all() and shares.sum() == pytest.approx(1.0)


@pytest.mark.filterwarnings("error")
def test_constant_and_unknown_features_have_no_shares():
    constant, unknown = np.full((60, 4, 4, 1), -812.7), np.full((60, 4, 4, 1), np.nan)
    values = np.concatenate([constant, unknown, draw(0, 1.0, 0.0, 0.0, 0.1)], axis=-1)
    shares = sensitivity.share_variance(values, FOLDS)
    assert all(np.isnan(column[:2]).all() and np.isfinite(column[2]) for column in shares.values())


def test_a_patient_with_an_empty_mask_is_left_out():
    values = draw(0, 2.0, 1.0, 0.5, 1.0)
    complete = sensitivity.share_variance(values, [rows[1:] for rows in FOLDS])
    values[0, 1, 2] = values[30, 3, 3] = np.nan
    assert sensitivity.share_variance(values, FOLDS) == complete


def test_one_noise_or_one_background_leaves_its_share_open():
    shares = sensitivity.share_variance(draw(0, 2.0, 1.0, 0.0, 0.1, noises=1), FOLDS)
    assert np.isnan(shares["noise"]).all()
    assert shares["genes"][0] + shares["background"][0] + shares["rest"][0] == pytest.approx(1.0)
    shares = sensitivity.share_variance(draw(0, 2.0, 0.0, 0.0, 0.0, backgrounds=1, noises=1), FOLDS)
    assert shares["genes"][0] == pytest.approx(1.0)


def test_draws_are_taken_background_by_background():
    table = np.arange(6.0)[:, None] + np.array([0.0, 100.0])
    crossed = sensitivity.cross_draws([types.SimpleNamespace(row=1, features=table)], 3, 2, 3)
    assert crossed.shape == (3, 2, 3, 2) and np.isnan(crossed[[0, 2]]).all()
    np.testing.assert_array_equal(crossed[1, :, :, 0], [[0, 1, 2], [3, 4, 5]])


def test_diversity_against_its_definition():
    draws = draw(1, 5.0, 1.0, 2.0, 0.5)
    draws[7, 0, 0] = np.nan
    patches, owners = np.random.default_rng(0).standard_normal((120, 1)), np.repeat(np.arange(60), 2)
    found = sensitivity.measure_diversity(draws, patches, owners)
    noise = [np.sqrt(np.nanmean(np.nanvar(one[..., 0], axis=1, ddof=1))) for one in draws]
    background = [np.sqrt(np.nanmean(np.nanvar(one[..., 0], axis=0, ddof=1))) for one in draws]
    real = [patches[owners == owner].std(ddof=1) for owner in range(60)]
    assert found["noise"][0] == pytest.approx(np.mean(noise)) and found["real"][0] == pytest.approx(np.mean(real))
    assert found["background"][0] == pytest.approx(np.mean(background))
    assert found["ratio"][0] == pytest.approx(np.mean(noise) / np.mean(real))


@pytest.mark.filterwarnings("error")
def test_no_diversity_from_a_single_draw_or_slice():
    single = sensitivity.measure_diversity(draw(1, 5.0, 1.0, 2.0, 0.5, 1, 1), np.zeros((60, 1)), np.arange(60))
    assert all(np.isnan(values).all() for values in single.values())
