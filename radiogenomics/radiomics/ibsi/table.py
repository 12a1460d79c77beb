"""Tables of exact IBSI features: of one region (`extract`), or of many with the same array shape (`extract_table`)."""

import dataclasses
import difflib

import numpy as np
import pandas as pd

from radiogenomics.errors import InputError
from radiogenomics.radiomics.ibsi import (
    glcm,
    gldzm,
    glrlm,
    glszm,
    histogram,
    local_intensity,
    morphology,
    ngldm,
    ngtdm,
    shape_2d,
    statistics,
    volume_histogram,
)
from radiogenomics.radiomics.ibsi.aggregation import AGGREGATIONS
from radiogenomics.radiomics.ibsi.regions import prepare_regions
from radiogenomics.radiomics.ibsi.settings import DEFAULT_AGGREGATION, Settings, check_settings
from radiogenomics.radiomics.patch import check_batch, check_patch, check_spacing

FAMILIES = {
    "morphology": morphology,
    "local_intensity": local_intensity,
    "statistics": statistics,
    "histogram": histogram,
    "volume_histogram": volume_histogram,
    "glcm": glcm,
    "glrlm": glrlm,
    "glszm": glszm,
    "gldzm": gldzm,
    "ngtdm": ngtdm,
    "ngldm": ngldm,
}
VOXELS_AT_ONCE = 2**18  # bounds memory, and keeps what is worked on in the processor's caches
CELLS_AT_ONCE = 2**22  # of co-occurrence matrices


def extract(image_hu, mask, spacing_mm, patient="", **settings):
    """Exact IBSI features of one region: a DataFrame by feature with family, code, unit, aggregation and value.

    `image_hu` [Y, X] or [Z, Y, X] in HU, `mask` of 0 and 1 in that shape, `spacing_mm` the voxel edge, one for
    all axes or one each; `patient` names the region in errors; `settings` are the fields of `Settings`.
    Raises InputError, naming patient and feature, where a feature is not defined for the region (`extract_table` gives
    NaN and the reason), and for bad input: shapes, HU that are not finite, mask, spacing, settings.
    """
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in settings:
        if name not in known:
            raise InputError(f"'{name}' is no setting, expected among {', '.join(known)}.")
    settings = Settings(**settings)
    named = f"patient {patient}: " if patient else ""
    try:
        image, inside = check_patch(image_hu, mask)
        check_spacing(spacing_mm, image.ndim)
    except InputError as error:
        raise InputError(f"{named}{error}") from error
    table, reasons = extract_table(image[None], inside[None], spacing_mm, [patient], settings)
    for _, feature, reason in reasons:
        raise InputError(f"{named}feature {feature} is not defined: {reason}.")
    described = describe_features(settings, image.ndim)
    return described.drop(columns="definition").assign(value=table.iloc[0])


