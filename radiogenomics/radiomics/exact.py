"""Exact image features of a binary nodule mask, by the standard measures of scipy and scikit-image, in float64.

One contour serves perimeter, spiculation and edge sharpness: marching squares in 2-D, the marching cubes mesh of IBSI
in 3-D, at 0.5 of the binary mask. It overestimates the boundary of a smooth shape by about 5 % (2-D) or 9 % (3-D),
so a disc has a circularity of about 0.95; `soft` shares this bias on binary masks, and features are compared by rank.
"""

import numpy as np
from scipy import ndimage
from skimage import measure

from radiogenomics.errors import InputError
from radiogenomics.radiomics.names import resolve

CORE_RADIUS = 0.5  # of the mask's own ellipse
PROFILE_STEP = 1.0 / 6.0  # between knots of the radial profile, in radii of the mask's own ellipse
PROFILE_KNOTS = 7  # up to 1, the rim of the ellipse; spikes beyond it share the last knot
PROFILE_SHRINKAGE = 0.3  # voxels; a knot with few voxels would otherwise fit their texture
WIDE_BINOMIAL = (0.0625, 0.25, 0.375, 0.25, 0.0625)  # the neighbourhood whose mean texture deviates from
NEED_TWO_VOXELS = ("sd_hu", "circularity", "sphericity", "elongation", "spiculation")


def exact_features(image_hu, mask, spacing_mm, names):
    """The features `names` of one patch as a dict of name (resolved for the patch's dimension) -> float.

    `image_hu` [*S] in HU, `mask` [*S] of 0 and 1, 2-D or 3-D, taken as it is; `spacing_mm` is the voxel edge along
    every axis. A feature that needs more voxels than the mask has is NaN. Definitions: `names.FEATURES`.
    Raises InputError for shapes that differ, non-finite HU, a non-binary or empty mask, a spacing that is not positive,
    or an unknown feature.
    """
    image, inside = _check_patch(np.asarray(image_hu), np.asarray(mask))
    values, _ = _measure(image, inside, _check_spacing(spacing_mm), resolve(names, image.ndim))
    return values


def exact_table(images_hu, masks, spacing_mm, names, ids):
    """`exact_features` of many patches: values [N, F] and a list of (id, feature, reason), one for each NaN among them.

    `images_hu` and `masks` [N, *S]; `ids` [N] name the patches in the reasons. A patch that cannot be measured (empty
    or non-binary mask, non-finite HU) is a row of NaN. Raises InputError for shapes that differ, a spacing that is not
    positive, an unknown feature, or a number of ids other than N.
    """
    images, masks = np.asarray(images_hu), np.asarray(masks)
    if images.shape != masks.shape or len(ids) != len(images):
        raise InputError(
            f"images_hu {images.shape}, masks {masks.shape} and ids ({len(ids)}) must agree: [N, *S], [N, *S] and N."
        )
    names, spacing_mm = resolve(names, images.ndim - 1), _check_spacing(spacing_mm)
    values, reasons = np.full((len(images), len(names)), np.nan), []
    for row, (image, mask, patch) in enumerate(zip(images, masks, ids, strict=True)):
        try:
            measured, missing = _measure(*_check_patch(image, mask), spacing_mm, names)
        except InputError as error:
            reasons += [(patch, name, str(error)) for name in names]
            continue
        values[row] = [measured[name] for name in names]
        reasons += [(patch, name, reason) for name, reason in missing.items()]
    return values, reasons


def _check_patch(image, mask):
    if image.shape != mask.shape:
        raise InputError(f"mask has shape {mask.shape}, expected that of image_hu, {image.shape}.")
    image = image.astype(np.float64)
    if not np.isfinite(image).all():
        raise InputError(f"image_hu has {np.sum(~np.isfinite(image))} values that are not finite, expected none.")
    inside = mask == 1
    if not np.array_equal(inside, mask != 0):
        other = mask[(mask != 0) & ~inside].flat[0]
        raise InputError(f"mask has the value {other}, expected only 0 and 1.")
    if not inside.any():
        raise InputError("mask is empty, expected at least one voxel of 1.")
    return image, inside


def _check_spacing(spacing_mm):
    if np.ndim(spacing_mm) or not np.isfinite(spacing_mm) or spacing_mm <= 0:
        raise InputError(f"spacing_mm is {spacing_mm}, expected one positive number of millimetres.")
    return float(spacing_mm)


