"""Exact image features of binary nodule masks, by the standard measures of scipy and scikit-image, in float64.

Only what is asked for is computed: `exact_region.Region` measures what features share when the first of them needs it.
"""

import numpy as np

from radiogenomics.errors import InputError
from radiogenomics.radiomics.exact_intensity import INTENSITY
from radiogenomics.radiomics.exact_margin import MARGIN
from radiogenomics.radiomics.exact_region import crop_region
from radiogenomics.radiomics.exact_shape import SHAPE
from radiogenomics.radiomics.exact_texture import TEXTURE
from radiogenomics.radiomics.names import resolve
from radiogenomics.radiomics.patch import check_batch, check_patch, check_spacing

FUNCTIONS = SHAPE | INTENSITY | MARGIN | TEXTURE
NEED_TWO_VOXELS = (
    "sd_hu", "circularity", "sphericity", "elongation", "flatness", "skewness", "kurtosis", "spiculation", "lobulation",
)
UNDEFINED = {
    "skewness": "attenuation is the same in every voxel of the mask",
    "kurtosis": "attenuation is the same in every voxel of the mask",
    "core_to_rim_hu": "mask has no voxel in its core, or none in its rim away from its boundary",
    "texture_energy_hu": "mask has too few voxels away from its boundary",
}
NO_PAIRS = "mask has no two neighbouring voxels, or only one grey level"


def exact_features(image_hu, mask, spacing_mm, names):
    """The features `names` of one patch as a dict of name (resolved for the patch's dimension) -> float.

    `image_hu` [*S] in HU, `mask` [*S] of 0 and 1, 2-D or 3-D, taken as it is; `spacing_mm` is the voxel edge along
    every axis. A feature that needs more voxels than the mask has is NaN. Definitions: `names.FEATURES`.
    Raises InputError for shapes that differ, non-finite HU, a non-binary or empty mask, a spacing that is not positive,
    or an unknown feature.
    """
    (spacing_mm,) = check_spacing(spacing_mm, 1)
    image, inside = check_patch(image_hu, mask)
    values, _ = _measure(image, inside, spacing_mm, resolve(names, image.ndim))
    return values


def exact_table(images_hu, masks, spacing_mm, names, ids):
    """`exact_features` of many patches: values [N, F] and a list of (id, feature, reason), one for each NaN among them.

    `images_hu` and `masks` [N, *S]; `ids` [N] name the patches in the reasons. A patch that cannot be measured (empty
    or non-binary mask, non-finite HU) is a row of NaN. Raises InputError for shapes that differ, a spacing that is not
    positive, an unknown feature, or a number of ids other than N.
    """
    images, masks = check_batch(images_hu, masks, ids)
    names, (spacing_mm,) = resolve(names, images.ndim - 1), check_spacing(spacing_mm, 1)
    values, reasons = np.full((len(images), len(names)), np.nan), []
    for row, (image, mask, patch) in enumerate(zip(images, masks, ids, strict=True)):
        try:
            measured, missing = _measure(*check_patch(image, mask), spacing_mm, names)
        except InputError as error:
            reasons += [(patch, name, str(error)) for name in names]
            continue
        values[row] = [measured[name] for name in names]
        reasons += [(patch, name, reason) for name, reason in missing.items()]
    return values, reasons


def _measure(image, inside, spacing_mm, names):
    """Values of `names`, and the reason for each that is NaN."""
    region = crop_region(image, inside, spacing_mm)
    single = np.count_nonzero(inside) < 2
    values, missing = {}, {}
    for name in names:
        alone = single and name in NEED_TWO_VOXELS
        values[name] = np.nan if alone else float(FUNCTIONS[name](region))
        if alone:
            missing[name] = "mask has one voxel, at least two are needed"
        elif np.isnan(values[name]):
            missing[name] = UNDEFINED.get(name, NO_PAIRS)
    return values, missing
