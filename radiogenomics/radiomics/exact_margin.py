"""Exact margin of a nodule: the boundary's radius in units of the mask's own ellipse, and the slope across it."""

import numpy as np
from scipy import ndimage

from radiogenomics.radiomics.harmonics import explain_variance


def spiculation(region):
    """Coefficient of variation of the boundary's radius."""
    mean = np.average(region.boundary_radius, weights=region.weights)
    return np.sqrt(np.average((region.boundary_radius - mean) ** 2, weights=region.weights)) / mean


def lobulation(region):
    """Coefficient of variation of the part of the boundary's radius that low frequencies explain."""
    centred = region.points - region.voxels.mean(0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0.0)
    explained = explain_variance(directions.T, region.boundary_radius, region.weights / region.weights.sum())
    return np.sqrt(max(explained, 0.0)) / np.average(region.boundary_radius, weights=region.weights)


def edge_sharpness(region):
    """Mean magnitude of the central-difference gradient, interpolated on the contour, in HU per mm."""
    slopes = np.gradient(np.pad(region.image, 2, mode="edge"))
    along = [ndimage.map_coordinates(slope, region.points.T + 2.0, order=1) for slope in slopes]
    return np.average(np.sqrt(sum(slope**2 for slope in along)), weights=region.weights) / region.spacing_mm


MARGIN = {
    "spiculation": spiculation,
    "lobulation": lobulation,
    "edge_sharpness_hu_per_mm": edge_sharpness,
}
