import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import spearmanr

from radiogenomics.errors import InputError
from radiogenomics.radiomics import exact_features, exact_table, feature_names


@pytest.fixture(scope="module")
def measured(nodules):
    """name -> [200] exact values of the nodules."""
    names = feature_names(2)
    values, _ = exact_table(nodules["image_hu"], nodules["binary"], nodules["spacing_mm"], names, range(200))
    return dict(zip(names, values.T, strict=True))


def _correlate(a, b):
    return spearmanr(a, b, nan_policy="omit").statistic


@pytest.mark.parametrize("ndim, size, roundness", [(2, 40, 0.95), (3, 30, 0.92)])
def test_a_ball_has_its_diameter_and_is_round(draw_ball, ndim, size, roundness):
    mask = draw_ball(size, ndim, 10.0)
    image = np.where(mask, 40.0, -800.0)
    values = exact_features(image, mask, 1.5, feature_names(ndim))
    assert values["equivalent_diameter_mm"] == pytest.approx(30.0, rel=0.02)
    assert values[feature_names(ndim)[3]] == pytest.approx(roundness, abs=0.02)
    assert values["elongation"] == pytest.approx(1.0, abs=1e-6)
    assert values["spiculation"] < 0.03
    assert values["mean_hu"] == 40.0
    assert values["sd_hu"] == values["texture_energy_hu"] == values["core_to_rim_hu"] == 0.0
    assert 840.0 / (2 * 1.5) * 0.7 < values["edge_sharpness_hu_per_mm"] < 840.0 / 1.5


@pytest.mark.parametrize("ndim", [2, 3])
def test_elongation_is_the_axis_ratio_and_does_not_count_as_spiculation(draw_ball, ndim):
    mask = draw_ball(34, ndim, 14.0, stretch=0.5)
    values = exact_features(np.zeros(mask.shape), mask, 1.0, ["elongation", "spiculation"])
    # IBSI compares the two longest axes, so a flattened ball is not elongated while a flattened disc is
    assert values["elongation"] == pytest.approx(0.5 if ndim == 2 else 1.0, abs=0.03)
    assert values["spiculation"] < 0.05


def test_a_long_ellipsoid_is_elongated(draw_ball):
    mask = draw_ball(34, 3, 7.0, stretch=2.0)
    assert exact_features(np.zeros(mask.shape), mask, 1.0, ["elongation"])["elongation"] == pytest.approx(0.5, abs=0.03)


def test_a_cavity_is_its_difference_to_the_rim_and_not_texture(draw_ball):
    mask, core = draw_ball(32, 2, 10.0), draw_ball(32, 2, 5.0)
    image = ndimage.gaussian_filter(np.where(core, -600.0, np.where(mask, 0.0, -800.0)), 0.7)
    values = exact_features(image, mask, 1.5, ["core_to_rim_hu", "texture_energy_hu", "sd_hu"])
    assert values["core_to_rim_hu"] == pytest.approx(-550.0, abs=50.0)
    assert values["texture_energy_hu"] < 0.2 * values["sd_hu"]


def test_lengths_scale_with_the_spacing_and_nothing_else_does(nodules):
    names = feature_names(2)
    one, two = (exact_features(nodules["image_hu"][0], nodules["binary"][0], mm, names) for mm in (1.0, 2.0))
    factors = {"equivalent_diameter_mm": 2.0, "edge_sharpness_hu_per_mm": 0.5}
    for name in names:
        assert two[name] == pytest.approx(one[name] * factors.get(name, 1.0))


@pytest.mark.parametrize(
    "feature, factor, least",
    [
        ("equivalent_diameter_mm", "diameter_mm", 0.99),
        ("mean_hu", "level_hu", 0.9),
        ("circularity", "spikes", -0.8),
        ("elongation", "axis_ratio", 0.9),
        ("spiculation", "spikes", 0.85),
        ("core_to_rim_hu", "core_hu", 0.8),
        ("texture_energy_hu", "texture_hu", 0.8),
        ("edge_sharpness_hu_per_mm", "level_hu", 0.8),
        ("edge_sharpness_hu_per_mm", "edge_mm", -0.3),
    ],
)
def test_each_feature_follows_its_factor(measured, nodules, feature, factor, least):
    assert _correlate(measured[feature], nodules["factors"][factor]) * np.sign(least) >= abs(least)


