import pytest

from radiogenomics.errors import InputError
from radiogenomics.radiomics import describe_feature, feature_names, resolve


def test_nine_features_a_dimension_differ_only_in_roundness():
    flat, solid = feature_names(2), feature_names(3)
    assert len(flat) == len(solid) == 9
    assert [(a, b) for a, b in zip(flat, solid, strict=True) if a != b] == [("circularity", "sphericity")]


def test_ndim_other_than_two_or_three_is_refused():
    with pytest.raises(InputError, match="ndim=4"):
        feature_names(4)


@pytest.mark.parametrize("ndim, expected", [(2, "circularity"), (3, "sphericity")])
def test_resolve_translates_roundness_and_keeps_order(ndim, expected):
    for given in ("circularity", "sphericity"):
        assert resolve(["texture_energy_hu", given], ndim) == ("texture_energy_hu", expected)


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


def test_units_follow_names_and_only_the_diameter_is_a_size():
    described = [describe_feature(name) for name in feature_names(2)]
    assert [feature.name for feature in described if feature.is_size] == ["equivalent_diameter_mm"]
    suffixes = {"mm": "_mm", "HU": "_hu", "HU/mm": "_hu_per_mm"}
    for feature in described:
        assert feature.definition.endswith(".")
        assert feature.unit == next((unit for unit, end in suffixes.items() if _ends(feature.name, end)), "")
    assert describe_feature("sphericity").ibsi == "QCFX"


def _ends(name, suffix):
    return name.endswith(suffix) and (suffix == "_hu_per_mm" or not name.endswith("_hu_per_mm"))