def extract_table(images_hu, masks, spacing_mm, ids, settings):
    """Exact IBSI features of N regions: a DataFrame [ids, features] and a list of (id, feature, reason) for each NaN.

    `images_hu` [N, *S] in HU, `masks` [N, *S] of 0 and 1, one `spacing_mm` for all, `ids` [N]. A region that cannot be
    measured (empty or non-binary mask, non-finite HU) is a row of NaN.
    Raises InputError for shapes that differ, bad spacing, bad settings, or a number of ids other than N.
    """
    images, masks = check_batch(images_hu, masks, ids)
    ndim = images.ndim - 1
    columns, spacing = describe_features(settings, ndim).index, check_spacing(spacing_mm, ndim)
    good, faults = _check_patches(images, masks)
    values = np.full((len(images), len(columns)), np.nan)
    for rows in _blocks(good, images[0].size * len(good) // VOXELS_AT_ONCE if len(good) else 0):
        values[rows], why = _measure(images[rows], masks[rows] == 1, spacing, settings)
        faults |= dict(zip(rows.tolist(), why, strict=True))
    undefined = np.argwhere(np.isnan(values)).tolist()
    reasons = [(ids[row], columns[column], faults[row]) for row, column in undefined]
    return pd.DataFrame(values, index=list(ids), columns=columns), reasons


def describe_features(settings, ndim):
    """The features that `settings` ask for, in the order of the tables: family, code, unit, aggregation, definition.

    A DataFrame indexed by feature name. Raises InputError for an unknown family or another `ndim` than 2 or 3.
    """
    check_settings(settings)
    if ndim not in DEFAULT_AGGREGATION:
        raise InputError(f"Image features are defined in 2 or 3 dimensions, found ndim={ndim}.")
    aggregation = _aggregation(settings, ndim)
    rows = []
    for family in _check_families(settings.families):
        used = _used_aggregation(family, aggregation)
        rows += [
            (each.name, family, each.code, each.unit, used, each.definition)
            for each in _module(family, ndim).FEATURES
        ]
    columns = ["feature", "family", "code", "unit", "aggregation", "definition"]
    return pd.DataFrame(rows, columns=columns).set_index("feature")


def _check_families(families):
    if isinstance(families, str):
        raise InputError(f"families must be a list of names, found the single string '{families}'.")
    for family in families:
        if family not in FAMILIES:
            nearest = difflib.get_close_matches(str(family), FAMILIES, n=1, cutoff=0.0)[0]
            raise InputError(f"families: '{family}' is unknown, the nearest of {', '.join(FAMILIES)} is '{nearest}'.")
    if len(set(families)) != len(families) or not families:
        raise InputError(f"families is {list(families)}, expected at least one, each once.")
    return families


def _aggregation(settings, ndim):
    aggregation = settings.aggregation or DEFAULT_AGGREGATION[ndim]
    if ndim == 2 and aggregation.startswith("3D"):
        raise InputError(f"aggregation is '{aggregation}', expected a 2D or 2.5D one for a patch of one slice.")
    return aggregation


def _used_aggregation(family, aggregation):
    if family in ("glcm", "glrlm"):
        return aggregation
    return aggregation.split(",")[0] if family in ("glszm", "gldzm", "ngtdm", "ngldm") else ""


def _module(family, ndim):
    return shape_2d if family == "morphology" and ndim == 2 else FAMILIES[family]


def _check_patches(images, masks):
    """Rows that can be measured, and row -> what is wrong with each of the others."""
    faults = {}
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        try:
            check_patch(image, mask)
        except InputError as error:
            faults[row] = str(error).rstrip(".")
    return np.array([row for row in range(len(images)) if row not in faults], int), faults


def _measure(images, masks, spacing, settings):
    """Values [n, F] of patches [n, *S], and for each the reason why any of its features is NaN."""
    ndim = images.ndim - 1
    if ndim == 2:  # one slice of a volume; its thickness is never used
        images, masks, spacing = images[:, None], masks[:, None], (1.0, *spacing)
    regions = prepare_regions(images, masks, spacing, settings)
    aggregation = _aggregation(settings, ndim)
    way = AGGREGATIONS[aggregation]
    slices = images.shape[1] if way.planar else 1
    cells = len(images) * slices * len(way.directions) * int(regions.level_count.max()) ** 2
    values = [
        [_measure_family(family, regions[rows], aggregation, settings, ndim) for family in settings.families]
        for rows in _blocks(np.arange(len(images)), cells // CELLS_AT_ONCE)
    ]
    why = [_why_undefined(mask, levels[levels > 0]) for mask, levels in zip(regions.mask, regions.levels, strict=True)]
    return np.concatenate([np.concatenate(block, axis=1) for block in values]), why


def _blocks(rows, cuts):
    """`rows` in blocks of about equal size, one more than `cuts` where there are rows enough; none without rows."""
    return np.array_split(rows, min(len(rows), cuts + 1)) if len(rows) else []


def _measure_family(family, regions, aggregation, settings, ndim):
    image, mask, kept = regions.image, regions.mask, regions.intensity_mask
    levels, count = regions.levels, regions.level_count
    match family:
        case "morphology":
            return _module(family, ndim).measure(image, mask, kept, regions.spacing_mm)
        case "local_intensity":
            return local_intensity.measure(image, kept, regions.spacing_mm)
        case "statistics":
            return statistics.measure(image, kept)
        case "histogram":
            return histogram.measure(levels, count)
        case "volume_histogram":
            # An open end of the range, infinity, leaves that end to each region.
            ends = [end if np.isfinite(end) else None for end in settings.range_hu or (np.inf, np.inf)]
            return volume_histogram.measure(image, kept, 1.0, *ends)
        case "gldzm":
            return gldzm.measure(levels, mask, count, aggregation)
        case _:
            return FAMILIES[family].measure(levels, count, aggregation)


def _why_undefined(mask, levels):
    if not mask.any():
        return "resampling leaves no voxel of the mask"
    if not levels.size:
        return "re-segmentation leaves no voxel of the mask"
    if levels.size == 1:
        return "the region has one voxel, more are needed"
    if levels.min() == levels.max():
        return "the region has one grey level, more are needed"
    return "a denominator is zero for this region"