@pytest.mark.parametrize(
    "feature, factor",
    [
        ("spiculation", "axis_ratio"),
        ("spiculation", "diameter_mm"),
        ("spiculation", "texture_hu"),
        ("elongation", "diameter_mm"),
        ("elongation", "spikes"),
        ("texture_energy_hu", "core_hu"),
        ("texture_energy_hu", "level_hu"),
        ("core_to_rim_hu", "texture_hu"),
    ],
)
def test_features_ignore_factors_of_others(measured, nodules, feature, factor):
    assert abs(_correlate(measured[feature], nodules["factors"][factor])) < 0.25


@pytest.mark.parametrize("ndim", [2, 3])
def test_one_voxel_leaves_out_what_needs_more(ndim):
    image, mask = np.zeros([1] + [8] * ndim), np.zeros([1] + [8] * ndim, np.uint8)
    mask[(0,) + (3,) * ndim] = 1
    image[(0,) + (3,) * ndim] = 50.0
    names = feature_names(ndim)
    values, reasons = exact_table(image, mask, 2.0, names, ["p1"])
    finite = [name for name, value in zip(names, values[0], strict=True) if np.isfinite(value)]
    assert finite == ["equivalent_diameter_mm", "mean_hu", "edge_sharpness_hu_per_mm"]
    assert [(patch, name) for patch, name, _ in reasons] == [("p1", name) for name in names if name not in finite]


def test_table_keeps_a_row_of_nan_with_reasons_for_patches_that_cannot_be_measured(nodules):
    images, masks = nodules["image_hu"][:3].copy(), nodules["binary"][:3].copy()
    masks[1] = False
    images[2, 4, 4] = np.nan
    values, reasons = exact_table(images, masks, 1.5, ["mean_hu", "sd_hu"], ["a", "b", "c"])
    assert np.isfinite(values[0]).all() and np.isnan(values[1:]).all()
    assert [reason[:2] for reason in reasons] == [("b", "mean_hu"), ("b", "sd_hu"), ("c", "mean_hu"), ("c", "sd_hu")]
    assert "mask is empty" in reasons[0][2] and "not finite" in reasons[2][2]


def test_reasons_cover_every_nan_and_nothing_else(nodules):
    names = feature_names(2)
    values, reasons = exact_table(nodules["image_hu"], nodules["binary"], 1.5, names, range(200))
    missing = {(row, names[column]) for row, column in zip(*np.nonzero(np.isnan(values)), strict=True)}
    assert {reason[:2] for reason in reasons} == missing
    assert 0 < len(missing) < 40


@pytest.mark.parametrize(
    "change, message",
    [
        ({"mask": np.zeros((8, 8))}, "mask is empty"),
        ({"mask": np.full((8, 8), 0.4)}, "mask has the value 0.4"),
        ({"mask": np.ones((8, 7))}, "mask has shape"),
        ({"image_hu": np.full((8, 8), np.nan)}, "image_hu has 64 values"),
        ({"spacing_mm": 0.0}, "spacing_mm is 0.0"),
        ({"spacing_mm": float("nan")}, "spacing_mm is nan"),
        ({"names": ["mean_uh"]}, "'mean_hu'"),
        ({"image_hu": np.zeros(8), "mask": np.ones(8)}, "ndim=1"),
    ],
)
def test_bad_input_is_refused_by_field(change, message):
    good = {"image_hu": np.zeros((8, 8)), "mask": np.ones((8, 8)), "spacing_mm": 1.0, "names": ["mean_hu"]}
    with pytest.raises(InputError, match=message):
        exact_features(**good | change)


def test_table_refuses_a_wrong_number_of_ids():
    with pytest.raises(InputError, match="ids"):
        exact_table(np.zeros((2, 8, 8)), np.ones((2, 8, 8)), 1.0, ["mean_hu"], ["a"])
