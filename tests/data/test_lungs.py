import numpy as np
import pytest
from scipy import ndimage

from radiogenomics.data import lungs

SPACING = np.array([2.5, 2.0, 2.0])
SHAPE = (24, 120, 150)


@pytest.fixture
def chest(study):
    volume, mask = study.make_chest(SHAPE, SPACING, (12, 60, 40), 9.0)
    return volume, mask


@pytest.fixture
def config(files_config):
    files_config.data.extent_mm = 40.0
    files_config.data.backgrounds_per_patient = 6
    return files_config


def truth(volume):
    """Lung of `make_chest`: neither body, air nor nodule, vessels included."""
    return ndimage.binary_closing((volume < -200) & (volume > -950), np.ones((1, 3, 3)), iterations=2)


def fine(found, shape):
    mask = found.mask
    for axis, factor in enumerate(found.factors):
        mask = mask.repeat(factor, axis)
    return mask[: shape[0], : shape[1], : shape[2]]


def test_lungs_are_found_with_the_nodule(chest, config):
    volume, mask = chest
    found = lungs.segment_lungs(volume, mask, SPACING, config)
    segmented, wanted = fine(found, SHAPE), truth(volume) | mask
    assert 2 * (segmented & wanted).sum() / (segmented.sum() + wanted.sum()) > 0.93
    assert segmented[mask].mean() > 0.99
    assert found.fraction == pytest.approx(found.mask.mean() / found.measured.mean())


def test_the_trachea_is_no_lung(chest, config):
    volume, mask = chest
    _, rows, columns = np.indices(SHAPE)
    trachea = (rows - 60) ** 2 + (columns - 75) ** 2 < 6**2
    volume[trachea] = -990
    assert not (fine(lungs.segment_lungs(volume, mask, SPACING, config), SHAPE) & trachea).any()


def test_a_mattress_is_no_lung(chest, config):
    volume, mask = chest
    volume = np.where((np.arange(120) >= 112)[None, :, None] & (volume < -500), -930, volume).astype(np.int16)
    assert not fine(lungs.segment_lungs(volume, mask, SPACING, config), SHAPE)[:, 114:].any()


def test_background_centers_keep_their_distances(chest, config):
    volume, mask = chest
    found = lungs.segment_lungs(volume, mask, SPACING, config)
    centers, warnings = lungs.background_centers(found, mask, np.random.default_rng(0), config)
    assert len(centers) == 6 and warnings == []
    depth = ndimage.distance_transform_edt(found.mask, sampling=found.spacing_mm)
    for number, center in enumerate(centers):
        place = tuple(((center + 0.5) / found.factors).astype(int))
        assert 5 <= depth[place] <= 25
        away_mm = np.abs((np.argwhere(mask) - center) * SPACING)
        assert ((away_mm[:, 1:] > 20).any(axis=1) | (away_mm[:, 0] > 2.5)).all()
        assert (center[1:] * SPACING[1:] >= 18).all() and ((SHAPE[1:] - center[1:]) * SPACING[1:] >= 18).all()
        apart_mm = np.linalg.norm((np.delete(centers, number, axis=0) - center) * SPACING, axis=1)
        assert apart_mm.min() >= 10


def test_the_same_seed_gives_the_same_places(chest, config):
    volume, mask = chest
    found = lungs.segment_lungs(volume, mask, SPACING, config)
    first, again, other = (
        lungs.background_centers(found, mask, np.random.default_rng(seed), config)[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_small_field_of_view_is_told(chest, config):
    volume, mask = chest
    crop = (slice(None), slice(48, 72), slice(28, 52))
    volume, mask = volume[crop], mask[crop]
    found = lungs.segment_lungs(volume, mask, SPACING, config)
    centers, warnings = lungs.background_centers(found, mask, np.random.default_rng(0), config)
    assert len(centers) and "reach beyond the field of view" in warnings[0]


def test_without_lung_there_is_no_place(config):
    volume = np.full(SHAPE, 40, np.int16)
    mask = np.zeros(SHAPE, bool)
    found = lungs.segment_lungs(volume, mask, SPACING, config)
    centers, warnings = lungs.background_centers(found, mask, np.random.default_rng(0), config)
    assert centers.shape == (0, 3) and warnings == ["only 0 of 6 background patches found"]
