"""The image features by name: unit, IBSI code, definition.

IBSI codes are those of the Image Biomarker Standardisation Initiative reference manual (Zwanenburg et al. 2020).
"""

import dataclasses
import difflib

from radiogenomics.errors import InputError


@dataclasses.dataclass(frozen=True)
class Feature:
    """One image feature; `ibsi` is empty where the reference manual has no such feature."""

    name: str
    unit: str  # empty: dimensionless
    ibsi: str
    is_size: bool
    definition: str


FEATURES = (
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
    ),
    Feature(
        "sphericity", "", "QCFX", False,
        "Surface of the ball of equal volume divided by the mask's surface; 1 for a ball, less for any other shape.",
    ),
    Feature(
        "elongation", "", "Q3CK", False,
        "Square root of the second largest over the largest principal variance of the mask; 1 is not elongated.",
    ),
    Feature(
        "spiculation", "", "", False,
        "Coefficient of variation along the boundary of the radius measured in units of the mask's own ellipse.",
    ),
    Feature(
        "core_to_rim_hu", "HU", "", False,
        "Mean attenuation of the core (the half-size concentric ellipse) less that of the rim without boundary voxels.",
    ),
    Feature(
        "edge_sharpness_hu_per_mm", "HU/mm", "", False,
        "Mean magnitude of the attenuation gradient along the mask's boundary.",
    ),
    Feature(
        "texture_energy_hu", "HU", "", False,
        "Root mean square deviation from the radial profile and then the local mean, boundary voxels left out.",
    ),
)
ROUNDNESS = {2: "circularity", 3: "sphericity"}  # the one feature whose name depends on the dimension


def feature_names(ndim):
    """The nine feature names, in order, of `ndim`-dimensional patches (2 or 3); InputError for another `ndim`."""
    if ndim not in ROUNDNESS:
        raise InputError(f"Image features are defined in 2 or 3 dimensions, found ndim={ndim}.")
    other = ROUNDNESS[5 - ndim]
    return tuple(feature.name for feature in FEATURES if feature.name != other)


def describe_feature(name):
    """The `Feature` called `name`; InputError, naming the nearest known one, if there is none."""
    known = {feature.name: feature for feature in FEATURES}
    if name not in known:
        nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
        raise InputError(f"Unknown image feature '{name}': the nearest known feature is '{nearest}'.")
    return known[name]


def resolve(names, ndim):
    """The features to compute for `names` in `ndim` dimensions, as a tuple in the same order.

    `circularity` and `sphericity` name the same idea in 2-D and 3-D and are translated, so that one list serves both.
    Raises InputError for an unknown name (naming the nearest known one), a repeated one, or another `ndim`.
    """
    if isinstance(names, str):
        raise InputError(f"Image features must be a list of names, found the single string '{names}'.")
    allowed = feature_names(ndim)
    described = [describe_feature(name).name for name in names]
    resolved = tuple(name if name in allowed else ROUNDNESS[ndim] for name in described)
    repeated = [name for name in resolved if resolved.count(name) > 1]
    if repeated:
        raise InputError(f"Image feature '{repeated[0]}' is asked for more than once in {list(names)}.")
    return resolved
