"""Lungs, and places in them for nodule-free background patches.

Found on a coarse grid (block means of about `config.files.lung_spacing_mm`): a whole chest takes a second or two.
"""

import dataclasses

import numpy as np
from scipy import ndimage
from skimage.measure import block_reduce

AIR_HU = -950.0  # block means below it are air outside of the body
AIRWAY_HU = -935.0  # and below it, over some width, in airways and bullae, whose walls count
AIRWAY_ML = 0.5
AIRWAY_WALL_VOXELS = 3  # taken away around airways, in the plane
CLOSING_MM = 4.0  # closes vessels into the lung
VESSEL_HU = -840.0  # nine tenths of a part below it: a mattress, because lung has vessels
EDGE_SHARE = 0.02  # of a background patch that may be outside of the measured field


@dataclasses.dataclass(frozen=True)
class Lungs:
    """Lungs on the coarse grid."""

    mask: np.ndarray  # [slices, rows, columns] bool
    measured: np.ndarray  # the same shape, bool: inside the field of view
    factors: np.ndarray  # [3] voxels of the volume per coarse voxel
    spacing_mm: np.ndarray  # [3] of the coarse grid

    @property
    def fraction(self):
        """Share of the measured field of view that is lung."""
        return float(self.mask.sum() / max(self.measured.sum(), 1))


def segment_lungs(volume_hu, nodule, spacing_mm, config):
    """Finds the lungs, the nodule included.

    Block means below `lung_hu`; less the air that reaches the sides of the image, parts of less than `min_lung_ml` and
    parts without vessels; closed over vessels and filled slice by slice; less airways and bullae.

    Args:
      volume_hu: [slices, rows, columns] HU.
      nodule: the same shape, bool.
      spacing_mm: [3].
      config: the configuration; reads `files`.

    Returns:
      Lungs; the mask is empty where none are found.
    """
    factors = np.maximum(1, np.floor(config.files.lung_spacing_mm / np.asarray(spacing_mm))).astype(int)
    block = tuple(factors.tolist())
    coarse = block_reduce(volume_hu, block, np.mean, cval=config.files.padding_hu)
    measured = block_reduce(volume_hu != config.files.padding_hu, block, np.mean) > 0.5
    spacing = np.asarray(spacing_mm) * factors
    outside = _reaches_side((coarse < AIR_HU) | ~measured)
    lung = (coarse < config.files.lung_hu) & ~ndimage.binary_dilation(outside)
    lung = ndimage.binary_opening(lung, np.ones((1, 3, 3)))
    lung = _lung_parts(lung, coarse, config.files.min_lung_ml * 1000 / np.prod(spacing))
    lung = _close(lung | (block_reduce(nodule, block, np.max) & measured), spacing) & measured
    lung = np.stack([ndimage.binary_fill_holes(plane) for plane in lung])
    return Lungs(lung & ~_airways(coarse, spacing), measured, factors, spacing)


def _reaches_side(mask):
    """The parts of a mask that touch the sides of the image (not its first and last slice)."""
    labels, _ = ndimage.label(mask)
    sides = [labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]]
    touching = np.unique(np.concatenate([side.ravel() for side in sides]))
    return np.isin(labels, touching[touching > 0])


def _lung_parts(mask, coarse, voxels):
    """The parts of at least so many voxels, with vessels where any has."""
    labels, count = ndimage.label(mask)
    large = [number for number in range(1, count + 1) if (labels == number).sum() >= voxels]
    # The rim is mixed with the surroundings.
    core = ndimage.binary_erosion(mask, np.ones((1, 3, 3)), iterations=2, border_value=1)
    vessels = [number for number in large if _has_vessels(coarse[core & (labels == number)])]
    return np.isin(labels, vessels or large)


def _has_vessels(values_hu):
    return bool(len(values_hu)) and np.quantile(values_hu, 0.9) >= VESSEL_HU


def _airways(coarse, spacing_mm):
    """Trachea, main bronchi and bullae with their walls: air filling 3 x 3 voxels in the plane, 0.5 ml in all."""
    air = ndimage.binary_opening(coarse < AIRWAY_HU, np.ones((1, 3, 3)))
    labels, _ = ndimage.label(air)
    sizes = np.bincount(labels.ravel()) * np.prod(spacing_mm) / 1000
    air &= (sizes >= AIRWAY_ML)[labels]
    return ndimage.binary_dilation(air, np.ones((1, 3, 3)), iterations=AIRWAY_WALL_VOXELS)


