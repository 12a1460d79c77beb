import pytest

from radiogenomics.errors import InputError
from radiogenomics.radiomics import describe_feature, feature_names, resolve

PAIRS = [("circularity", "sphericity"), ("area_mm2", "volume_mm3"), ("perimeter_mm", "surface_mm2")]


def test_dimensions_differ_only_in_pairs_and_in_flatness():
    flat, solid = feature_names(2), feature_names(3)
    assert len(set(flat)) == len(flat) == len(solid) - 1
    assert [pair for pair in zip(flat, [name for name in solid if name != "flatness"], strict=True)
            if pair[0] != pair[1]] == PAIRS


def test_the_first_nine_are_those_that_trained_settings_name():
    assert feature_names(2)[:9] == (
        "equivalent_diameter_mm", "mean_hu", "sd_hu", "circularity", "elongation", "spiculation", "core_to_rim_hu",
        "edge_sharpness_hu_per_mm", "texture_energy_hu",
    )


def test_texture_has_the_25_features_of_the_manual_by_its_codes():
    described = [describe_feature(name) for name in feature_names(2) if name.startswith("glcm_")]
    assert len(described) == len({feature.ibsi for feature in described}) == 25
    assert all(feature.ibsi in feature.partner for feature in described)


def test_ndim_other_than_two_or_three_is_refused():
    with pytest.raises(InputError, match="ndim=4"):
        feature_names(4)


@pytest.mark.parametrize("pair", PAIRS)
def test_resolve_translates_pairs_and_keeps_order(pair):
    for given in pair:
        assert resolve(["texture_energy_hu", given], 2) == ("texture_energy_hu", pair[0])
        assert resolve(["texture_energy_hu", given], 3) == ("texture_energy_hu", pair[1])


def test_flatness_needs_three_dimensions():
    assert resolve(["flatness"], 3) == ("flatness",)
    with pytest.raises(InputError, match="'flatness' needs three dimensions, found ndim=2"):
        resolve(["flatness"], 2)


def test_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="'spiculatoin'.*'spiculation'"):
        resolve(["spiculatoin"], 2)


@pytest.mark.parametrize("names", [["mean_hu", "mean_hu"], ["circularity", "sphericity"]])
def test_repeated_name_is_refused(names):
    with pytest.raises(InputError, match="more than once"):
        resolve(names, 2)


def test_a_bare_string_is_refused():
    with pytest.raises(InputError, match="single string 'mean_hu'"):
        resolve("mean_hu", 2)


def test_units_follow_names_and_sizes_are_told():
    described = [describe_feature(name) for name in feature_names(2) + feature_names(3)]
    assert {feature.name for feature in described if feature.is_size} == {
        "equivalent_diameter_mm", "maximum_diameter_mm", "area_mm2", "perimeter_mm", "volume_mm3", "surface_mm2",
    }
    suffixes = {"mm": "_mm", "mm2": "_mm2", "mm3": "_mm3", "HU": "_hu", "HU/mm": "_hu_per_mm"}
    for feature in described:
        assert feature.definition.endswith(".") and (not feature.partner or feature.partner.endswith("."))
        assert feature.unit == next((unit for unit, end in suffixes.items() if _ends(feature.name, end)), "")
    assert describe_feature("sphericity").ibsi == "QCFX"


def _ends(name, suffix):
    return name.endswith(suffix) and (suffix == "_hu_per_mm" or not name.endswith("_hu_per_mm"))
