"""Morphology of the reference manual: size and shape of a 3-D region, and how its intensities lie within it.

The surface is the marching cubes mesh of the morphological mask at 0.5, with zeros around the array. Formulas: V and A
are the volume and surface of that mesh, a >= b >= c the semi-axes 2 sqrt(lambda) of the ellipsoid with the principal
variances lambda of the voxel centres (divided by their number less one, as the reference values have it). Intensities
are those of the intensity mask.
"""

import dataclasses
import functools

import numpy as np
from scipy import fft
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import marching_cubes

from radiogenomics.radiomics.ibsi import directions
from radiogenomics.radiomics.ibsi.definition import Feature

SERIES_DEGREE = 20  # of the ellipsoid's surface, as the manual has it


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """One region in its bounding box [Z, Y, X]; what its features share is computed once, in mm."""

    image: np.ndarray
    mask: np.ndarray  # bool, at least one voxel
    intensity_mask: np.ndarray  # bool, part of the mask
    spacing_mm: tuple  # (z, y, x)

    @functools.cached_property
    def points(self):
        """[V, 3] centres of the voxels."""
        return np.argwhere(self.mask) * np.array(self.spacing_mm)

    @functools.cached_property
    def intensities(self):
        """Intensities of the voxels of the intensity mask."""
        return self.image[self.intensity_mask]

    @functools.cached_property
    def mesh(self):
        """(surface, volume) of the mesh."""
        return _measure_mesh(self.mask, self.spacing_mm)

    @functools.cached_property
    def hull(self):
        """Convex hull of the mesh."""
        return ConvexHull(_find_corners(self.mask, self.spacing_mm))

    @functools.cached_property
    def box(self):
        """[3] edges of the mesh's bounding box; the mesh ends half a voxel beyond the outermost centres."""
        return np.array(self.mask.shape) * np.array(self.spacing_mm)

    @functools.cached_property
    def semi_axes(self):
        """(a, b, c); NaN for one voxel."""
        if len(self.points) < 2:
            return np.full(3, np.nan)
        variances = np.linalg.eigvalsh(np.cov(self.points.T))[::-1]
        # A flat region's least variance comes out as rounding on either side of zero.
        return 2.0 * np.sqrt(np.where(variances > 1e-12 * variances[0], variances, 0.0))

    @functools.cached_property
    def correlation(self):
        """(Moran's I, Geary's C)."""
        return _correlate(self.image, self.intensity_mask, self.spacing_mm)


def measure(image, mask, intensity_mask, spacing_mm):
    """The features of N regions, [N, F] float64 in the order of FEATURES, NaN where one is undefined.

    `image` [N, Z, Y, X] in units of intensity (HU); `mask` bool of the same shape, the morphological mask, and
    `intensity_mask` the part of it whose intensities count; `spacing_mm` (z, y, x).
    Source: reference manual of the IBSI, morphological features (HCUG).
    """
    spacing_mm = tuple(float(edge) for edge in spacing_mm)
    values = np.full((len(image), len(FEATURES)), np.nan)
    for row, inside in enumerate(mask):
        if inside.any():
            box = directions.bounding_box(inside)
            region = Region(image[row][box].astype(np.float64), inside[box], intensity_mask[row][box], spacing_mm)
            with np.errstate(invalid="ignore", divide="ignore"):
                values[row] = [each.function(region) for each in FEATURES]
    return np.where(np.isfinite(values), values, np.nan)


def volume_mesh(region):
    """Volume V in the mesh, by signed tetrahedra (IBSI RNU0)."""
    return region.mesh[1]


def volume_voxel_counting(region):
    """Number of voxels times the volume of one (IBSI YEKZ)."""
    return len(region.points) * np.prod(region.spacing_mm)


def surface_area_mesh(region):
    """Surface A of the mesh, the sum of its triangles (IBSI C0JK)."""
    return region.mesh[0]


def surface_to_volume_ratio(region):
    """Surface A over volume V of the mesh (IBSI 2PR5)."""
    return surface_area_mesh(region) / volume_mesh(region)


def compactness_1(region):
    """V / (sqrt(pi) A^(3/2)) (IBSI SKGS)."""
    return volume_mesh(region) / (np.sqrt(np.pi) * surface_area_mesh(region) ** 1.5)


