import numpy as np
import pytest
from scipy import ndimage, stats
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
    factors = {
        "equivalent_diameter_mm": 2.0, "maximum_diameter_mm": 2.0, "perimeter_mm": 2.0, "area_mm2": 4.0,
        "edge_sharpness_hu_per_mm": 0.5,
    }
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
        ("maximum_diameter_mm", "diameter_mm", 0.9),
        ("perimeter_mm", "diameter_mm", 0.95),
        ("median_hu", "level_hu", 0.9),
        ("solid_fraction", "level_hu", 0.8),
        ("ground_glass_fraction", "level_hu", -0.6),
        ("lobulation", "spikes", 0.3),
        ("glcm_contrast", "texture_hu", 0.4),
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
def test_a_box_has_the_sizes_that_are_counted_by_hand(ndim):
    mask = np.zeros((12,) * ndim, bool)
    mask[(slice(2, 5), slice(3, 10), slice(4, 6))[:ndim]] = True
    image = np.where(mask, np.arange(12.0) - 500.0, 0.0)
    values = exact_features(image, mask, 2.0, feature_names(ndim))
    sides = np.array([3, 7, 2][:ndim])
    variances = np.sort((sides**2 - 1) / 12.0)
    counted = {2: ("area_mm2", 21 * 4.0), 3: ("volume_mm3", 42 * 8.0)}[ndim]
    assert values[counted[0]] == counted[1]
    # the contour lies half a voxel outside of the outermost centres
    corner = sides - 1 + np.eye(ndim)[1]
    assert values["maximum_diameter_mm"] == pytest.approx(2.0 * np.linalg.norm(corner))
    assert values["elongation"] == pytest.approx(np.sqrt(variances[-2] / variances[-1]))
    if ndim == 2:
        assert values["perimeter_mm"] == pytest.approx(2.0 * (2 * (2 + 6) + 4 * np.sqrt(0.5)))
    else:
        assert values["flatness"] == pytest.approx(np.sqrt(variances[0] / variances[-1]))


def test_attenuation_is_described_as_by_scipy_and_numpy():
    image, mask = np.random.default_rng(3).normal(-300.0, 400.0, (2, 12, 12))
    mask = mask > -300.0
    names = ["skewness", "kurtosis", "p10_hu", "median_hu", "p90_hu", "solid_fraction", "ground_glass_fraction"]
    values, inside = exact_features(image, mask, 1.0, names), image[mask]
    assert list(values.values()) == pytest.approx([
        stats.skew(inside), stats.kurtosis(inside), *np.percentile(inside, [10, 50, 90]),
        np.mean(inside > -160), np.mean((inside > -750) & (inside < -300)),
    ])


def test_cooccurrence_is_that_of_fixed_bins_of_50_hu():
    image = np.array([[-990.0, -930.0, 900.0]])  # levels 1, 2, 28
    values = exact_features(image, np.ones((1, 3)), 1.0, ["glcm_contrast", "glcm_joint_average", "glcm_joint_maximum"])
    assert list(values.values()) == [(1 + 26**2) / 2, (1 + 2 * 2 + 28) / 4, 0.25]


def test_constant_attenuation_leaves_out_what_divides_by_its_spread(draw_ball):
    mask = draw_ball(12, 2, 4.0)[None]
    values, reasons = exact_table(np.full(mask.shape, 30.0), mask, 1.0, feature_names(2), ["p1"])
    missing = {name: reason for _, name, reason in reasons}
    assert {name for name in missing if not name.startswith("glcm")} == {"skewness", "kurtosis"}
    assert "glcm_correlation" in missing and "glcm_contrast" not in missing
    assert "only one grey level" in missing["glcm_correlation"]


def test_lobes_are_lobulation_and_fine_spikes_are_not():
    y, x = np.indices((64, 64)) - 31.5
    angle, distance = np.arctan2(y, x), np.hypot(y, x)
    three, twelve = (
        exact_features(0.0 * y, distance < 20 * (1 + 0.15 * np.cos(waves * angle)), 1.0, ["lobulation", "spiculation"])
        for waves in (3, 12)
    )
    assert three["lobulation"] > 0.9 * three["spiculation"] > 0.08
    assert twelve["lobulation"] < 0.2 * twelve["spiculation"]


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_far_border_changes_nothing(nodules, draw_ball, ndim):
    mask = draw_ball(9, ndim, 3.3, stretch=1.2)
    image = np.random.default_rng(4).normal(-200.0, 200.0, (29,) * ndim)
    near, far = (slice(3, 26),) * ndim, np.pad(mask, 10)
    whole, part = (exact_features(image[box], far[box], 1.0, feature_names(ndim)) for box in ((...,), near))
    assert whole == pytest.approx(part, nan_ok=True)


@pytest.mark.parametrize("ndim", [2, 3])
def test_one_voxel_leaves_out_what_needs_more(ndim):
    image, mask = np.zeros([1] + [8] * ndim), np.zeros([1] + [8] * ndim, np.uint8)
    mask[(0,) + (3,) * ndim] = 1
    image[(0,) + (3,) * ndim] = 50.0
    names = feature_names(ndim)
    values, reasons = exact_table(image, mask, 2.0, names, ["p1"])
    finite = [name for name, value in zip(names, values[0], strict=True) if np.isfinite(value)]
    sizes = ["area_mm2", "perimeter_mm"] if ndim == 2 else ["volume_mm3", "surface_mm2"]
    assert finite == [
        "equivalent_diameter_mm", "mean_hu", "edge_sharpness_hu_per_mm", *sizes, "maximum_diameter_mm",
        "p10_hu", "median_hu", "p90_hu", "solid_fraction", "ground_glass_fraction",
    ]
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
        ({"image_hu": np.zeros(8), "mask": np.ones(8)}, "2 or 3 dimensions"),
    ],
)
def test_bad_input_is_refused_by_field(change, message):
    good = {"image_hu": np.zeros((8, 8)), "mask": np.ones((8, 8)), "spacing_mm": 1.0, "names": ["mean_hu"]}
    with pytest.raises(InputError, match=message):
        exact_features(**good | change)


def test_table_refuses_a_wrong_number_of_ids():
    with pytest.raises(InputError, match="ids"):
        exact_table(np.zeros((2, 8, 8)), np.ones((2, 8, 8)), 1.0, ["mean_hu"], ["a"])