def _close(mask, spacing_mm):
    """Closing by a ball of 4 mm, through distances, because a large structuring element is slow."""
    if not mask.any():
        return mask
    # Beyond its first and last slice the volume goes on as it ends.
    padding = int(np.ceil(CLOSING_MM / spacing_mm[0])) + 1
    padded = np.pad(mask, ((padding, padding), (0, 0), (0, 0)), mode="edge")
    near = ndimage.distance_transform_edt(~padded, sampling=spacing_mm) <= CLOSING_MM
    closed = ndimage.distance_transform_edt(near, sampling=spacing_mm) > CLOSING_MM
    return mask | closed[padding:-padding]


def background_centers(lungs, nodule, generator, config):
    """Random places for nodule-free patches, inside the lungs near their boundary.

    5 to 25 mm (`min_boundary_mm`, `max_boundary_mm`) inside the lung boundary; no nodule voxel, with
    `nodule_margin_mm` around it, in the patch; the patch inside the measured field; `background_separation_mm`
    between places. In 2-D the patch is flat: the axial extent of the volume of interest counts, and along the slice
    axis the margin alone. Where the conditions leave too few places, patches may stick out of the field of view, and
    then places at any depth of lung are taken; both are told.

    Args:
      lungs: from `segment_lungs`.
      nodule: [slices, rows, columns] bool of the full volume.
      generator: numpy Generator.
      config: the configuration; reads `data` and `files`.

    Returns:
      (voxel indices [m, 3] of the full volume, float; warnings); m <= `data.backgrounds_per_patient`.
    """
    wanted = config.data.backgrounds_per_patient
    half_mm = np.array([config.data.extent_mm / 2 if config.data.ndim == 3 else 0.0, *[config.data.extent_mm / 2] * 2])
    clear = lungs.mask & ~_patch_meets(nodule, half_mm + config.files.nodule_margin_mm, lungs)
    depth = ndimage.distance_transform_edt(lungs.mask, sampling=lungs.spacing_mm) if lungs.mask.any() else lungs.mask
    near = (depth >= config.files.min_boundary_mm) & (depth <= config.files.max_boundary_mm)
    inside = _patch_inside(half_mm, lungs)
    choices = (
        (clear & near & inside, None),
        (clear & near, "background patches reach beyond the field of view, where they hold air"),
        (clear, "background patches are centred nearer to or farther from the lung boundary than wanted"),
    )
    chosen, warnings = [], []
    for allowed, warning in choices:
        before = len(chosen)
        chosen = _pick(chosen, np.argwhere(allowed), wanted, lungs.spacing_mm, generator, config)
        if warning and len(chosen) > before:
            warnings.append(f"{len(chosen) - before} {warning}")
    if len(chosen) < wanted:
        warnings.append(f"only {len(chosen)} of {wanted} background patches found")
    return (np.array(chosen).reshape(-1, 3) + 0.5) * lungs.factors - 0.5, warnings


def _patch_meets(nodule, half_mm, lungs):
    """Coarse voxels whose patch of half side `half_mm` holds a nodule voxel."""
    coarse = block_reduce(nodule, tuple(lungs.factors.tolist()), np.max)
    size = 2 * np.ceil(half_mm / lungs.spacing_mm).astype(int) + 1
    return ndimage.maximum_filter(coarse, size=size, mode="constant")


def _patch_inside(half_mm, lungs):
    """Coarse voxels whose patch lies in the measured field of view."""
    size = 2 * np.round(half_mm / lungs.spacing_mm).astype(int) + 1
    share = ndimage.uniform_filter(lungs.measured.astype(np.float32), size=size, mode="constant")
    return share >= 1 - EDGE_SHARE


def _pick(chosen, places, wanted, spacing_mm, generator, config):
    """Adds random places that keep their distance from those chosen already, until `wanted`."""
    chosen = list(chosen)
    for place in generator.permutation(places):
        if len(chosen) >= wanted:
            break
        apart_mm = np.linalg.norm((np.array(chosen).reshape(-1, 3) - place) * spacing_mm, axis=1)
        if np.all(apart_mm >= config.files.background_separation_mm):
            chosen.append(place)
    return chosen
