import numpy as np
import pytest
from scipy import ndimage

from radiogenomics.errors import InputError
from radiogenomics.radiomics import ibsi


@pytest.fixture(scope="module")
def nodules():
    """Six textured discs of different size: images [6, 24, 24] in HU and masks."""
    generator = np.random.default_rng(3)
    y, x = np.meshgrid(*[np.arange(24) - 11.5] * 2, indexing="ij")
    masks = np.stack([y**2 + x**2 <= radius**2 for radius in (3, 4, 5, 6, 8, 10)])
    texture = ndimage.gaussian_filter(generator.standard_normal(masks.shape), (0, 0.8, 0.8))
    return np.where(masks, -100.0 + 300.0 * texture, -850.0), masks


def test_one_patch_is_a_table_by_feature(nodules):
    images, masks = nodules
    table = ibsi.extract(images[3], masks[3], 0.8)
    assert list(table.columns) == ["family", "code", "unit", "aggregation", "value"]
    assert table.index.is_unique and np.isfinite(table["value"]).all()
    assert set(table["family"]) == set(ibsi.CORE)
    assert table.loc["stat_mean", "value"] == pytest.approx(images[3][masks[3]].mean())
    assert table.loc["stat_mean", "code"] == "Q4LE" and table.loc["stat_mean", "unit"] == "HU"
    assert table.loc["glcm_joint_entropy", "aggregation"] == "2D, slice-merged"
    assert table.loc["glszm_zone_percentage", "aggregation"] == "2D"
    assert table.loc["stat_mean", "aggregation"] == ""


def test_every_feature_has_a_definition_and_a_name_of_its_family():
    for ndim in (2, 3):
        described = ibsi.describe_features(ibsi.Settings(families=tuple(ibsi.FAMILIES)), ndim)
        assert described.index.is_unique
        for name, row in described.iterrows():
            assert len(row["definition"]) > 15 and row["definition"].endswith("."), name
            assert row["code"] in row["definition"], name
        codes = described.loc[described["code"] != "", "code"]
        # two features of the intensity-volume histogram exist at 10 % and at 90 %
        assert codes.duplicated().sum() == 2
    assert (described["code"] != "").all()  # 2-D shape has none


def test_many_patches_are_each_alone(nodules):
    images, masks = nodules
    settings = ibsi.Settings(families=tuple(ibsi.FAMILIES))
    table, reasons = ibsi.extract_table(images, masks, 0.8, list("abcdef"), settings)
    assert reasons == [] and list(table.index) == list("abcdef")
    for row in (0, 5):
        alone, _ = ibsi.extract_table(images[row:][:1], masks[row:][:1], 0.8, ["x"], settings)
        np.testing.assert_allclose(alone.iloc[0], table.iloc[row], rtol=1e-9, atol=1e-9)


