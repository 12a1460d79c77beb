"""Copies of training nodules are noticed; new nodules are not accused."""

import numpy as np
import pytest

from radiogenomics.analysis import memorisation


@pytest.fixture
def nodules():
    generator = np.random.default_rng(0)
    return generator.normal(-100.0, 100.0, (3, 12, 8, 8)), np.ones((12, 8, 8), bool)


def test_distance_is_root_mean_square_to_the_nearest():
    references = np.array([[0.0, 0.0], [10.0, 10.0]])
    np.testing.assert_allclose(
        memorisation.nearest_distance(np.array([[3.0, 4.0], [10.0, 10.0]]), references), [np.sqrt(12.5), 0.0], atol=1e-6
    )


def test_copies_are_noticed(nodules):
    (training, held_out, fresh), mask = nodules
    training, held_out, fresh = (memorisation.nodule_vectors(image, mask) for image in (training, held_out, fresh))
    honest = memorisation.audit(fresh, held_out, training)
    copied = memorisation.audit(training + 0.5, held_out, training)
    assert 0.8 < honest["ratio"] < 1.2 and honest["copies"] < 0.5
    assert copied["ratio"] < 0.1 and copied["copies"] == 1.0


def test_background_does_not_count(nodules):
    (image, other, _), mask = nodules
    mask[:, :4] = False
    changed = np.where(mask, image, other)
    np.testing.assert_array_equal(
        memorisation.nodule_vectors(image, mask), memorisation.nodule_vectors(changed, mask)
    )