def compactness_2(region):
    """36 pi V^2 / A^3, 1 for a ball (IBSI BQWJ)."""
    return 36.0 * np.pi * volume_mesh(region) ** 2 / surface_area_mesh(region) ** 3


def spherical_disproportion(region):
    """A over the surface of the ball of volume V, A / (36 pi V^2)^(1/3) (IBSI KRCK)."""
    return 1.0 / sphericity(region)


def sphericity(region):
    """Surface of the ball of volume V over A, (36 pi V^2)^(1/3) / A (IBSI QCFX)."""
    return np.cbrt(compactness_2(region))


def asphericity(region):
    """(A^3 / (36 pi V^2))^(1/3) - 1, 0 for a ball (IBSI 25C7)."""
    return spherical_disproportion(region) - 1.0


def centre_of_mass_shift(region):
    """Distance from the mean voxel centre to the mean of centres weighted by intensity (IBSI KLMA)."""
    weights = np.where(region.intensity_mask, region.image, 0.0)
    planes = weights.sum(0)
    profiles = (weights.sum((1, 2)), planes.sum(1), planes.sum(0))
    centre = [profile @ np.arange(len(profile)) / profile.sum() for profile in profiles] * np.array(region.spacing_mm)
    return np.linalg.norm(region.points.mean(0) - centre)


def maximum_3d_diameter(region):
    """Largest distance between two vertices of the mesh (IBSI L0JK)."""
    return pdist(region.hull.points[region.hull.vertices]).max()


def major_axis_length(region):
    """2 a, four times the root of the largest principal variance (IBSI TDIC)."""
    return 2.0 * region.semi_axes[0]


def minor_axis_length(region):
    """2 b, four times the root of the second largest principal variance (IBSI P9VJ)."""
    return 2.0 * region.semi_axes[1]


def least_axis_length(region):
    """2 c, four times the root of the smallest principal variance (IBSI 7J51)."""
    return 2.0 * region.semi_axes[2]


def elongation(region):
    """b / a, 1 if not elongated; undefined for one voxel (IBSI Q3CK)."""
    return region.semi_axes[1] / region.semi_axes[0]


def flatness(region):
    """c / a, 0 for a flat region; undefined for one voxel (IBSI N17B)."""
    return region.semi_axes[2] / region.semi_axes[0]


def volume_density_box(region):
    """V over the volume of the mesh's axis-aligned bounding box (IBSI PBX1)."""
    return volume_mesh(region) / np.prod(region.box)


def area_density_box(region):
    """A over the surface of the mesh's axis-aligned bounding box (IBSI R59B)."""
    z, y, x = region.box
    return surface_area_mesh(region) / (2.0 * (z * y + z * x + y * x))


def volume_density_ellipsoid(region):
    """V over the volume 4/3 pi a b c of the approximate enclosing ellipsoid; undefined if that is 0 (IBSI 6BDE)."""
    return volume_mesh(region) / (4.0 / 3.0 * np.pi * np.prod(region.semi_axes))


def area_density_ellipsoid(region):
    """A over the surface of the approximate enclosing ellipsoid, by its Legendre series to degree 20 (IBSI RDD2)."""
    return surface_area_mesh(region) / ellipsoid_surface(*region.semi_axes)


def volume_density_hull(region):
    """V over the volume of the mesh's convex hull (IBSI R3ER)."""
    return volume_mesh(region) / region.hull.volume


def area_density_hull(region):
    """A over the surface of the mesh's convex hull (IBSI 7T7F)."""
    return surface_area_mesh(region) / region.hull.area


def integrated_intensity(region):
    """Mean intensity times V (IBSI 99N0)."""
    return region.intensities.sum() / region.intensities.size * volume_mesh(region)


def morans_i_index(region):
    """Correlation of the intensities of voxel pairs weighted by 1 / distance; undefined if flat (IBSI N365).

    N sum w_kl (X_k - mu)(X_l - mu) / (sum w_kl sum (X_k - mu)^2), the double sums over all pairs k != l of N voxels.
    """
    return region.correlation[0]


def gearys_c_measure(region):
    """Squared differences of the intensities of voxel pairs weighted by 1 / distance; undefined if flat (IBSI NPT7).

    (N - 1) sum w_kl (X_k - X_l)^2 / (2 sum w_kl sum (X_k - mu)^2), the double sums over all pairs k != l of N voxels.
    """
    return region.correlation[1]