def test_blocks_do_not_change_values(nodules, monkeypatch):
    images, masks = nodules
    whole, _ = ibsi.extract_table(images, masks, 0.8, range(6), ibsi.Settings())
    monkeypatch.setattr("radiogenomics.radiomics.ibsi.table.VOXELS_AT_ONCE", 24 * 24 * 2)
    monkeypatch.setattr("radiogenomics.radiomics.ibsi.table.CELLS_AT_ONCE", 10)
    blocks, _ = ibsi.extract_table(images, masks, 0.8, range(6), ibsi.Settings())
    np.testing.assert_allclose(blocks, whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("aggregation", ibsi.AGGREGATIONS)
def test_a_volume_has_every_aggregation(nodules, aggregation):
    images, masks = nodules
    values = ibsi.extract(images, masks, (2.0, 0.8, 0.8), aggregation=aggregation)["value"]
    assert np.isfinite(values).all()


def test_merging_matters(nodules):
    images, masks = nodules
    contrast = {
        name: ibsi.extract(images, masks, 1.0, families=("glcm",), aggregation=name).loc["glcm_contrast", "value"]
        for name in ibsi.AGGREGATIONS
    }
    assert len({round(value, 6) for value in contrast.values()}) == 6


def test_texture_ignores_shifts_of_whole_bins_and_intensity_does_not(nodules):
    images, masks = nodules
    one, two = (ibsi.extract(image, masks[4], 1.0)["value"] for image in (images[4], images[4] + 50.0))
    for name in ("glcm_contrast", "glrlm_short_runs_emphasis", "glszm_zone_percentage", "morph_circularity"):
        assert one[name] == pytest.approx(two[name])
    assert two["stat_mean"] == pytest.approx(one["stat_mean"] + 50.0)


def test_what_one_voxel_does_not_have_is_an_error_or_a_reason():
    image, mask = np.zeros((8, 8)), np.zeros((8, 8))
    mask[3, 3] = 1
    with pytest.raises(InputError, match="patient R01-001: feature stat_skewness .* the region has one voxel"):
        ibsi.extract(image, mask, 1.0, patient="R01-001", families=("statistics",))
    table, reasons = ibsi.extract_table(image[None], mask[None], 1.0, ["R01-001"], ibsi.Settings())
    missing = set(table.columns[table.iloc[0].isna()])
    assert {feature for _, feature, _ in reasons} == missing and "glcm_contrast" in missing
    assert {(patient, reason) for patient, _, reason in reasons} == {
        ("R01-001", "the region has one voxel, more are needed")
    }
    assert table.loc["R01-001", "stat_mean"] == 0.0


def test_a_region_of_one_intensity_says_so(nodules):
    _, masks = nodules
    with pytest.raises(InputError, match="feature stat_skewness is not defined: the region has one grey level"):
        ibsi.extract(np.full((24, 24), 30.0), masks[2], 1.0)


def test_faulty_patches_are_rows_of_nan_with_their_reason(nodules):
    images, masks = nodules[0].copy(), nodules[1].astype(np.uint8)
    masks[1] = 0
    images[2, 0, 0] = np.inf
    masks[3, 12, 12] = 7
    settings = ibsi.Settings(families=("statistics",), range_hu=(-2000.0, 3000.0))
    table, reasons = ibsi.extract_table(images, masks, 1.0, list("abcdef"), settings)
    assert table.isna().all(axis=1).tolist() == [False, True, True, True, False, False]
    told = {patient: reason for patient, _, reason in reasons}
    assert "mask is empty" in told["b"] and "not finite" in told["c"] and "the value 7" in told["d"]
    none, reasons = ibsi.extract_table(images[4:], masks[4:], 1.0, "ef", ibsi.Settings(range_hu=(5000.0, 6000.0)))
    assert none.filter(like="stat_").isna().all(axis=None) and none["morph_perimeter"].notna().all()
    assert reasons[0][2] == "re-segmentation leaves no voxel of the mask"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"families": ("glmc",)}, "'glmc' is unknown, .* 'glcm'"),
        ({"families": "glcm"}, "single string 'glcm'"),
        ({"families": ()}, "at least one"),
        ({"families": ("glcm", "glcm")}, "each once"),
        ({"aggregation": "3D, merged"}, "'3D, merged', expected a 2D or 2.5D one"),
        ({"mask": np.zeros((8, 8))}, "patient P7: mask is empty"),
        ({"mask": np.ones((9, 8))}, "patient P7: mask has shape"),
        ({"image_hu": np.full((8, 8), np.nan)}, "patient P7: image_hu has 64"),
        ({"spacing_mm": (1.0, 0.0)}, "patient P7: spacing_mm is"),
        ({"spacing_mm": (1.0, 1.0, 1.0)}, "patient P7: spacing_mm is"),
        ({"binz": 3}, "'binz' is no setting, .* bins"),
        ({"image_hu": np.zeros(8), "mask": np.ones(8)}, "2 or 3 dimensions"),
    ],
)
def test_bad_input_is_refused_by_field(change, message):
    good = {"image_hu": np.arange(64.0).reshape(8, 8), "mask": np.ones((8, 8)), "spacing_mm": 1.0, "patient": "P7"}
    with pytest.raises(InputError, match=message):
        ibsi.extract(**good | change)


def test_lists_that_do_not_agree_are_refused():
    with pytest.raises(InputError, match="ids"):
        ibsi.extract_table(np.zeros((2, 8, 8)), np.ones((2, 8, 8)), 1.0, ["a"], ibsi.Settings())


def test_an_open_range_leaves_the_volume_histogram_its_own_end(nodules):
    images, masks = nodules
    one, two = (
        ibsi.extract(images[4], masks[4], 1.0, families=("volume_histogram",), range_hu=ends)["value"]
        for ends in ((-np.inf, np.inf), None)
    )
    np.testing.assert_allclose(one, two)
    half = ibsi.extract(images[4], masks[4], 1.0, families=("volume_histogram",), range_hu=(-2000.0, np.inf))["value"]
    assert 0 < half["ivh_volume_at_intensity_fraction_10"] <= 1


def test_no_patch_is_an_empty_table():
    table, reasons = ibsi.extract_table(np.zeros((0, 8, 8)), np.ones((0, 8, 8)), 1.0, [], ibsi.Settings())
    assert table.shape[0] == 0 and reasons == []
