"""What the exact features of one nodule share, measured when first asked for: contour, moments, radius, grey levels.

One contour serves perimeter, spiculation, lobulation and edge sharpness: marching squares in 2-D, the marching cubes
mesh of IBSI in 3-D, at 0.5 of the binary mask. It overestimates the boundary of a smooth shape by about 5 % (2-D) or
9 % (3-D), so a disc has a circularity of about 0.95; the soft face shares this bias on binary masks, and features are
compared by rank.
"""

import dataclasses
import functools

import numpy as np
from scipy import ndimage
from skimage import measure

from radiogenomics.radiomics.ibsi import glcm, statistics
from radiogenomics.radiomics.ibsi.regions import discretise
from radiogenomics.radiomics.ibsi.settings import FixedBinSize

LEVELS = FixedBinSize(width=50.0, lowest=-1000.0, highest=400.0)  # grey levels of texture
LEVEL_COUNT = round((LEVELS.highest - LEVELS.lowest) / LEVELS.width)
CROP_MARGIN = 3  # voxels: the contour is half a voxel outside, interpolation and central differences one each


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """One nodule: `image` [*S] in HU (float64), `inside` [*S] (bool, not empty), both cropped, and the voxel edge."""

    image: np.ndarray
    inside: np.ndarray
    spacing_mm: float

    @functools.cached_property
    def voxels(self):
        """Indices [V, ndim] of the voxels inside."""
        return np.argwhere(self.inside).astype(np.float64)

    @functools.cached_property
    def attenuation(self):
        """HU [V] of the voxels inside."""
        return self.image[self.inside]

    @functools.cached_property
    def sample(self):
        """The attenuation inside as `ibsi.statistics` takes it."""
        return statistics.Sample(np.sort(self.attenuation)[None], np.array([self.attenuation.size]))

    @functools.cached_property
    def interior(self):
        """[*S]: the region without its boundary voxels, whose attenuation is partly the lung's."""
        return ndimage.binary_erosion(self.inside)

    @functools.cached_property
    def covariance(self):
        """Population covariance [ndim, ndim] of the voxel centres, in voxels squared."""
        return np.atleast_2d(np.cov(self.voxels.T, bias=True))

    @functools.cached_property
    def variances(self):
        """Principal variances [ndim], ascending, in voxels squared; never below zero."""
        return np.maximum(np.linalg.eigvalsh(self.covariance), 0.0)

    @functools.cached_property
    def corners(self):
        """The contour's pieces by their corners [n, ndim, ndim], in voxel indices: segments, or triangles in 3-D."""
        padded = np.pad(self.inside, 1).astype(np.float64)
        if self.inside.ndim == 2:
            curves = measure.find_contours(padded, 0.5)
            return np.concatenate([np.stack([curve[:-1], curve[1:]], 1) for curve in curves]) - 1.0
        vertices, faces, _, _ = measure.marching_cubes(padded, 0.5)
        return vertices[faces].astype(np.float64) - 1.0

    @functools.cached_property
    def points(self):
        """Midpoints [n, ndim] of the contour's pieces, in voxel indices."""
        return self.corners.mean(1)

    @functools.cached_property
    def weights(self):
        """Lengths (3-D: areas) [n] of the contour's pieces, in voxels."""
        sides = self.corners[:, 1:] - self.corners[:, :1]
        if sides.shape[1] == 1:
            return np.linalg.norm(sides[:, 0], axis=1)
        return np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2.0

    @functools.cached_property
    def radius(self):
        """Radius [V] of the voxels inside, in units of the mask's own ellipse."""
        return self.ellipse_radius(self.voxels)

    @functools.cached_property
    def boundary_radius(self):
        """Radius [n] of the contour's midpoints, in units of the mask's own ellipse."""
        return self.ellipse_radius(self.points)

    @functools.cached_property
    def cooccurrences(self):
        """GLCM feature -> value, on grey levels of fixed width, directions and slices merged; NaN where undefined."""
        shape = (1,) * (4 - self.image.ndim) + self.image.shape
        levels = discretise(self.image.reshape(shape), self.inside.reshape(shape), LEVELS)
        values = glcm.measure(levels, np.array([LEVEL_COUNT]), "3D, merged")[0]
        return {feature.name: value for feature, value in zip(glcm.FEATURES, values, strict=True)}

    def ellipse_radius(self, points):
        """Radius of `points` [n, ndim] in units of the mask's own ellipse, the uniform one of equal covariance.

        A voxel's own extent (variance 1/12) is part of that covariance, so that a line of voxels has an ellipse.
        """
        ndim = points.shape[1]
        centred = points - self.voxels.mean(0)
        precision = np.linalg.inv(self.covariance + np.eye(ndim) / 12.0)
        return np.sqrt(((centred @ precision) * centred).sum(1) / (ndim + 2))


def crop_region(image, inside, spacing_mm):
    """The `Region` of `inside` [*S] (bool, not empty) in `image` [*S] in HU, without the voxels that do not matter."""
    (found,) = ndimage.find_objects(inside.astype(np.uint8))
    box = tuple(slice(max(side.start - CROP_MARGIN, 0), side.stop + CROP_MARGIN) for side in found)
    return Region(image[box], inside[box], spacing_mm)
