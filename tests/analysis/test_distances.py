"""Distances: zero or one for the same distribution, closed forms, and plain loops as references."""

import numpy as np
import pytest

from radiogenomics.analysis import distances, intervals


def equal(count):
    return np.full((1, count), 1 / count)


def alike(generator, patients=40, patches=3, features=3, shift=0.0):
    """Patches around their patient's own centre, with their owners."""
    owners = np.repeat(np.arange(patients), patches)
    centres = generator.standard_normal((patients, features))[owners]
    return centres + shift + 0.2 * generator.standard_normal((len(owners), features)), owners


def test_kernel_distance_is_unbiased_for_patients_with_several_patches():
    generator = np.random.default_rng(0)

    def distance(shift):
        return distances.kernel_distance(*alike(generator), *alike(generator, patches=5, shift=shift), equal(40))[0]

    same = [distance(0.0) for _ in range(100)]
    assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(100)
    assert distance(0.7) > np.quantile(same, 0.99)


def test_kernel_distance_against_a_plain_loop():
    generator = np.random.default_rng(1)
    (first, one), (second, two) = alike(generator, 5, 2), alike(generator, 5, 3)
    weights = generator.dirichlet(np.ones(5), 2)
    expected = []
    for share in weights:
        total, pairs = 0.0, 0.0
        for p in range(5):
            for q in range(5):
                if p == q:
                    continue
                def mean(a, b):
                    return np.mean([(x @ y / 3 + 1) ** 3 for x in a for y in b])
                terms = mean(first[one == p], first[one == q]) + mean(second[two == p], second[two == q])
                terms -= mean(first[one == p], second[two == q]) + mean(first[one == q], second[two == p])
                total, pairs = total + share[p] * share[q] * terms, pairs + share[p] * share[q]
        expected.append(total / pairs)
    np.testing.assert_allclose(distances.kernel_distance(first, one, second, two, weights), expected, rtol=1e-10)


def test_a_bootstrap_does_not_move_the_kernel_distance():
    generator = np.random.default_rng(2)
    weights = intervals.patient_weights([np.arange(40)], 400, 0)
    values = distances.kernel_distance(*alike(generator), *alike(generator, shift=0.5), weights)
    assert abs(values[1:].mean() - values[0]) < 4 * values[1:].std() / np.sqrt(400)


def test_density_and_coverage_against_a_plain_loop():
    generator = np.random.default_rng(3)
    count, owners = 15, np.arange(15)
    first, second = generator.standard_normal((count, 2)), 0.6 * generator.standard_normal((count, 2))
    falls, covered = 0, 0
    for i in range(count):
        others = sorted(np.linalg.norm(first[i] - first[j]) for j in range(count) if j != i)
        near = [j for j in range(count) if j != i and np.linalg.norm(first[i] - second[j]) < others[4]]
        falls, covered = falls + len(near), covered + bool(near)
    density, coverage = distances.density_coverage(first, owners, second, owners, equal(count))
    assert density[0] == pytest.approx(falls / (5 * (count - 1)))
    assert coverage[0] == pytest.approx(covered / count)


def test_density_and_coverage_are_one_for_the_same_distribution_only():
    generator = np.random.default_rng(4)

    def measure(make):
        return np.mean([
            distances.density_coverage(*alike(generator), *make(), equal(40))[:, 0] for _ in range(20)
        ], axis=0)

    density, coverage = measure(lambda: alike(generator, patches=6))
    assert density == pytest.approx(1.0, abs=0.1) and coverage > 0.93
    density, coverage = measure(lambda: alike(generator, shift=6.0))
    assert density < 0.05 and coverage < 0.05
    values, owners = alike(generator)
    density, coverage = measure(lambda: (0.1 * values, owners))  # collapsed to the mean
    assert density > 1.3 and coverage < 0.9


def test_density_bootstrap_spreads_as_fresh_samples_do():
    generator = np.random.default_rng(5)
    fresh = [distances.density_coverage(*alike(generator), *alike(generator), equal(40))[0, 0] for _ in range(150)]
    weights = intervals.patient_weights([np.arange(40)], 300, 0)
    resampled = distances.density_coverage(*alike(generator), *alike(generator), weights)[0, 1:]
    assert 0.5 < resampled.std() / np.std(fresh) < 2.0


def exact_gaussian(generator, mean, covariance, count=60):
    """Values whose sample moments are exactly those asked for."""
    values = generator.standard_normal((count, len(mean)))
    values -= values.mean(axis=0)
    values = values @ np.linalg.inv(np.linalg.cholesky(np.cov(values.T, bias=True)).T)
    return values @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_gaussians_is_the_closed_form():
    generator = np.random.default_rng(6)
    owners = np.arange(60)
    first = exact_gaussian(generator, [0.0, 1.0], np.diag([4.0, 9.0]))
    second = exact_gaussian(generator, [3.0, 1.0], np.diag([1.0, 16.0]))
    distance = distances.frechet_distance(first, owners, second, owners, equal(60))
    assert distance[0] == pytest.approx(9.0 + (2 - 1) ** 2 + (3 - 4) ** 2)  # commuting: squared difference of the SDs
    assert distances.frechet_distance(first, owners, first, owners, equal(60))[0] == pytest.approx(0.0, abs=1e-6)
    correlated = exact_gaussian(generator, [0.0, 1.0], [[4.0, 3.0], [3.0, 9.0]])
    product = np.linalg.eigvals(np.diag([4.0, 9.0]) @ [[4.0, 3.0], [3.0, 9.0]])
    assert distances.frechet_distance(first, owners, correlated, owners, equal(60))[0] == pytest.approx(
        26.0 - 2 * np.sqrt(product).sum()
    )


def test_patients_count_alike_however_many_patches_they_have():
    first, owners = np.array([[0.0], [0.0], [0.0], [4.0]]), np.array([0, 0, 0, 1])
    second, one = np.array([[0.0], [4.0]]), np.array([0, 1])
    assert distances.frechet_distance(first, owners, second, one, equal(2))[0] == pytest.approx(0.0, abs=1e-9)
    edges = np.arange(0.0, 6.0)
    assert distances.histogram_distance(first[:, 0], owners, second[:, 0], one, equal(2), edges)[0] == 0.0


def test_histogram_distance_is_the_shift():
    values = np.random.default_rng(7).normal(-100.0, 50.0, 2000).round()
    owners = np.repeat(np.arange(10), 200)
    edges = np.arange(-1000.0, 502.0)
    shifted = distances.histogram_distance(values, owners, values + 30.0, owners, equal(10), edges)
    assert shifted[0] == pytest.approx(30.0, rel=1e-6)
