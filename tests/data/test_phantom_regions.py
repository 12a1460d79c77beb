"""A factor changes the image where it should, and nothing else moves."""

import numpy as np
import pytest

from radiogenomics.data import phantom_images, phantom_regions


@pytest.fixture(scope="module")
def changes(make_config):
    return phantom_regions.factor_changes(make_config(data={"size": 24, "extent_mm": 48.0}), nodules=3)


def test_every_factor_has_a_region_within_the_patch(changes):
    assert set(changes) == set(phantom_images.FACTORS)
    for change in changes.values():
        assert change.shape == (24, 24) and change.max() > 20.0
        assert np.abs(change[[0, 0, -1, -1], [0, -1, 0, -1]]).max() < 1.0
        np.testing.assert_allclose(change, change.T, atol=1e-3)


def test_regions_are_core_rim_and_inside(changes):
    middle = (slice(10, 14), slice(10, 14))
    relative = {name: change[middle].mean() / change.max() for name, change in changes.items()}
    assert min(relative[name] for name in ("core", "attenuation")) > 0.6
    assert max(relative[name] for name in ("diameter", "spiculation", "elongation")) < 0.4


def test_only_the_factor_differs(make_config):
    config = make_config(data={"size": 24, "extent_mm": 48.0})
    zero = dict.fromkeys(phantom_images.FACTORS, 0.0)
    one, two, bright = (
        phantom_images.draw_nodule(config, factors, np.random.default_rng(1), np.random.default_rng(2))[0]
        for factors in (zero, zero, zero | {"attenuation": 1.0})
    )
    np.testing.assert_array_equal(one, two)
    inside = np.abs(bright - one) > 1.0
    assert 0 < inside.mean() < 0.5 and np.ptp((bright - one)[5, 28:32, 28:32]) < 1.0  # a shift, no other texture
