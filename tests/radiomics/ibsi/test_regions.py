import numpy as np
import pytest

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi.regions import prepare_regions
from radiogenomics.radiomics.ibsi.settings import FixedBinNumber, FixedBinSize, Settings, check_settings

ONE_MM = (1.0, 1.0, 1.0)


def line(values):
    """A region [1, 1, 1, X] of these HU, all of it in the mask."""
    image = np.array(values, float)[None, None, None]
    return image, np.ones(image.shape, bool)


@pytest.mark.parametrize(
    "bins, expected",
    [
        (FixedBinSize(25.0, -1000.0), [1, 1, 2, 41, 57]),
        (FixedBinSize(25.0, -1000.0, 400.0), [1, 1, 2, 41, 56]),
        (FixedBinSize(25.0, -980.0), [1, 1, 1, 40, 56]),
        (FixedBinSize(25.0, None), [1, 1, 2, 41, 57]),
        (FixedBinNumber(10), [1, 1, 1, 8, 10]),
        (FixedBinNumber(1), [1, 1, 1, 1, 1]),
    ],
)
def test_grey_levels_are_counted_from_one(bins, expected):
    regions = prepare_regions(*line([-1000.0, -976.0, -975.0, 0.0, 400.0]), ONE_MM, Settings(bins=bins))
    assert regions.levels[0, 0, 0].tolist() == expected
    assert regions.level_count.tolist() == [max(expected)]


@pytest.mark.parametrize("number", [3, 7, 20, 25, 50, 100])
def test_whole_multiples_of_the_width_begin_their_level(number):
    for extent in range(2, 400, 7):
        whole = np.arange(extent + 1)
        found = prepare_regions(*line(whole - 30.0), ONE_MM, Settings(bins=FixedBinNumber(number))).levels[0, 0, 0]
        assert found.tolist() == np.minimum(number * whole // extent + 1, number).tolist()


def test_a_region_of_one_intensity_has_one_level():
    for bins in (FixedBinNumber(8), FixedBinSize(25.0, None)):
        assert (prepare_regions(*line([7.0, 7.0]), ONE_MM, Settings(bins=bins)).levels == 1).all()


def test_resegmentation_keeps_the_morphological_mask():
    image, mask = line([-1200.0, -500.0, 0.0, 400.0, 401.0])
    regions = prepare_regions(image, mask, ONE_MM, Settings(range_hu=(-1000.0, 400.0)))
    assert regions.mask.all()
    assert regions.intensity_mask[0, 0, 0].tolist() == [False, True, True, True, False]
    assert ((regions.levels > 0) == regions.intensity_mask).all()


def test_outliers_are_judged_by_what_the_range_has_left():
    image, mask = line([0.0] * 50 + [10.0] * 50 + [100.0, 5000.0])
    kept = prepare_regions(image, mask, ONE_MM, Settings(range_hu=(-1000.0, 1000.0), outlier_sd=3.0)).intensity_mask
    assert kept[0, 0, 0].tolist() == [True] * 100 + [False] * 2
    alone = prepare_regions(image, mask, ONE_MM, Settings(outlier_sd=3.0)).intensity_mask
    assert alone[0, 0, 0].tolist() == [True] * 101 + [False]  # the absurd value hides the other


def test_resampling_aligns_the_centres_of_both_grids():
    z, y, x = np.meshgrid(np.arange(6.0), np.arange(8.0), np.arange(10.0), indexing="ij")
    image = 3.0 * 10.0 * z + 2.0 * 10.0 * y + 10.0 * x  # linear: interpolation is exact inside of the grid
    regions = prepare_regions(image[None], np.ones((1, 6, 8, 10), bool), (3.0, 2.0, 1.0), Settings(resample_mm=1.0))
    assert regions.image.shape == (1, 18, 16, 10) and regions.spacing_mm == ONE_MM
    inner = regions.image[0, 1:-1, 1:-1]
    assert inner.mean() == pytest.approx(image.mean(), abs=0.5)
    assert np.allclose(np.diff(inner, axis=0), 10.0, atol=1.0) and np.allclose(np.diff(inner, axis=1), 10.0, atol=1.0)
    assert (regions.image == np.rint(regions.image)).all()


def test_resampling_keeps_the_size_of_a_region_and_a_patch_flat():
    mask = np.zeros((1, 1, 20, 20), bool)
    mask[0, 0, 5:15, 5:15] = True
    settings = Settings(resample_mm=0.5)
    regions = prepare_regions(np.zeros(mask.shape), mask, (1.0, 1.0, 1.0), settings)
    assert regions.image.shape == (1, 1, 40, 40)
    assert regions.mask.sum() * 0.25 == pytest.approx(100.0, rel=0.05)


def test_what_is_given_as_grey_levels_must_be_grey_levels():
    assert prepare_regions(*line([1, 2, 5]), ONE_MM, Settings(bins=None)).levels[0, 0, 0].tolist() == [1, 2, 5]
    for wrong in (0.0, 1.5, -3.0):
        with pytest.raises(InputError, match=f"image_hu is {wrong:g} .* grey levels"):
            prepare_regions(*line([1.0, wrong]), ONE_MM, Settings(bins=None))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"bins": "25"}, "bins is '25'"),
        ({"bins": FixedBinSize(0.0)}, "width is 0.0"),
        ({"bins": FixedBinSize(25.0, -1000.0, -1200.0)}, "highest is -1200.0"),
        ({"bins": FixedBinNumber(0)}, "number is 0"),
        ({"aggregation": "3D"}, "aggregation is '3D'"),
        ({"spline_order": 2}, "spline_order is 2"),
        ({"range_hu": (400.0, -1000.0)}, "range_hu is"),
        ({"range_hu": (400.0,)}, "range_hu is"),
        ({"range_hu": ("a", "b")}, "range_hu is"),
        ({"resample_mm": 0.0}, "resample_mm is 0.0"),
        ({"resample_mm": (1.0, 2.0)}, "resample_mm is"),
        ({"resample_mm": "x"}, "resample_mm is x"),
        ({"bins": FixedBinSize(25.0, np.nan)}, "lowest is nan"),
        ({"bins": FixedBinNumber(2.5)}, "number is 2.5"),
        ({"outlier_sd": -3.0}, "outlier_sd is -3.0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        check_settings(Settings(**change))
    check_settings(Settings())


def test_more_grey_levels_than_a_matrix_can_have_are_refused():
    for image, bins in (([1.0, 5001.0], None), ([0.0, 1e12], FixedBinSize()), ([0.0, 9.0], FixedBinSize(1e-3))):
        with pytest.raises(InputError, match="grey levels, expected at most 5000"):
            prepare_regions(*line(image), ONE_MM, Settings(bins=bins))
    check_settings(Settings(bins=FixedBinSize(25.0, None, -50.0)))
