"""The phantom: what is planted is what is found in its genes and images."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest
from scipy import stats

from radiogenomics.data import phantom, phantom_genes, phantom_images
from radiogenomics.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]


def make_config(**changes):
    """The phantom's configuration, with fields of `phantom` changed."""
    spec = importlib.util.spec_from_file_location("phantom_config", ROOT / "configs" / "phantom.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    small = {"genes": 400, "module_size": (12, 16), "outlier_genes": 3, "outliers": 5, "log2_mean": (6.0, 1.0)}
    config.phantom.update(small | changes)
    return config


@pytest.fixture(scope="module")
def collected():
    return phantom.simulate(make_config(patients=14, vessel_trees=10))


@pytest.fixture(scope="module")
def expressed():
    """Truth and log2 expression [patients, genes] of many patients, made without their images."""
    config = make_config(patients=400)
    patch = pytest.MonkeyPatch()
    patch.setattr(phantom, "_simulate_patient", _without_images)
    made = phantom.simulate(config)
    patch.undo()
    values = np.stack([patient.expression for patient in made.patients])
    return made, {gene: np.log2(column + 0.1) for gene, column in zip(made.genes, values.T, strict=True)}


def _without_images(config, number, factors, covariates, expression, stream):
    empty = np.zeros((0, 2, 2))
    return phantom.cohort.Patient(
        f"P{number + 1:03d}", empty, empty, empty, empty, empty, 1.5, expression, covariates, {}
    )


def _module_mean(truth, log2, name):
    """Mean over the module's genes of the standardised log2 expression; absurd and missing values left out."""
    columns = np.stack([np.where(log2[gene] < 19.0, log2[gene], np.nan) for gene in truth["modules"][name]])
    centred = columns - np.nanmean(columns, axis=1, keepdims=True)
    scores = np.nanmean(centred / np.nanstd(columns, axis=1, keepdims=True), axis=0)
    return (scores - scores.mean()) / scores.std()


def _column(table, patients, name):
    return np.array([table[patient.patient][name] for patient in patients])


def test_same_seed_same_cohort_and_other_seed_another():
    first, again = (phantom.simulate(make_config(patients=2, vessel_trees=5)) for _ in range(2))
    config = make_config(patients=2, vessel_trees=5)
    config.seed = 1
    other = phantom.simulate(config)
    assert json.dumps(first.truth) == json.dumps(again.truth)
    for one, two, three in zip(first.patients, again.patients, other.patients, strict=True):
        np.testing.assert_array_equal(one.nodule_image_hu, two.nodule_image_hu)
        np.testing.assert_array_equal(one.background_image_hu, two.background_image_hu)
        np.testing.assert_array_equal(one.expression, two.expression)
        assert not np.array_equal(one.background_image_hu, three.background_image_hu)


def test_patient_does_not_depend_on_the_number_of_patients(collected):
    fewer = phantom.simulate(make_config(patients=2, vessel_trees=10))
    for one, two in zip(fewer.patients, collected.patients[:2], strict=True):
        np.testing.assert_array_equal(one.nodule_image_hu, two.nodule_image_hu)
        np.testing.assert_array_equal(one.nodule_mask, two.nodule_mask)
        np.testing.assert_array_equal(one.background_image_hu, two.background_image_hu)
        assert one.covariates == two.covariates
        same = (one.expression == two.expression) | np.isnan(one.expression)
        assert (~same).sum() <= 5  # the absurd values fall on others


def test_factors_follow_their_modules(expressed):
    made, log2 = expressed
    for link in made.truth["links"]:
        means = [_module_mean(made.truth, log2, name) for name in link["modules"]]
        expected = {"linear": means[0], "u": means[0] ** 2, "interaction": np.prod(means, axis=0)}[link["kind"]]
        factor = _column(made.truth["factors"], made.patients, link["factor"])
        signal = _column(made.truth["signals"], made.patients, link["factor"])
        assert np.corrcoef(signal, factor)[0, 1] == pytest.approx(link["effect"], abs=0.05)
        assert np.corrcoef(expected, factor)[0, 1] > 0.75
        if link["kind"] != "linear":
            assert abs(np.corrcoef(means[0], factor)[0, 1]) < 0.3  # a linear reader sees next to nothing


def test_decoys_are_half_correlated_with_their_driver_and_others_are_not(expressed):
    made, log2 = expressed
    ranks = {name: _module_mean(made.truth, log2, name) for name in made.truth["modules"]}

    def correlate(gene, module):
        return stats.spearmanr(log2[gene], ranks[module], nan_policy="omit")[0]

    own = [correlate(gene, driver) for gene, driver in made.truth["decoys"].items()]
    null = [correlate(gene, "M01") for gene in made.genes if gene[0] == "N"]
    assert np.mean(own) == pytest.approx(0.5, abs=0.08)
    assert np.mean(np.abs(null)) < 0.08
    assert {driver for driver in made.truth["decoys"].values()} == {f"M0{number}" for number in range(1, 8)}


def test_batch_moves_its_module_and_goes_with_the_site(expressed):
    made, log2 = expressed
    second = np.array([patient.covariates["sequencing_batch"] == "2" for patient in made.patients])
    at_b = np.array([patient.covariates["site"] == "B" for patient in made.patients])
    assert made.truth["batch_module"] == "M20"
    assert abs(np.corrcoef(second, _module_mean(made.truth, log2, "M20"))[0, 1]) > 0.5
    assert all(abs(np.corrcoef(second, _module_mean(made.truth, log2, name))[0, 1]) < 0.2 for name in ("M01", "M02"))
    assert second.mean() == pytest.approx(0.37, abs=0.07)
    assert 0.5 < np.corrcoef(second, at_b)[0, 1] < 0.95


def test_symbols_are_unique_and_sorted_into_the_truth(expressed):
    made, _ = expressed
    assigned = [gene for members in made.truth["modules"].values() for gene in members] + list(made.truth["decoys"])
    assert len(made.genes) == len(set(made.genes)) == 400
    assert {gene for gene in made.genes if gene[0] in "MD"} == set(assigned)


def test_low_values_are_missing_and_few_are_absurd():
    config = make_config(log2_mean=(4.0, 2.4), genes=2000)
    modules = phantom_genes.name_modules(config)
    planted = phantom_genes.plant_genes(config, [], np.random.default_rng(0))
    latents = np.random.default_rng(1).standard_normal((60, len(modules)))
    streams = iter(range(100))
    values = phantom_genes.simulate_expression(
        config, planted, latents, np.zeros(60, int), lambda name: np.random.default_rng(next(streams))
    )
    missing = np.isnan(values).mean(axis=0)
    assert 0.005 < missing.mean() < 0.06 and missing.max() > 0.9 and np.median(missing) == 0.0
    assert np.nanmin(values) >= config.phantom.detection_fpkm
    assert 3 <= (values > 9e5).sum() <= 5 and (values > 9e5).any(axis=0).sum() <= 3


def test_images_show_the_planted_diameter_and_attenuation(collected):
    area = [patient.nodule_mask.sum(axis=(1, 2)).max() for patient in collected.patients]
    inside = [patient.nodule_image_hu[patient.nodule_mask > 0].mean() for patient in collected.patients]
    factors = collected.truth["factors"]
    assert stats.spearmanr(area, _column(factors, collected.patients, "diameter"))[0] > 0.8
    assert stats.spearmanr(inside, _column(factors, collected.patients, "attenuation"))[0] > 0.7


@pytest.mark.parametrize("ndim", [2, 3])
def test_patches_have_their_shape_and_no_mask_is_empty(ndim):
    config = make_config(patients=2, vessel_trees=5)
    config.data.ndim = ndim
    for patient in phantom.simulate(config).patients:
        side, count = (32,) * ndim, len(patient.nodule_slice)
        assert patient.nodule_image_hu.shape == patient.nodule_mask.shape == (count, *side)
        assert patient.background_image_hu.shape == (8, *side) and patient.background_slice.shape == (8,)
        assert 1 <= count <= (6 if ndim == 2 else 1)
        assert patient.nodule_image_hu.dtype == np.int16 and patient.nodule_mask.dtype == np.uint8
        assert patient.nodule_mask.reshape(count, -1).sum(axis=1).min() >= 4
        assert patient.spacing_mm == 1.5


def test_backgrounds_hold_no_nodule():
    config = make_config(vessel_trees=5)
    half = 0.5 * config.data.extent_mm
    for number, factor in enumerate((-2.0, 0.0, 2.5)):
        factors = dict.fromkeys(phantom_images.FACTORS, factor)
        _, mask, centers = phantom_images.simulate_scan(config, factors, 0, 1.0, np.random.default_rng(number))
        gap = np.abs(np.argwhere(mask)[None] - centers[:, None]).max(axis=2).min()
        assert mask.sum() > 20 and gap > half
        assert np.all(centers[:, 1:] > half - 4) and np.all(centers[:, 1:] < mask.shape[2] - half + 4)


def test_noise_and_blur_go_with_the_batch():
    config = make_config(vessel_trees=1)
    config.phantom.parenchyma_sd_hu = 0.1
    factors = dict.fromkeys(phantom_images.FACTORS, 0.0)
    scans = [phantom_images.simulate_scan(config, factors, batch, 1.0, np.random.default_rng(3))[0] for batch in (0, 1)]
    spread = [stats.median_abs_deviation(scan, axis=None, scale="normal") for scan in scans]
    np.testing.assert_allclose(spread, config.phantom.noise_hu, rtol=0.25)


@pytest.mark.parametrize("factor, parameter", [
    ("diameter", "radius_mm"), ("attenuation", "attenuation_hu"), ("spiculation", "spike_mm"),
    ("texture", "texture_hu"), ("core", "core_hu"), ("elongation", "axis_ratio"),
])
def test_every_factor_moves_its_parameter_monotonically(factor, parameter):
    config = make_config()
    middle = dict.fromkeys(phantom_images.FACTORS, 0.0)
    shapes = [phantom_images.shape_nodule(config, middle | {factor: value}) for value in np.linspace(-3.0, 3.0, 7)]
    assert np.all(np.diff([shape[parameter] for shape in shapes]) > 0)


@pytest.mark.parametrize("changes, message", [
    ({"genes": 100}, "phantom.genes: 100"),
    ({"patients": 0}, "phantom.patients: 0"),
    ({"modules": 0}, "phantom.modules: 0"),
    ({"modules": 7}, "last module is the batch's"),
    ({"effect": 1.5}, "effect 1.5"),
    ({"links": ({"modules": ("M01",), "factor": "hue", "feature": "mean_hu", "kind": "linear"},)}, "factor 'hue'"),
    ({"links": ({"modules": ("M01",), "factor": "core", "feature": "mean_hu", "kind": "cubic"},)}, "kind 'cubic'"),
    ({"links": ({"modules": ("M01",), "factor": "core", "feature": "mean", "kind": "u"},)}, "'mean'"),
    ({"links": ({"modules": ("M01",), "factor": "core", "kind": "u"},)}, "without 'feature'"),
])
def test_bad_settings_are_told_in_one_sentence(changes, message):
    with pytest.raises(InputError, match=message):
        phantom.simulate(make_config(**changes))


def test_every_setting_is_read():
    source = "".join(path.read_text() for path in (ROOT / "radiogenomics").rglob("*.py"))
    unread = [key for key in make_config().phantom if f"config.phantom.{key}" not in source]
    assert not unread
