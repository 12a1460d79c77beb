"""Masks: agreement with the image, and shapes against real ones."""

import numpy as np
import pytest

from radiogenomics.analysis import intervals, masks


@pytest.fixture(scope="module")
def nodules():
    generator = np.random.default_rng(0)
    mask = np.zeros((12, 24, 24), bool)
    mask[:, 8:16, 9:17] = True
    return np.where(mask, 0.0, -850.0) + 20.0 * generator.standard_normal(mask.shape), mask


OWNERS = np.repeat(np.arange(6), 2)
WEIGHTS = intervals.patient_weights([np.arange(6)], 50, 0)


def score(image_hu, mask, nodules, area=None):
    real = {"area": np.arange(12.0)}
    shapes = {"area": real["area"] if area is None else area}
    return masks.score_masks((image_hu, mask), OWNERS, shapes, nodules, OWNERS, real, WEIGHTS)


def test_mask_agreement(nodules):
    image, mask = nodules[0][0], nodules[1][0]
    assert masks.mask_agreement(image, mask) > 0.95
    assert masks.mask_agreement(image, np.roll(mask, 8, axis=0)) < 0.2
    assert masks.mask_agreement(image, np.zeros_like(mask)) == 0.0


def test_the_same_masks_score_as_real_ones(nodules):
    row = score(*nodules, nodules)
    assert row["dice"] == pytest.approx(row["dice_real"]) and row["dice"] > 0.95
    assert row["dice_low"] <= row["dice"] <= row["dice_high"]
    assert row["empty_share"] == 0.0 and row["area_share"] == row["area_share_real"] == pytest.approx(64 / 576)
    assert row["area_wasserstein"] == 0.0


def test_worse_masks_score_worse(nodules):
    image_hu, mask = nodules[0], nodules[1].copy()
    mask[OWNERS < 3] = np.roll(mask[OWNERS < 3], 4, axis=1)
    mask[0] = False
    row = score(image_hu, mask, nodules, area=np.arange(12.0) + 2.0)
    assert row["dice_low"] < row["dice"] < 0.85 and row["dice_high"] < row["dice_real"]
    assert row["empty_share"] == pytest.approx(1 / 12)
    assert row["area_wasserstein"] == pytest.approx(2.0 / np.arange(12.0).std())


@pytest.mark.filterwarnings("error")
def test_empty_masks_are_told(nodules):
    row = score(nodules[0], np.zeros_like(nodules[1]), nodules, area=np.full(12, np.nan))
    assert row["empty_share"] == 1.0 and row["dice"] == row["dice_high"] == row["area_share"] == 0.0
    assert np.isnan(row["area_wasserstein"]) and row["dice_real"] > 0.95