def ellipsoid_surface(a, b, c):
    """Surface of the ellipsoid of semi-axes a >= b >= c: 4 pi a b times the manual's series, to degree 20.

    The terms are (alpha beta)^n P_n((alpha^2 + beta^2) / (2 alpha beta)) / (1 - 4 n^2), alpha^2 = 1 - b^2 / a^2 and
    beta^2 = 1 - c^2 / a^2, P_n the Legendre polynomials. The exact surface has 1 - c^2 / b^2 and 1 - c^2 / a^2 there:
    this is 2 % above it for axes of 5:4:3, 8 % for 3:2:1. The manual and its reference values are followed.
    """
    alpha, beta = 1.0 - (b / a) ** 2, 1.0 - (c / a) ** 2
    middle, product = (alpha + beta) / 2.0, alpha * beta
    # The recurrence of P_n for the whole term: alpha beta = 0, where P_n is infinite, needs no case of its own.
    term, before, total = 1.0, 0.0, 0.0
    for degree in range(SERIES_DEGREE + 1):
        total += term / (1.0 - 4.0 * degree**2)
        term, before = ((2 * degree + 1) * middle * term - degree * product * before) / (degree + 1), term
    return 4.0 * np.pi * a * b * total


def _measure_mesh(mask, spacing_mm):
    """Surface and volume of the mesh: the sums of what each 2 x 2 x 2 cube of voxels holds of it."""
    kinds = np.pad(mask, 1).astype(np.uint8)
    for axis, factor in ((0, 2), (1, 4), (2, 16)):
        size = kinds.shape[axis]
        kinds = kinds.take(range(size - 1), axis) + factor * kinds.take(range(1, size), axis)
    slices = np.arange(len(kinds)) * 256
    counts = np.bincount((kinds + slices[:, None, None]).ravel(), minlength=256 * len(kinds)).reshape(-1, 256)
    surface, flux, facing = _cube_table(spacing_mm)
    volume = counts.sum(0) @ flux + np.arange(len(kinds)) * spacing_mm[0] @ counts @ facing
    return counts.sum(0) @ surface, abs(volume)


@functools.lru_cache(maxsize=64)
def _cube_table(spacing_mm):
    """[256] each, of the mesh in the cube whose corner z + 2 y + 4 x is inside if that bit of its index is set.

    The surface; its flux of the field (z, 0, 0), whose sum over a closed mesh is the volume; its area facing along z.
    """
    table = np.zeros((3, 256))
    for kind in range(1, 255):
        corners = np.array([kind >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2).transpose(2, 1, 0)
        vertices, faces, _, _ = marching_cubes(np.ascontiguousarray(corners), 0.5)
        triangles = (vertices.astype(np.float64) * spacing_mm)[faces]
        normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]) / 2.0
        facing = normals[:, 0]
        table[:, kind] = np.linalg.norm(normals, axis=1).sum(), triangles[:, :, 0].mean(1) @ facing, facing.sum()
    return table


def _find_corners(mask, spacing_mm):
    """[P, 3] points in mm among which are all corners of the mesh's convex hull, without most that cannot be one.

    The hull is that of the points half a voxel from every voxel along each axis. A voxel midway between two others is
    no corner, nor is a point midway between a voxel and its neighbour.
    """
    padded = np.pad(mask, 1)
    corners = mask.copy()
    for step in np.array(directions.DIRECTIONS_3D):
        corners &= ~(_shift(padded, step) & _shift(padded, -step))
    voxels = np.argwhere(corners)
    steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    free = [voxels[~padded[tuple((voxels + 1 + step).T)]] + step / 2.0 for step in steps]
    return np.concatenate(free) * spacing_mm


def _shift(padded, step):
    """What lies one `step` (z, y, x) from every voxel, of an array with a margin of one voxel."""
    return padded[tuple(slice(1 + far, size - 1 + far) for far, size in zip(step, padded.shape, strict=True))]


