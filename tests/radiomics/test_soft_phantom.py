"""The differentiable face against the exact one on the phantom's nodules."""

import numpy as np
import pytest
from scipy import ndimage
from soft_agreement import find_disagreements

from radiogenomics.data import phantom


@pytest.fixture(scope="module")
def patches(full_config):
    """Images and masks [N, 32, 32] of the embedded phantom with fewer patients and genes."""
    config = full_config("phantom")
    config.phantom.update({"patients": 40, "genes": 300, "module_size": (8, 10), "decoys_per_driver": 1})
    config.data.backgrounds_per_patient = 1
    patients = phantom.simulate(config).patients
    images, masks = (
        np.concatenate([getattr(patient, field) for patient in patients]).astype(np.float32)
        for field in ("nodule_image_hu", "nodule_mask")
    )
    return images, masks, config.data.extent_mm / config.data.size


@pytest.mark.parametrize("sigma", [0.0, 0.5, 0.8])
def test_soft_features_rank_phantom_nodules_as_the_exact_ones_do(patches, sigma):
    images, masks, spacing_mm = patches
    masks = ndimage.gaussian_filter(masks, (0.0, sigma, sigma)) if sigma else masks
    assert (masks.max((1, 2)) >= 0.5).sum() > 150
    assert find_disagreements(images, masks, spacing_mm) == {}