def _measure(image, inside, spacing_mm, names):
    """Values of `names`, and the reason for each that is NaN."""
    ndim, voxels = image.ndim, np.argwhere(inside).astype(np.float64)
    attenuation = image[inside]
    centre = voxels.mean(0)
    covariance = np.cov(voxels.T, bias=True) + np.eye(ndim) / 12.0  # a voxel's own extent
    precision = np.linalg.inv(covariance)
    variances = np.linalg.eigvalsh(covariance)
    points, weights = _contour(inside)
    radius = _ellipse_radius(voxels, centre, precision)
    interior = ndimage.binary_erosion(inside)  # without the boundary voxels, whose attenuation is partly the lung's
    roundness = _ball_surface(len(voxels), ndim) / weights.sum()
    values = {
        "equivalent_diameter_mm": spacing_mm * _equivalent_diameter(len(voxels), ndim),
        "mean_hu": attenuation.mean(),
        "sd_hu": attenuation.std(),
        "circularity": roundness,
        "sphericity": roundness,
        "elongation": np.sqrt(variances[-2] / variances[-1]),
        "spiculation": _variation(_ellipse_radius(points, centre, precision), weights),
        "core_to_rim_hu": _core_to_rim(attenuation, radius, interior[inside]),
        "edge_sharpness_hu_per_mm": _edge_sharpness(image, points, weights) / spacing_mm,
        "texture_energy_hu": _texture_energy(image, interior, radius[interior[inside]]),
    }
    reasons = _find_missing(values, len(voxels))
    missing = {name: reasons[name] for name in names if name in reasons}
    return {name: np.nan if name in missing else float(values[name]) for name in names}, missing


def _find_missing(values, voxels):
    """Feature -> why a mask of so many `voxels` does not have it."""
    missing = {}
    if np.isnan(values["core_to_rim_hu"]):
        missing["core_to_rim_hu"] = "mask has no voxel in its core, or none in its rim away from its boundary"
    if np.isnan(values["texture_energy_hu"]):
        missing["texture_energy_hu"] = "mask has too few voxels away from its boundary"
    if voxels < 2:
        missing |= dict.fromkeys(NEED_TWO_VOXELS, "mask has one voxel, at least two are needed")
    return missing


def _equivalent_diameter(volume, ndim):
    return 2.0 * (volume / np.pi) ** 0.5 if ndim == 2 else (6.0 * volume / np.pi) ** (1.0 / 3.0)


def _ball_surface(volume, ndim):
    return np.pi * _equivalent_diameter(volume, ndim) ** (ndim - 1)


def _contour(inside):
    """The boundary's pieces: midpoints [n, ndim] in voxel indices and lengths (3-D: areas) [n] in voxels."""
    padded = np.pad(inside, 1).astype(np.float64)
    if inside.ndim == 2:
        curves = measure.find_contours(padded, 0.5)
        points = np.concatenate([(curve[1:] + curve[:-1]) / 2.0 for curve in curves])
        return points - 1.0, np.concatenate([np.linalg.norm(np.diff(curve, axis=0), axis=1) for curve in curves])
    vertices, faces, _, _ = measure.marching_cubes(padded, 0.5)
    corners = vertices[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return corners.mean(1) - 1.0, np.linalg.norm(normals, axis=1) / 2.0


def _ellipse_radius(points, centre, precision):
    """Radius of `points` [n, ndim] in units of the mask's own ellipse, the uniform one of equal covariance."""
    centred = points - centre
    return np.sqrt(((centred @ precision) * centred).sum(1) / (centred.shape[1] + 2))


def _variation(values, weights):
    mean = np.average(values, weights=weights)
    return np.sqrt(np.average((values - mean) ** 2, weights=weights)) / mean


def _core_to_rim(attenuation, radius, interior):
    core, rim = radius < CORE_RADIUS, (radius >= CORE_RADIUS) & interior
    return attenuation[core].mean() - attenuation[rim].mean() if core.any() and rim.any() else np.nan


def _edge_sharpness(image, points, weights):
    """Mean magnitude of the central-difference gradient, interpolated on the contour."""
    slopes = np.gradient(np.pad(image, 2, mode="edge"))
    along = [ndimage.map_coordinates(slope, points.T + 2.0, order=1) for slope in slopes]
    return np.average(np.sqrt(sum(slope**2 for slope in along)), weights=weights)


def _texture_energy(image, interior, radius):
    """RMS in the interior after the radial profile (cavity, rim) and then the local mean are taken off."""
    if interior.sum() < 2**image.ndim:
        return np.nan
    position = np.minimum(radius[:, None] / PROFILE_STEP, PROFILE_KNOTS - 1)
    shares = np.clip(1.0 - np.abs(position - np.arange(PROFILE_KNOTS)), 0.0, None)
    deviation = image[interior] - image[interior].mean()
    residual = np.zeros_like(image)
    residual[interior] = deviation - shares @ (deviation @ shares / (shares.sum(0) + PROFILE_SHRINKAGE))
    local = _smooth(residual)[interior] / _smooth(interior.astype(np.float64))[interior]
    return np.sqrt(np.mean((residual[interior] - local) ** 2))


def _smooth(values):
    for axis in range(values.ndim):
        values = ndimage.correlate1d(values, WIDE_BINOMIAL, axis=axis, mode="constant")
    return values
