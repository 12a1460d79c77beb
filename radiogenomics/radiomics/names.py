"""The image features by name: unit, IBSI code, definition.

IBSI codes are those of the Image Biomarker Standardisation Initiative reference manual (Zwanenburg et al. 2020).
"""

import dataclasses
import difflib

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi import glcm


@dataclasses.dataclass(frozen=True)
class Feature:
    """One image feature with two faces, exact and differentiable; `ibsi` is empty where the manual does not have it."""

    name: str
    unit: str  # empty: dimensionless
    ibsi: str
    is_size: bool
    definition: str
    partner: str = ""  # what the exact face computes, where the definition does not say it


CONTOUR = "Contour at 0.5 of the binary mask by marching squares"
MESH = "IBSI mesh of the binary mask by marching cubes"
PERCENTILE = "Linear between order statistics of the voxels inside."
MAIN = (
    Feature(
        "equivalent_diameter_mm", "mm", "", True,
        "Diameter of the disc (3-D: ball) that has the mask's area (volume by voxel counting, YEKZ).",
    ),
    Feature("mean_hu", "HU", "Q4LE", False, "Mean attenuation inside the mask."),
    Feature(
        "sd_hu", "HU", "ECT3 (square root)", False,
        "Standard deviation of attenuation inside the mask, the square root of the population variance.",
    ),
    Feature(
        "circularity", "", "", False,
        "Perimeter of the disc of equal area divided by the mask's perimeter; 1 for a disc, less for any other shape.",
        f"Area by counting voxels; {CONTOUR}.",
    ),
    Feature(
        "sphericity", "", "QCFX", False,
        "Surface of the ball of equal volume divided by the mask's surface; 1 for a ball, less for any other shape.",
        f"Volume and surface of the {MESH}.",
    ),
    Feature(
        "elongation", "", "Q3CK", False,
        "Square root of the second largest over the largest principal variance of the mask; 1 is not elongated.",
        "Population covariance of the voxel centres.",
    ),
    Feature(
        "spiculation", "", "", False,
        "Coefficient of variation along the boundary of the radius measured in units of the mask's own ellipse.",
        f"{CONTOUR}; in 3-D the {MESH}.",
    ),
    Feature(
        "core_to_rim_hu", "HU", "", False,
        "Mean attenuation of the core (the half-size concentric ellipse) less that of the rim without boundary voxels.",
    ),
    Feature(
        "edge_sharpness_hu_per_mm", "HU/mm", "", False,
        "Mean magnitude of the attenuation gradient along the mask's boundary.",
        "Central differences, interpolated on the contour or mesh.",
    ),
    Feature(
        "texture_energy_hu", "HU", "", False,
        "Root mean square deviation from the radial profile and then the local mean, boundary voxels left out.",
    ),
)
SHAPE = (
    Feature("area_mm2", "mm2", "", True, "Area of the mask.", "Number of voxels times the area of one."),
    Feature("volume_mm3", "mm3", "YEKZ", True, "Volume of the mask.", "Number of voxels times the volume of one."),
    Feature("perimeter_mm", "mm", "", True, "Length of the mask's boundary.", f"{CONTOUR}."),
    Feature("surface_mm2", "mm2", "C0JK", True, "Area of the mask's boundary.", f"{MESH}."),
    Feature(
        "flatness", "", "N17B", False,
        "Square root of the least over the largest principal variance of a three-dimensional mask; 1 is not flat.",
        "Population covariance of the voxel centres.",
    ),
    Feature(
        "maximum_diameter_mm", "mm", "L0JK", True, "Largest distance between two points of the mask's boundary.",
        f"Corners of the contour in the plane of a two-dimensional patch; in 3-D of the {MESH}.",
    ),
)
INTENSITY = (
    Feature(
        "skewness", "", "KE2A", False,
        "Third central moment of attenuation inside the mask over the cube of its population standard deviation.",
    ),
    Feature(
        "kurtosis", "", "IPH6", False,
        "Fourth central moment of attenuation inside the mask over its squared population variance, less 3.",
    ),
    Feature("p10_hu", "HU", "QG58", False, "10th percentile of attenuation inside the mask.", PERCENTILE),
    Feature("median_hu", "HU", "Y12H", False, "Median of attenuation inside the mask.", PERCENTILE),
    Feature("p90_hu", "HU", "8DWT", False, "90th percentile of attenuation inside the mask.", PERCENTILE),
    Feature("solid_fraction", "", "", False, "Share of the mask above -160 HU."),
    Feature("ground_glass_fraction", "", "", False, "Share of the mask between -750 and -300 HU."),
)
MARGIN = (
    Feature(
        "lobulation", "", "", False,
        "Coefficient of variation along the boundary of the part of the radius, in units of the mask's own ellipse, "
        "that low frequencies of the direction explain (Fourier, 3-D: spherical harmonics, up to 4).",
        f"Least squares weighted by length or area, ridge 0.001; {CONTOUR}; in 3-D the {MESH}.",
    ),
)
TEXTURE = tuple(
    Feature(
        feature.name, feature.unit, feature.code, False,
        f"{feature.definition} Grey levels: 28 bins of 50 HU from -1000 HU, values beyond in the first and the last.",
        f"IBSI {feature.code}, fixed bin size, distance 1, directions and slices merged.",
    )
    for feature in glcm.FEATURES
)
FEATURES = MAIN + SHAPE + INTENSITY + MARGIN + TEXTURE
# One idea whose name depends on the dimension: by dimension, one row each.
PAIRS = {
    2: ("circularity", "area_mm2", "perimeter_mm"),
    3: ("sphericity", "volume_mm3", "surface_mm2"),
}
ONLY_3D = ("flatness",)


def feature_names(ndim):
    """The feature names, in order, of `ndim`-dimensional patches (2 or 3); InputError for another `ndim`."""
    if ndim not in PAIRS:
        raise InputError(f"Image features are defined in 2 or 3 dimensions, found ndim={ndim}.")
    absent = PAIRS[5 - ndim] + (ONLY_3D if ndim == 2 else ())
    return tuple(feature.name for feature in FEATURES if feature.name not in absent)


def describe_feature(name):
    """The `Feature` called `name`; InputError, naming the nearest known one, if there is none."""
    known = {feature.name: feature for feature in FEATURES}
    if name not in known:
        nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
        raise InputError(f"Unknown image feature '{name}': the nearest known feature is '{nearest}'.")
    return known[name]


def resolve(names, ndim):
    """The features to compute for `names` in `ndim` dimensions, as a tuple in the same order.

    A name of the other dimension (`circularity` and `sphericity`, `area_mm2` and `volume_mm3`, `perimeter_mm` and
    `surface_mm2`) is translated, so that one list serves both.
    Raises InputError for an unknown name (naming the nearest known one), a repeated one, one that needs three
    dimensions in two, or another `ndim`.
    """
    if isinstance(names, str):
        raise InputError(f"Image features must be a list of names, found the single string '{names}'.")
    allowed = feature_names(ndim)
    translated = dict(zip(PAIRS[5 - ndim], PAIRS[ndim], strict=True))
    described = [describe_feature(name).name for name in names]
    resolved = tuple(translated.get(name, name) for name in described)
    absent = [name for name in resolved if name not in allowed]
    if absent:
        raise InputError(f"Image feature '{absent[0]}' needs three dimensions, found ndim={ndim}.")
    repeated = [name for name in resolved if resolved.count(name) > 1]
    if repeated:
        raise InputError(f"Image feature '{repeated[0]}' is asked for more than once in {list(names)}.")
    return resolved
