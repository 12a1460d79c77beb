"""Distances: zero for the same distribution, positive for another."""

import numpy as np
import pytest

from radiogenomics.analysis import realism


def test_kernel_distance_is_unbiased():
    generator = np.random.default_rng(0)
    patients = np.arange(30)

    def distance(a, b):
        return realism.kernel_distance(a, patients, b, patients)

    same = [distance(*generator.standard_normal((2, 30, 4))) for _ in range(300)]
    assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(300)
    shifted = distance(generator.standard_normal((30, 4)), generator.standard_normal((30, 4)) + 1.0)
    assert shifted > np.quantile(same, 0.99)


def test_floor_is_zero_although_patches_of_a_patient_are_alike():
    generator = np.random.default_rng(2)
    owners = np.repeat(np.arange(60), 4)
    real, alike = (generator.standard_normal((60, 3))[owners] + 0.1 * generator.standard_normal((240, 3)) for _ in "ab")
    distance = realism.radiomic_distance(real, owners, alike, owners, 60, 0)
    assert abs(distance["floor"]) < 0.1
    assert distance["kid_low"] < distance["kid"] < distance["kid_high"]


def test_radiomic_distance_between_patients():
    generator = np.random.default_rng(1)
    owners = np.repeat(np.arange(20), 3)
    real = generator.standard_normal((60, 3)) * [1.0, 100.0, 0.01]
    near = generator.standard_normal((60, 3)) * [1.0, 100.0, 0.01]
    near[5, 1] = np.nan  # left out
    close = realism.radiomic_distance(real, owners, near, owners, 50, 0)
    far = realism.radiomic_distance(real, owners, near + [3.0, 0.0, 0.0], owners, 50, 0)
    assert close["kid_low"] <= close["kid"] + 0.5 and close["kid"] < 0.5 < far["kid_low"]
    assert abs(close["floor"]) < 1.0


def test_mask_agreement():
    generator = np.random.default_rng(0)
    mask = np.zeros((24, 24), bool)
    mask[8:16, 9:17] = True
    image = np.where(mask, 0.0, -850.0) + 20.0 * generator.standard_normal((24, 24))
    assert realism.mask_agreement(image, mask) > 0.95
    assert realism.mask_agreement(image, np.roll(mask, 8, axis=0)) < 0.2
    assert realism.mask_agreement(image, np.zeros_like(mask)) == 0.0


def test_hu_distance_is_the_shift():
    values = np.random.default_rng(0).normal(-100.0, 50.0, 1000)
    assert realism.hu_distance(values, values + 30.0) == pytest.approx(30.0, rel=1e-6)
