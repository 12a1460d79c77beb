"""A patient's sample: the mask is cut at a half, and only what lies outside the soft mask counts as background."""

import numpy as np
import pytest
from made_up_run import NAMES, make_run

from radiogenomics.analysis import samples
from radiogenomics.radiomics import exact_features


def test_sample_is_measured_on_the_cut_mask():
    run = make_run(patients=4)
    background_hu = run.cohort.backgrounds.image_hu[:2].astype(np.float32)
    soft = np.zeros_like(background_hu)
    soft[:, 4:9, 5:9], soft[:, 9, 5:9] = 0.9, 0.3
    image_hu = np.where(soft > 0, 40.0 * soft, background_hu + np.float32([[[0.0]], [[-7.0]]]))
    sample = samples.measure_sample(run, NAMES, 3, image_hu, soft, background_hu)
    assert sample.row == 3 and sample.mask.sum() == 2 * 20 and sample.features.shape == (2, len(NAMES))
    assert sample.features[0, NAMES.index("mean_hu")] == pytest.approx(36.0)
    expected = exact_features(image_hu[1], soft[1] >= 0.5, 2.0, NAMES)
    assert sample.features[1].tolist() == pytest.approx([expected[name] for name in NAMES])
    assert sample.background_error_hu == pytest.approx(7.0)


def test_empty_mask_has_no_features():
    run = make_run(patients=4)
    background_hu = run.cohort.backgrounds.image_hu[:2].astype(np.float32)
    sample = samples.measure_sample(run, NAMES, 0, background_hu, np.zeros_like(background_hu), background_hu)
    assert np.isnan(sample.features).all() and sample.background_error_hu == 0.0