def _correlate(image, mask, spacing_mm):
    """(Moran's I, Geary's C); both are sums over pairs of voxels weighted by 1 / distance, taken in Fourier space."""
    inside = image[mask]
    if inside.size < 2 or inside.max() == inside.min():
        return np.nan, np.nan
    deviation = np.where(mask, (image - inside.mean()) / inside.std(), 0.0)
    half_period = tuple(fft.next_fast_len(size, real=True) for size in mask.shape)
    weights = _weight_transform(half_period, spacing_mm)
    # Single precision is four times faster and moves I and C by less than 1e-7: the values are of order one.
    share, spread, square = (
        _transform(values.astype(np.float32), half_period) for values in (mask, deviation, deviation**2)
    )
    pairs, products, squares = (
        _fold(first, second, half_period) @ weights
        for first, second in ((share, share), (spread, spread), (share, square))
    )
    return products / pairs, (1.0 - 1.0 / inside.size) * (squares - products) / pairs


def _transform(values, half_period):
    """Fourier transform of `values` [Z, Y, X] padded to twice `half_period`, by axes to leave out rows of zeros."""
    transform = fft.rfft(values, 2 * half_period[2], axis=2)
    transform = fft.fft(transform, 2 * half_period[1], axis=1)
    return fft.fft(transform, 2 * half_period[0], axis=0, overwrite_x=True)


def _fold(first, second, half_period):
    """Products of two half spectra, conjugate with plain, added up over frequencies of equal magnitudes; flat."""
    product = first.real * second.real
    product += first.imag * second.imag
    z, y, _ = half_period
    product[1:z] += product[:z:-1]
    product[: z + 1, 1:y] += product[: z + 1, :y:-1]
    return product[: z + 1, : y + 1].ravel()


@functools.lru_cache(maxsize=32)
def _weight_transform(half_period, spacing_mm):
    """Fourier transform of 1 / distance at the frequencies that are not negative, flat.

    The weight is even along every axis, so that a cosine transform of one octant has all of it. Doubled along x where
    a half spectrum stands for two frequencies.
    """
    squares = [(np.arange(size + 1) * edge) ** 2 for size, edge in zip(half_period, spacing_mm, strict=True)]
    distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    distance[0, 0, 0] = np.inf
    octant = fft.dctn(1.0 / distance, type=1)
    octant[:, :, 1:-1] *= 2.0
    return octant.ravel()


FEATURES = (
    Feature("morph_volume_mesh", "RNU0", "mm^3", volume_mesh),
    Feature("morph_volume_voxel_counting", "YEKZ", "mm^3", volume_voxel_counting),
    Feature("morph_surface_area_mesh", "C0JK", "mm^2", surface_area_mesh),
    Feature("morph_surface_to_volume_ratio", "2PR5", "1/mm", surface_to_volume_ratio),
    Feature("morph_compactness_1", "SKGS", "", compactness_1),
    Feature("morph_compactness_2", "BQWJ", "", compactness_2),
    Feature("morph_spherical_disproportion", "KRCK", "", spherical_disproportion),
    Feature("morph_sphericity", "QCFX", "", sphericity),
    Feature("morph_asphericity", "25C7", "", asphericity),
    Feature("morph_centre_of_mass_shift", "KLMA", "mm", centre_of_mass_shift),
    Feature("morph_maximum_3d_diameter", "L0JK", "mm", maximum_3d_diameter),
    Feature("morph_major_axis_length", "TDIC", "mm", major_axis_length),
    Feature("morph_minor_axis_length", "P9VJ", "mm", minor_axis_length),
    Feature("morph_least_axis_length", "7J51", "mm", least_axis_length),
    Feature("morph_elongation", "Q3CK", "", elongation),
    Feature("morph_flatness", "N17B", "", flatness),
    Feature("morph_volume_density_axis_aligned_bounding_box", "PBX1", "", volume_density_box),
    Feature("morph_area_density_axis_aligned_bounding_box", "R59B", "", area_density_box),
    Feature("morph_volume_density_approximate_enclosing_ellipsoid", "6BDE", "", volume_density_ellipsoid),
    Feature("morph_area_density_approximate_enclosing_ellipsoid", "RDD2", "", area_density_ellipsoid),
    Feature("morph_volume_density_convex_hull", "R3ER", "", volume_density_hull),
    Feature("morph_area_density_convex_hull", "7T7F", "", area_density_hull),
    Feature("morph_integrated_intensity", "99N0", "HU mm^3", integrated_intensity),
    Feature("morph_morans_i_index", "N365", "", morans_i_index),
    Feature("morph_gearys_c_measure", "NPT7", "", gearys_c_measure),
)
