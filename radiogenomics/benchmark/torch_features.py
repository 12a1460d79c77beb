"""The eight differentiable image features of the training loss in PyTorch, 2-D, a batch at a time.

Term by term those of radiomics/soft*.py, so that the rival's training step in the speed suite does the same work.
"""

import numpy as np
import torch
from torch.nn import functional

from radiogenomics.radiomics import exact_texture, soft_intensity, soft_margin, soft_region, soft_shape, soft_texture

NAMES = (
    "equivalent_diameter_mm", "mean_hu", "sd_hu", "circularity", "elongation", "spiculation", "core_to_rim_hu",
    "texture_energy_hu",
)


def soft_features(image_hu, mask, spacing_mm):
    """Features `NAMES` [batch, F] of images [batch, H, W] in HU and masks in 0..1."""
    extent = _sharpen(mask, soft_region.SHAPE_SHARPNESS)
    inside = _sharpen(mask, soft_region.INTENSITY_SHARPNESS)
    mean = _weighted_mean(image_hu, inside)
    deviation = image_hu - mean[:, None, None]
    centre, values, precision = _principal(extent)
    points, weights = _boundary(extent)
    size = extent.sum((1, 2))
    rows, columns = _coordinates(mask)
    radius = _ellipse_radius(torch.stack([rows, columns])[None], centre, precision)
    boundary_radius = _ellipse_radius(points, centre, precision)
    mean_radius = _weighted_mean(boundary_radius, weights)
    spread = _weighted_mean((boundary_radius - mean_radius[:, None, None]) ** 2, weights)
    variances = torch.clamp(values - 1.0 / 12.0, min=0.0) + soft_shape.VARIANCE_FLOOR
    perimeter = torch.clamp(weights.sum((1, 2)), min=2.0 * np.sqrt(np.pi))  # of a voxel's area as a disc
    interior = _erode(inside)
    return torch.stack([
        spacing_mm * _diameter(mask.sum((1, 2))),
        mean,
        torch.sqrt(_weighted_mean(deviation**2, inside) + soft_intensity.SD_FLOOR_HU**2),
        np.pi * _diameter(size) / perimeter,
        torch.sqrt(variances[:, 0] / variances[:, 1]),
        torch.sqrt(spread + soft_margin.VARIANCE_FLOOR) / torch.clamp(mean_radius, min=soft_margin.LEAST_RADIUS),
        _core_to_rim(radius, inside, interior, deviation),
        _texture_energy(radius, interior, deviation),
    ], 1)


def _sharpen(mask, sharpness):
    inside, outside = mask**sharpness, (1.0 - mask) ** sharpness
    return inside / (inside + outside)


def _weighted_mean(values, weight):
    return (weight * values).sum((1, 2)) / torch.clamp(weight.sum((1, 2)), min=1.0)


def _coordinates(values):
    axes = [torch.arange(size, device=values.device) - (size - 1) / 2 for size in values.shape[-2:]]
    return torch.meshgrid(*axes, indexing="ij")


def _diameter(size):
    """In voxels, of the disc of a size in voxels; below one voxel a parabola that meets the root."""
    parabola = size * (1.5 - 0.5 * size)
    return torch.where(size < 1.0, parabola, torch.sqrt(torch.clamp(size, min=1.0))) * (4.0 / np.pi) ** 0.5


def _principal(extent):
    """Centre [batch, 2], ascending principal variances [batch, 2] and inverse covariance [batch, 2, 2]."""
    coordinates = torch.stack(_coordinates(extent)).reshape(2, -1)
    weight = (extent / torch.clamp(extent.sum((1, 2), keepdim=True), min=1.0)).flatten(1)
    centre = weight @ coordinates.T
    centred = coordinates - centre[:, :, None]
    covariance = (centred * weight[:, None]) @ centred.mT + torch.eye(2, device=extent.device) / 12.0
    fixed, vectors = torch.linalg.eigh(covariance.detach())
    inverse = (vectors / fixed[:, None]) @ vectors.mT
    return centre, (vectors * (covariance @ vectors)).sum(1), 2.0 * inverse - inverse @ covariance @ inverse


def _boundary(extent):
    """Points [batch, 2, h, w] of the 0.5 level set, and their weights [batch, h, w]."""
    padded = functional.pad(extent, (soft_region.PADDING,) * 4)
    down, right = padded[:, 1:] - padded[:, :-1], padded[:, :, 1:] - padded[:, :, :-1]
    gradient = torch.stack([(down[:, :, 1:] + down[:, :, :-1]) / 2.0, (right[:, 1:] + right[:, :-1]) / 2.0], 1)
    lines = (padded[:, 1:] + padded[:, :-1]) / 2.0
    value = (lines[:, :, 1:] + lines[:, :, :-1]) / 2.0
    square = gradient.square().sum(1)
    logit = torch.log((value + 1e-3) / (1.0 - value + 1e-3))
    step = value * (1.0 - value) * logit / (square + soft_region.FLAT_SLOPE)
    points = torch.stack(_coordinates(value)) - step[:, None] * gradient
    return points, torch.sqrt(square + 1e-6) - 1e-3


def _ellipse_radius(points, centre, precision):
    rows, columns = (points - centre[:, :, None, None]).unbind(1)
    first, cross, last = (precision[:, a, b, None, None] for a, b in ((0, 0), (0, 1), (1, 1)))
    square = first * rows**2 + 2.0 * cross * rows * columns + last * columns**2
    return torch.sqrt(square / 4.0 + 1e-6)


def _erode(mask):
    padded = functional.pad(mask, (1, 1, 1, 1))
    vertical = padded[:, :-2, 1:-1] * padded[:, 2:, 1:-1]
    return mask * vertical * padded[:, 1:-1, :-2] * padded[:, 1:-1, 2:]


def _core_to_rim(radius, inside, interior, deviation):
    core = torch.sigmoid((exact_texture.CORE_RADIUS - radius) / soft_texture.CORE_SOFTNESS)
    rim = interior * (1.0 - core)
    difference = _weighted_mean(deviation, inside * core) - _weighted_mean(deviation, rim)
    return difference * torch.clamp(rim.sum((1, 2)), max=1.0)


def _texture_energy(radius, interior, deviation):
    count = exact_texture.PROFILE_KNOTS
    knots = torch.arange(count, device=radius.device)[:, None, None]
    position = torch.clamp(radius / exact_texture.PROFILE_STEP, max=count - 1)
    flat = torch.clamp(1.0 - (position[:, None] - knots).abs(), min=0.0).flatten(2)  # [batch, knots, voxels]
    weight = interior.flatten(1)
    centred = (deviation - _weighted_mean(deviation, interior)[:, None, None]).flatten(1)
    sums = torch.einsum("bkv,bv->bk", flat, weight)
    profile = torch.einsum("bkv,bv->bk", flat, weight * centred) / (sums + exact_texture.PROFILE_SHRINKAGE)
    residual = (centred - torch.einsum("bk,bkv->bv", profile, flat)).reshape(radius.shape)
    local = _smooth(interior * residual) / (_smooth(interior) + 1e-3)
    return torch.sqrt(_weighted_mean((residual - local) ** 2, interior) + soft_texture.SD_FLOOR_HU**2)


def _smooth(values):
    weights = torch.tensor(exact_texture.WIDE_BINOMIAL, device=values.device)
    values = functional.conv2d(values[:, None], weights[None, None, :, None], padding=(len(weights) // 2, 0))
    return functional.conv2d(values, weights[None, None, None], padding=(0, len(weights) // 2))[:, 0]
