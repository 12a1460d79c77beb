"""Exact size and shape of a nodule."""

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist


def equivalent_diameter(region):
    """Diameter of the disc or ball of equal area or volume, in mm."""
    return region.spacing_mm * _equivalent_diameter(len(region.voxels), region.inside.ndim)


def volume(region):
    """Voxels inside times the voxel's area (mm2) or volume (mm3) (IBSI YEKZ in 3-D)."""
    return len(region.voxels) * region.spacing_mm**region.inside.ndim


def surface(region):
    """Length of the contour in mm, or area of the mesh in mm2 (IBSI C0JK)."""
    return region.weights.sum() * region.spacing_mm ** (region.inside.ndim - 1)


def roundness(region):
    """Surface of the disc or ball of equal volume over the surface; of the mesh's own volume in 3-D (IBSI QCFX)."""
    ndim = region.inside.ndim
    size = len(region.voxels) if ndim == 2 else _mesh_volume(region)
    return np.pi * _equivalent_diameter(size, ndim) ** (ndim - 1) / region.weights.sum()


def elongation(region):
    """Square root of the second largest over the largest principal variance (IBSI Q3CK)."""
    return _axis_ratio(region.variances[-2], region.variances[-1])


def flatness(region):
    """Square root of the least over the largest principal variance, of a volume (IBSI N17B)."""
    return _axis_ratio(region.variances[0], region.variances[-1])


def maximum_diameter(region):
    """Largest distance between two corners of the contour or mesh, in mm (IBSI L0JK)."""
    corners = region.corners.reshape(-1, region.inside.ndim)
    return region.spacing_mm * pdist(corners[ConvexHull(corners).vertices]).max()


def _mesh_volume(region):
    """Volume within the triangles, in voxels (IBSI RNU0): the tetrahedra between each triangle and one point."""
    corners = region.corners - region.voxels[0]
    return np.abs(np.linalg.det(corners).sum()) / 6.0


def _axis_ratio(smaller, larger):
    return np.sqrt(smaller / larger) if larger > 0.0 else np.nan


def _equivalent_diameter(size, ndim):
    return 2.0 * (size / np.pi) ** 0.5 if ndim == 2 else (6.0 * size / np.pi) ** (1.0 / 3.0)


SHAPE = {
    "equivalent_diameter_mm": equivalent_diameter,
    "area_mm2": volume,
    "volume_mm3": volume,
    "perimeter_mm": surface,
    "surface_mm2": surface,
    "circularity": roundness,
    "sphericity": roundness,
    "elongation": elongation,
    "flatness": flatness,
    "maximum_diameter_mm": maximum_diameter,
}
