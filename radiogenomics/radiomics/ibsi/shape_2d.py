"""Shape of 2-D patches: the in-plane counterparts of the manual's 3-D morphology, which has no codes for them.

The contour is that of marching squares on the morphological mask at 0.5, with zeros around the array; pixels that meet
at a corner only are apart. Formulas: A and P are area and length of the contour (holes subtract from A and add to P),
a >= b the semi-axes 2 sqrt(lambda) of the ellipse with the principal variances lambda of the pixel centres (divided by
their number less one, as in 3-D).
"""

import dataclasses
import functools

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi.definition import Feature


@dataclasses.dataclass(frozen=True, eq=False)
class Patches:
    """N patches [N, Y, X]; what their features share is computed once, [N] in mm."""

    image: np.ndarray
    mask: np.ndarray  # bool
    intensity_mask: np.ndarray  # bool, part of the mask
    spacing_mm: tuple  # (y, x)

    @functools.cached_property
    def pixels(self):
        """[N] number of pixels."""
        return self.mask.sum((1, 2))

    @functools.cached_property
    def centres(self):
        """[Y X, 2] pixel centres."""
        axes = [np.arange(size) * edge for size, edge in zip(self.mask.shape[1:], self.spacing_mm, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)

    @functools.cached_property
    def centroid(self):
        """[N, 2] mean pixel centre."""
        return self.mask.reshape(len(self.mask), len(self.centres)) @ self.centres / self.pixels[:, None]

    @functools.cached_property
    def contour(self):
        """(area, perimeter)."""
        return _measure_contour(self.mask, self.spacing_mm)

    @functools.cached_property
    def hull(self):
        """(area, perimeter, diameter) of the convex hull of the contour."""
        return np.array([_measure_hull(mask, self.spacing_mm) for mask in self.mask]).reshape(-1, 3).T

    @functools.cached_property
    def box(self):
        """[N, 2] edges of the contour's bounding box; the contour ends half a pixel beyond the outermost centres."""
        return np.stack([_extent(self.mask.any(2)), _extent(self.mask.any(1))], 1) * self.spacing_mm

    @functools.cached_property
    def semi_axes(self):
        """(a, b)."""
        return _semi_axes(self.mask, self.centres, self.centroid)

    @functools.cached_property
    def weights(self):
        """[N, Y X] intensities, zero outside of the intensity mask."""
        return np.where(self.intensity_mask, self.image, 0.0).reshape(len(self.mask), len(self.centres))


def measure(image, mask, intensity_mask, spacing_mm):
    """The features of N patches, [N, F] float64 in the order of FEATURES, NaN where one is undefined.

    `image` [N, 1, Y, X] in units of intensity (HU); `mask` bool of the same shape, the morphological mask, and
    `intensity_mask` the part of it whose intensities count; `spacing_mm` (z, y, x), of which z is not used.
    Raises InputError for patches of more than one slice.
    """
    if image.shape[1] != 1:
        raise InputError(f"Shape in 2-D is that of patches of one slice, found {image.shape[1]} slices.")
    in_plane = tuple(float(edge) for edge in spacing_mm[1:])
    patches = Patches(image[:, 0].astype(np.float64), mask[:, 0], intensity_mask[:, 0], in_plane)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.stack([each.function(patches) for each in FEATURES], 1)
    return np.where(np.isfinite(values) & (patches.pixels > 0)[:, None], values, np.nan)


def area_contour(patches):
    """Area A in the contour; holes subtract."""
    return patches.contour[0]


def area_pixel_counting(patches):
    """Number of pixels times the area of one."""
    return patches.pixels * np.prod(patches.spacing_mm)


def perimeter(patches):
    """Length P of the contour, holes included."""
    return patches.contour[1]


def perimeter_to_area_ratio(patches):
    """Perimeter P over area A of the contour."""
    return perimeter(patches) / area_contour(patches)


def circularity(patches):
    """Perimeter of the disc of area A over P, 2 sqrt(pi A) / P; 1 for a disc."""
    return 2.0 * np.sqrt(np.pi * area_contour(patches)) / perimeter(patches)


def maximum_2d_diameter(patches):
    """Largest distance between two points of the contour."""
    return patches.hull[2]


def major_axis_length(patches):
    """2 a, four times the root of the larger principal variance."""
    return 2.0 * patches.semi_axes[0]


def minor_axis_length(patches):
    """2 b, four times the root of the smaller principal variance."""
    return 2.0 * patches.semi_axes[1]


def elongation(patches):
    """b / a, 1 if not elongated; undefined for one pixel."""
    return patches.semi_axes[1] / patches.semi_axes[0]


def area_density_box(patches):
    """A over the area of the contour's axis-aligned bounding box."""
    return area_contour(patches) / patches.box.prod(1)


def area_density_ellipse(patches):
    """A over the area pi a b of the approximate enclosing ellipse; undefined where that is 0."""
    return area_contour(patches) / (np.pi * patches.semi_axes.prod(0))


def area_density_hull(patches):
    """A over the area of the contour's convex hull."""
    return area_contour(patches) / patches.hull[0]


def perimeter_density_hull(patches):
    """P over the perimeter of the contour's convex hull."""
    return perimeter(patches) / patches.hull[1]


def centre_of_mass_shift(patches):
    """Distance from the mean pixel centre to the mean of centres weighted by intensity."""
    weighted = patches.weights @ patches.centres / patches.weights.sum(1)[:, None]
    return np.linalg.norm(patches.centroid - weighted, axis=1)


def integrated_intensity(patches):
    """Mean intensity times area A of the contour."""
    return patches.weights.sum(1) / patches.intensity_mask.sum((1, 2)) * area_contour(patches)


def _measure_contour(mask, spacing_mm):
    """Area and perimeter of the contour: the sums of what each 2 x 2 square of pixels holds of it."""
    kinds = np.pad(mask, ((0, 0), (1, 1), (1, 1))).astype(np.uint8)
    kinds = kinds[:, :-1] + 2 * kinds[:, 1:]
    kinds = kinds[:, :, :-1] + 4 * kinds[:, :, 1:]
    counts = np.array([np.bincount(each.ravel(), minlength=16) for each in kinds]).reshape(-1, 16)
    return (counts @ _square_table(spacing_mm)).T


def _square_table(spacing_mm):
    """[16, 2] area and length of the contour in the square whose corner y + 2 x is inside if that bit is set."""
    y, x = spacing_mm
    slant = np.hypot(y, x) / 2.0
    corner, beside_y, beside_x, diagonal = (1 / 8, slant), (1 / 2, y), (1 / 2, x), (1 / 4, 2 * slant)
    three = (7 / 8, slant)
    table = [(0, 0), corner, corner, beside_y, corner, beside_x, diagonal, three,
             corner, diagonal, beside_x, three, beside_y, three, three, (1, 0)]  # fmt: skip
    return np.array(table) * (y * x, 1.0)


def _measure_hull(mask, spacing_mm):
    """Area, perimeter and diameter of the hull of the outermost contour points of every row and column."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return np.nan, np.nan, np.nan
    left, right = _ends(mask[rows])
    top, bottom = _ends(mask[:, columns].T)
    y, x = np.concatenate([rows, rows, top, bottom]), np.concatenate([left, right, columns, columns])
    hull = ConvexHull(np.stack([y, x], 1) * spacing_mm)
    return hull.volume, hull.area, pdist(hull.points[hull.vertices]).max()


def _ends(lines):
    """Half a pixel before the first, and after the last, pixel of every row of `lines`."""
    return lines.argmax(1) - 0.5, lines.shape[1] - 0.5 - lines[:, ::-1].argmax(1)


def _extent(line):
    """[N] from the first to the last that is true of `line` [N, L], both included."""
    return line.shape[1] - line[:, ::-1].argmax(1) - line.argmax(1)


def _semi_axes(mask, centres, centroid):
    products = np.stack([centres[:, 0] ** 2, centres[:, 0] * centres[:, 1], centres[:, 1] ** 2], 1)
    pixels = mask.sum((1, 2))
    means = mask.reshape(len(mask), len(centres)) @ products / pixels[:, None]
    y, x = centroid.T
    yy, yx, xx = means[:, 0] - y * y, means[:, 1] - y * x, means[:, 2] - x * x
    spread = np.hypot((yy - xx) / 2.0, yx)
    variances = np.stack([(yy + xx) / 2.0 + spread, (yy + xx) / 2.0 - spread]) * pixels / (pixels - 1.0)
    # Rounding, relative to what was subtracted: pixels on one line have no spread across it.
    least = 1e-12 * (means[:, 0] + means[:, 2])
    return 2.0 * np.sqrt(np.where(variances <= least, 0.0, variances))


FEATURES = (
    Feature("morph_area_contour", "", "mm^2", area_contour),
    Feature("morph_area_pixel_counting", "", "mm^2", area_pixel_counting),
    Feature("morph_perimeter", "", "mm", perimeter),
    Feature("morph_perimeter_to_area_ratio", "", "1/mm", perimeter_to_area_ratio),
    Feature("morph_circularity", "", "", circularity),
    Feature("morph_maximum_2d_diameter", "", "mm", maximum_2d_diameter),
    Feature("morph_major_axis_length", "", "mm", major_axis_length),
    Feature("morph_minor_axis_length", "", "mm", minor_axis_length),
    Feature("morph_elongation", "", "", elongation),
    Feature("morph_area_density_axis_aligned_bounding_box", "", "", area_density_box),
    Feature("morph_area_density_approximate_enclosing_ellipse", "", "", area_density_ellipse),
    Feature("morph_area_density_convex_hull", "", "", area_density_hull),
    Feature("morph_perimeter_density_convex_hull", "", "", perimeter_density_hull),
    Feature("morph_centre_of_mass_shift", "", "mm", centre_of_mass_shift),
    Feature("morph_integrated_intensity", "", "HU mm^2", integrated_intensity),
)
