"""3-D morphology against analytic shapes, a mesh library, and sums over all pairs of voxels."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform
from scipy.special import eval_legendre
from skimage.measure import marching_cubes, mesh_surface_area

from radiogenomics.radiomics.ibsi import morphology

pytestmark = pytest.mark.filterwarnings("error")
NAMES = [feature.name.removeprefix("morph_") for feature in morphology.FEATURES]
MILLIMETRE = (1.0, 1.0, 1.0)
LENGTHS = {"maximum_3d_diameter", "major_axis_length", "minor_axis_length", "least_axis_length", "centre_of_mass_shift"}


def measure(image, mask, spacing_mm=MILLIMETRE, intensity_mask=None):
    values = morphology.measure(image, mask, mask if intensity_mask is None else intensity_mask, spacing_mm)
    return [dict(zip(NAMES, row, strict=True)) for row in values]


def draw_ellipsoid(semi_axes_mm, spacing_mm):
    """A mask [1, Z, Y, X] in an array that it just fills."""
    sizes = [2 * int(half / edge) + 1 for half, edge in zip(semi_axes_mm, spacing_mm, strict=True)]
    axes = np.meshgrid(*[np.arange(size) - size // 2 for size in sizes], indexing="ij")
    scaled = zip(axes, spacing_mm, semi_axes_mm, strict=True)
    return (sum((axis * edge / half) ** 2 for axis, edge, half in scaled) <= 1.0)[None]


@pytest.fixture(scope="module")
def regions():
    """Images and ragged masks [3, Z, Y, X] up to the border of the array, and parts of those masks."""
    generator = np.random.default_rng(5)
    image = generator.normal(50.0, 20.0, (3, 6, 7, 8))
    mask = generator.random(image.shape) < np.array([0.2, 0.5, 0.8])[:, None, None, None]
    return image, mask, mask & (generator.random(image.shape) < 0.9)


def test_a_ball():
    radius = 15.0
    mask = draw_ellipsoid((radius,) * 3, MILLIMETRE)
    found = measure(np.ones(mask.shape), mask)[0]
    volume = 4.0 / 3.0 * np.pi * radius**3
    assert found["volume_mesh"] == pytest.approx(volume, rel=0.01)
    assert found["volume_voxel_counting"] == mask.sum()
    assert found["surface_area_mesh"] == pytest.approx(4.0 * np.pi * radius**2 * 1.09, rel=0.02)  # steps add 9 %
    assert 0.90 < found["sphericity"] < 0.95
    assert found["sphericity"] == pytest.approx(1.0 / found["spherical_disproportion"])
    assert found["asphericity"] == pytest.approx(found["spherical_disproportion"] - 1.0)
    assert found["compactness_2"] == pytest.approx(found["sphericity"] ** 3)
    assert found["compactness_1"] == pytest.approx(np.sqrt(found["compactness_2"]) / (6.0 * np.pi))
    assert found["maximum_3d_diameter"] == pytest.approx(2.0 * radius, abs=1.01)
    for name in ("major_axis_length", "minor_axis_length", "least_axis_length"):
        assert found[name] == pytest.approx(4.0 * radius / np.sqrt(5.0), rel=0.01)
    assert found["elongation"] == pytest.approx(1.0)
    assert found["volume_density_approximate_enclosing_ellipsoid"] == pytest.approx(5.0**1.5 / 8.0, rel=0.01)
    assert 0.94 < found["volume_density_convex_hull"] < 1.0
    assert found["volume_density_axis_aligned_bounding_box"] == pytest.approx(volume / 31.0**3, rel=0.01)
    assert found["centre_of_mass_shift"] == pytest.approx(0.0, abs=1e-9)
    assert found["integrated_intensity"] == pytest.approx(found["volume_mesh"])


def test_an_ellipsoid_of_voxels_that_are_not_cubes():
    semi_axes_mm, spacing_mm = (20.0, 12.0, 6.0), (1.0, 0.5, 0.4)
    mask = draw_ellipsoid(semi_axes_mm, spacing_mm)
    found = measure(np.ones(mask.shape), mask, spacing_mm)[0]
    assert found["volume_mesh"] == pytest.approx(4.0 / 3.0 * np.pi * np.prod(semi_axes_mm), rel=0.01)
    lengths = [found[name] for name in ("major_axis_length", "minor_axis_length", "least_axis_length")]
    assert lengths == pytest.approx(4.0 * np.array(semi_axes_mm) / np.sqrt(5.0), rel=0.01)
    assert found["elongation"] == pytest.approx(0.6, rel=0.01)
    assert found["flatness"] == pytest.approx(0.3, rel=0.01)


def test_a_box():
    mask = np.ones((1, 4, 5, 6), bool)
    spacing_mm = (3.0, 2.0, 1.0)
    found = measure(np.ones(mask.shape), mask, spacing_mm)[0]
    assert found["volume_voxel_counting"] == 720.0
    assert found["volume_density_convex_hull"] == pytest.approx(1.0)
    assert found["area_density_convex_hull"] == pytest.approx(1.0)
    assert found["area_density_axis_aligned_bounding_box"] == pytest.approx(
        found["surface_area_mesh"] / (2 * (12 * 10 + 12 * 6 + 10 * 6))
    )
    # The farthest vertices lie on opposite corners' voxels, half a voxel beyond along z.
    assert found["maximum_3d_diameter"] == pytest.approx(np.sqrt(12.0**2 + 8.0**2 + 5.0**2))


def test_the_mesh_and_its_hull_are_those_of_the_library(regions):
    spacing_mm = (3.0, 1.0, 0.5)
    for mask, found in zip(regions[1], measure(*regions[:2], spacing_mm), strict=True):
        vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5)
        vertices = vertices.astype(np.float64) * spacing_mm
        corners, hull = vertices[faces], ConvexHull(vertices)
        volume = abs(np.linalg.det(corners).sum()) / 6.0
        assert found["surface_area_mesh"] == pytest.approx(mesh_surface_area(vertices, faces), rel=1e-5)
        assert found["volume_mesh"] == pytest.approx(volume, rel=1e-9)
        assert found["volume_density_convex_hull"] == pytest.approx(volume / hull.volume, rel=1e-9)
        assert found["maximum_3d_diameter"] == pytest.approx(pdist(vertices).max(), rel=1e-9)


def test_moran_and_geary_against_all_pairs(regions):
    spacing_mm = (3.0, 1.0, 0.5)
    for image, mask, found in zip(regions[0], regions[2], measure(*regions[:2], spacing_mm, regions[2]), strict=True):
        x = image[mask]
        distance = squareform(pdist(np.argwhere(mask) * np.array(spacing_mm)))
        weights = 1.0 / np.where(distance > 0, distance, np.inf)
        deviation = x - x.mean()
        scale = weights.sum() * (deviation**2).sum()
        moran = len(x) * deviation @ weights @ deviation / scale
        geary = (len(x) - 1) * (weights * (x[:, None] - x) ** 2).sum() / (2.0 * scale)
        assert found["morans_i_index"] == pytest.approx(moran, abs=1e-7)
        assert found["gearys_c_measure"] == pytest.approx(geary, abs=1e-6)


def test_intensity_and_shape_masks_have_their_own_centres():
    image, mask = np.zeros((1, 1, 1, 5)), np.ones((1, 1, 1, 5), bool)
    image[...] = [9.0, 1.0, 1.0, 1.0, 3.0]
    found = measure(image, mask, (1.0, 1.0, 2.0), image < 5)[0]
    assert found["centre_of_mass_shift"] == pytest.approx(2.0 * ((1 + 2 + 3 + 3 * 4) / 6.0 - 2.0))
    assert found["integrated_intensity"] == pytest.approx(1.5 * found["volume_mesh"])


@pytest.mark.parametrize("a, b, c", [(3.0, 2.0, 1.0), (2.0, 1.9, 1.0), (3.0, 1.0, 1.0)])
def test_the_series_of_the_ellipsoid_surface(a, b, c):
    alpha, beta, degree = np.sqrt(1 - (b / a) ** 2), np.sqrt(1 - (c / a) ** 2), np.arange(21)
    polynomials = eval_legendre(degree, (alpha**2 + beta**2) / (2 * alpha * beta))
    series = ((alpha * beta) ** degree / (1 - 4 * degree**2) * polynomials).sum()
    assert morphology.ellipsoid_surface(a, b, c) == pytest.approx(4 * np.pi * a * b * series, rel=1e-9)


def test_the_series_has_no_gap_where_axes_are_equal():
    assert morphology.ellipsoid_surface(1.5, 1.5, 1.5) == pytest.approx(4.0 * np.pi * 1.5**2)
    near, equal = morphology.ellipsoid_surface(2.0, 2.0 - 1e-9, 1.0), morphology.ellipsoid_surface(2.0, 2.0, 1.0)
    assert near == pytest.approx(equal, rel=1e-8)


def test_scaling_with_the_spacing(regions):
    once, thrice = (measure(*regions[:2], (edge, edge, edge))[1] for edge in (1.0, 3.0))
    for feature in morphology.FEATURES:
        name = feature.name.removeprefix("morph_")
        power = {"mm": 1, "mm^2": 2, "mm^3": 3, "HU mm^3": 3, "1/mm": -1}.get(feature.unit, 0)
        # A^(3/2) and the ratios of densities have no dimension.
        assert thrice[name] == pytest.approx(once[name] * 3.0**power, rel=1e-6), name
    assert LENGTHS == {each.name.removeprefix("morph_") for each in morphology.FEATURES if each.unit == "mm"}


def test_a_region_does_not_depend_on_its_batch_or_its_place(regions):
    together = morphology.measure(*regions, MILLIMETRE)
    alone = [morphology.measure(*(each[row : row + 1] for each in regions), MILLIMETRE) for row in range(3)]
    np.testing.assert_array_equal(np.concatenate(alone), together)
    moved = [np.pad(each, ((0, 0), (3, 1), (0, 2), (5, 0))) for each in regions]
    np.testing.assert_allclose(morphology.measure(*moved, MILLIMETRE), together, rtol=1e-6)


def test_one_voxel_has_a_surface_but_no_axes():
    mask = np.zeros((1, 3, 3, 3), bool)
    mask[0, 0, 1, 2] = True
    found = measure(np.full(mask.shape, 7.0), mask, (2.0, 2.0, 2.0))[0]
    axes = {name for name in NAMES if "axis_length" in name or "ellipsoid" in name} | {"elongation", "flatness"}
    assert {name for name, value in found.items() if np.isnan(value)} == axes | {"morans_i_index", "gearys_c_measure"}
    assert found["volume_mesh"] == pytest.approx(8.0 / 6.0)  # an octahedron
    assert found["maximum_3d_diameter"] == pytest.approx(2.0)


def test_a_flat_region_has_a_hull_but_no_ellipsoid_volume():
    generator = np.random.default_rng(6)
    mask = np.ones((1, 1, 4, 5), bool)
    found = measure(generator.normal(size=mask.shape), mask)[0]
    assert found["flatness"] == 0.0
    assert {name for name, value in found.items() if np.isnan(value)} == {
        "volume_density_approximate_enclosing_ellipsoid"
    }


def test_an_empty_region_is_a_row_of_nan(regions):
    image, mask, intensity_mask = regions
    none = np.zeros_like(mask)
    assert np.isnan(morphology.measure(image, none, none, MILLIMETRE)).all()
    assert morphology.measure(image[:0], mask[:0], mask[:0], MILLIMETRE).shape == (0, len(NAMES))
    shape_only = measure(image, mask, MILLIMETRE, none)[1]
    assert {name for name, value in shape_only.items() if np.isnan(value)} == {
        "centre_of_mass_shift", "integrated_intensity", "morans_i_index", "gearys_c_measure"
    }  # fmt: skip
