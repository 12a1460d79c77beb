"""Standard errors cover patients and seeds."""

import numpy as np

from radiogenomics.analysis import evidence_tables, statistics


def test_standard_errors_cover_patients_and_seeds():
    """Effects of patient, seed and both: over many studies the stated error is what the means scatter by."""
    resampled = statistics.bootstrap_weights([np.arange(20), np.arange(20, 40)], 200, 0)
    stated, means = [], []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        values = generator.standard_normal((3, 40)) + generator.standard_normal(40) * 2 + generator.normal(size=(3, 1))
        seeds = np.full((1, 1), np.var(values.mean(axis=1), ddof=1) / 3)
        error = evidence_tables._standard_error(values.mean(axis=0)[:, None, None], resampled, seeds)
        stated.append(error[0, 0] ** 2)
        means.append(values.mean())
    assert 0.85 < np.mean(stated) / np.var(means) < 1.25
