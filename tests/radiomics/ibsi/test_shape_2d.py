"""Shape of 2-D patches against analytic shapes and a contour library."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import find_contours

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi import shape_2d

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("morph_") for feature in shape_2d.FEATURES]
MILLIMETRE = (1.0, 1.0, 1.0)


def measure(image, mask, spacing_mm=MILLIMETRE, intensity_mask=None):
    values = shape_2d.measure(image, mask, mask if intensity_mask is None else intensity_mask, spacing_mm)
    return [dict(zip(NAMES, row, strict=True)) for row in values]


def draw_ellipse(semi_axes_mm, spacing_mm, size=81):
    y, x = (np.arange(size) - size // 2) * np.array(spacing_mm)[:, None]
    return ((y[:, None] / semi_axes_mm[0]) ** 2 + (x / semi_axes_mm[1]) ** 2 <= 1.0)[None, None]


@pytest.fixture(scope="module")
def patches():
    """Images and ragged masks [3, 1, Y, X] with holes, up to the border of the array, and parts of those masks."""
    generator = np.random.default_rng(7)
    image = generator.normal(50.0, 20.0, (3, 1, 9, 12))
    mask = generator.random(image.shape) < np.array([0.3, 0.6, 0.9])[:, None, None, None]
    return image, mask, mask & (generator.random(image.shape) < 0.9)


def test_a_disc():
    radius = 30.0
    mask = draw_ellipse((radius, radius), (1.0, 1.0))
    found = measure(np.ones(mask.shape), mask)[0]
    assert found["area_contour"] == pytest.approx(np.pi * radius**2, rel=0.01)
    assert found["area_pixel_counting"] == mask.sum()
    assert found["perimeter"] == pytest.approx(2.0 * np.pi * radius * 1.05, rel=0.02)  # steps add 5 %
    assert 0.93 < found["circularity"] < 0.97
    assert found["perimeter_to_area_ratio"] == pytest.approx(found["perimeter"] / found["area_contour"])
    assert found["maximum_2d_diameter"] == pytest.approx(2.0 * radius, abs=1.01)
    assert found["major_axis_length"] == pytest.approx(2.0 * radius, rel=0.01)
    assert found["elongation"] == pytest.approx(1.0)
    assert found["area_density_axis_aligned_bounding_box"] == pytest.approx(np.pi / 4.0, rel=0.04)
    assert found["area_density_approximate_enclosing_ellipse"] == pytest.approx(1.0, abs=0.01)
    assert found["area_density_convex_hull"] == pytest.approx(1.0, abs=0.02)
    assert found["perimeter_density_convex_hull"] == pytest.approx(1.05, abs=0.02)
    assert found["centre_of_mass_shift"] == pytest.approx(0.0, abs=1e-9)
    assert found["integrated_intensity"] == pytest.approx(found["area_contour"])


def test_an_ellipse_of_pixels_that_are_not_squares():
    mask = draw_ellipse((20.0, 10.0), (0.8, 0.4))
    found = measure(np.ones(mask.shape), mask, (9.0, 0.8, 0.4))[0]
    assert found["area_contour"] == pytest.approx(np.pi * 200.0, rel=0.01)
    assert found["major_axis_length"] == pytest.approx(40.0, rel=0.01)
    assert found["minor_axis_length"] == pytest.approx(20.0, rel=0.01)
    assert found["elongation"] == pytest.approx(0.5, rel=0.01)


def test_a_box_with_a_hole():
    mask = np.ones((1, 1, 5, 7), bool)
    mask[0, 0, 2, 3] = False
    found = measure(np.ones(mask.shape), mask, (1.0, 2.0, 3.0))[0]
    corner, slant = 2.0 * 3.0 / 8.0, np.hypot(2.0, 3.0) / 2.0
    assert found["area_contour"] == pytest.approx(5 * 7 * 6 - 4 * corner - 4 * corner)  # the hole is half a pixel
    assert found["perimeter"] == pytest.approx(2 * (4 * 2.0 + 6 * 3.0) + 8 * slant)
    assert found["area_density_axis_aligned_bounding_box"] == pytest.approx(found["area_contour"] / 210.0)
    assert found["maximum_2d_diameter"] == pytest.approx(np.hypot(4 * 2.0, 7 * 3.0))


def test_the_contour_is_that_of_the_library(patches):
    spacing_mm = (1.0, 0.5, 0.8)
    for mask, found in zip(patches[1][:, 0], measure(*patches[:2], spacing_mm), strict=True):
        curves = [curve * spacing_mm[1:] for curve in find_contours(np.pad(mask, 1).astype(float), 0.5)]
        length = sum(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum() for curve in curves)
        area = sum((curve[:-1, 0] * curve[1:, 1] - curve[1:, 0] * curve[:-1, 1]).sum() / 2.0 for curve in curves)
        points = np.concatenate(curves)
        hull = ConvexHull(points)
        assert found["perimeter"] == pytest.approx(length)
        assert found["area_contour"] == pytest.approx(abs(area))
        assert found["area_density_convex_hull"] == pytest.approx(abs(area) / hull.volume)
        assert found["perimeter_density_convex_hull"] == pytest.approx(length / hull.area)
        assert found["maximum_2d_diameter"] == pytest.approx(pdist(points).max())


def test_axes_are_principal_variances(patches):
    spacing_mm = (1.0, 0.5, 0.8)
    for mask, found in zip(patches[1][:, 0], measure(*patches[:2], spacing_mm), strict=True):
        variances = np.linalg.eigvalsh(np.cov(np.argwhere(mask).T * np.array(spacing_mm[1:])[:, None]))
        lengths = [found["minor_axis_length"], found["major_axis_length"]]
        assert lengths == pytest.approx(4.0 * np.sqrt(variances))


def test_intensity_and_shape_masks_have_their_own_centres():
    image, mask = np.zeros((1, 1, 1, 5)), np.ones((1, 1, 1, 5), bool)
    image[...] = [9.0, 1.0, 1.0, 1.0, 3.0]
    found = measure(image, mask, (1.0, 1.0, 2.0), image < 5)[0]
    assert found["centre_of_mass_shift"] == pytest.approx(2.0 * ((1 + 2 + 3 + 3 * 4) / 6.0 - 2.0))
    assert found["integrated_intensity"] == pytest.approx(1.5 * found["area_contour"])


def test_scaling_with_the_spacing(patches):
    once, thrice = (measure(*patches[:2], (1.0, edge, edge))[1] for edge in (1.0, 3.0))
    for feature in shape_2d.FEATURES:
        name = feature.name.removeprefix("morph_")
        power = {"mm": 1, "mm^2": 2, "HU mm^2": 2, "1/mm": -1}.get(feature.unit, 0)
        assert thrice[name] == pytest.approx(once[name] * 3.0**power), name


def test_a_patch_does_not_depend_on_its_batch_or_its_place(patches):
    together = shape_2d.measure(*patches, MILLIMETRE)
    alone = [shape_2d.measure(*(each[row : row + 1] for each in patches), MILLIMETRE) for row in range(3)]
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=1e-10)
    moved = [np.pad(each, ((0, 0), (0, 0), (3, 1), (0, 2))) for each in patches]
    np.testing.assert_allclose(shape_2d.measure(*moved, MILLIMETRE), together, rtol=1e-10)


def test_one_pixel_has_a_contour_but_no_axes():
    mask = np.zeros((1, 1, 3, 3), bool)
    mask[0, 0, 0, 2] = True
    found = measure(np.full(mask.shape, 7.0), mask, (1.0, 2.0, 2.0))[0]
    assert {name for name, value in found.items() if np.isnan(value)} == {
        "major_axis_length", "minor_axis_length", "elongation", "area_density_approximate_enclosing_ellipse"
    }  # fmt: skip
    assert found["area_contour"] == pytest.approx(2.0)
    assert found["maximum_2d_diameter"] == pytest.approx(2.0)


def test_a_line_is_as_elongated_as_can_be():
    mask = np.zeros((1, 1, 9, 9), bool)
    mask[0, 0, 5, 2:7] = True
    found = measure(np.ones(mask.shape), mask)[0]
    assert found["elongation"] == 0.0
    assert np.isnan(found["area_density_approximate_enclosing_ellipse"])


def test_an_empty_patch_is_a_row_of_nan(patches):
    image, mask, intensity_mask = (each.copy() for each in patches)
    mask[1] = intensity_mask[1] = False
    values = shape_2d.measure(image, mask, intensity_mask, MILLIMETRE)
    assert np.isnan(values[1]).all()
    assert not np.isnan(np.delete(values, 1, 0)).any()
    assert shape_2d.measure(image[:0], mask[:0], mask[:0], MILLIMETRE).shape == (0, len(NAMES))


def test_volumes_are_refused():
    with pytest.raises(InputError, match="found 2 slices"):
        shape_2d.measure(*(np.ones((1, 2, 3, 3), bool),) * 3, MILLIMETRE)
