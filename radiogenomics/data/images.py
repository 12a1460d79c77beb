"""One patient's images: CT, mask, nodule patches and backgrounds, with the row of the quality report that tells of it.

`read_patient` is a pure function of a picklable task, so that this process, a pool of processes and Apache Beam run the
same code; nothing here imports JAX or TensorFlow Datasets, which would make every worker slow to start.
"""

import dataclasses
import zlib

import ml_collections
import numpy as np

from radiogenomics.data import dicom, geometry, lungs, patches, volumes
from radiogenomics.errors import InputError

PIXEL_TOLERANCE = 0.01  # relative, between the pixels of a CT series and of the mask drawn on it
BEYOND_SHARE = 0.02  # of the nodule patches that may hold padding without a warning
ARRAYS = ("nodule_image_hu", "nodule_mask", "nodule_slice", "background_image_hu", "background_slice")


@dataclasses.dataclass(frozen=True)
class Task:
    """What one patient's images are read from."""

    patient: str
    headers: tuple  # of dicom.Header, all series of the patient; empty with a manifest
    entry: volumes.Entry | None  # of a manifest; None for DICOM
    has_expression: bool
    config: ml_collections.ConfigDict

    @property
    def paths(self):
        """The files of the patient."""
        if self.entry is not None:
            return (self.entry.image, self.entry.mask)
        return tuple(header.path for header in self.headers)


def read_patient(task):
    """The quality row of a patient and what its images gave.

    Args:
      task: the Task; reads `seed`, `data` and `files` of its configuration.

    Returns:
      (row, images). The row holds patient, kept, reason, warnings, has_ct, has_mask, has_expression and, as far as it
      came, measurements with units in their names; `images` is None where the patient cannot be used, else a dict of
      `ARRAYS` (as in cohort.Patient), `acquisition` and `measurements`.
    """
    scans, masks = _sort_series(task.headers)
    row = {"patient": task.patient, "kept": False, "reason": "", "warnings": []}
    row |= {"has_ct": bool(scans or task.entry), "has_mask": bool(masks or task.entry)}
    row["has_expression"] = task.has_expression
    try:
        lacking = find_lacking(task)
        _require(not lacking, lacking)
        scan, segmentation = _read_pair(task, scans, masks, row)
        images = _cut_images(task, scan, segmentation, row)
    except InputError as error:
        row["reason"] = str(error)
        return row, None
    except MemoryError:
        row["reason"] = "images: they do not fit into the memory of this machine."
        return row, None
    row["kept"] = True
    return row, images


def find_lacking(task):
    """What a Task lacks for its patient to be kept, told without reading an image; '' where nothing is missing."""
    scans, masks = _sort_series(task.headers)
    if not (scans or task.entry):
        return "no CT series"
    if not (masks or task.entry):
        return "no segmentation (DICOM SEG)"
    return "" if task.has_expression else "no expression profile in the expression table"


def _sort_series(headers):
    """CT series {UID: [Header]} and segmentations [Header], by header alone."""
    scans, masks = {}, []
    for header in headers:
        if header.modality == "CT":
            scans.setdefault(header.series, []).append(header)
        elif header.modality == "SEG":
            masks.append(header)
    return scans, masks


def _require(there, reason):
    if not there:
        raise InputError(reason)


def _read_pair(task, scans, masks, row):
    """The CT series that the segmentation was drawn on, and the segmentation; the row gets their warnings."""
    if task.entry is not None:
        scan, segmentation = volumes.read_pair(task.entry, task.config)
        row["warnings"] += [*segmentation.warnings, *scan.warnings]
        return scan, segmentation
    segmentation = _read_mask(masks, row["warnings"], task.config)
    uid, told = dicom.choose_series(segmentation, scans)
    row["warnings"] += [*segmentation.warnings, *told]
    scan = dicom.read_ct(scans[uid], segmentation.instances, task.config)
    row["warnings"] += [*scan.warnings, *_compare_geometry(segmentation, scan, scans[uid])]
    return scan, segmentation


def _compare_geometry(segmentation, scan, headers):
    """Warnings where the segmentation was drawn on other slices, or pixels of another size, than those found."""
    told = []
    present = {header.instance for header in headers}
    missing = len(segmentation.instances - present)
    if missing and segmentation.instances & present:
        told.append(f"{missing} of {len(segmentation.instances)} CT slices that the segmentation refers to are missing")
    drawn, found = segmentation.grid, scan.grid
    # The smallest two axes lie in the plane of the slices in both, whatever their order.
    pixels = [np.sort(grid.spacing_mm[1:]) for grid in (drawn, found)]
    same_matrix = tuple(sorted(drawn.shape[1:])) == tuple(sorted(found.shape[1:]))
    if same_matrix and not np.allclose(*pixels, rtol=PIXEL_TOLERANCE):
        told.append(
            f"segmentation drawn on pixels of {pixels[0][0]:.3g} x {pixels[0][1]:.3g} mm, but the CT has "
            f"{pixels[1][0]:.3g} x {pixels[1][1]:.3g} mm: the mask may lie beside the nodule"
        )
    return told


def _read_mask(masks, warnings, config):
    """The first of a patient's segmentations that can be read, in the order of their UIDs."""
    reasons = []
    for header in sorted(masks, key=lambda header: header.instance):
        try:
            segmentation = dicom.read_segmentation(header.path, config.files.segment_label)
        except InputError as error:
            reasons.append(str(error))
            continue
        if len(masks) > 1:
            warnings.append(f"{len(masks)} segmentations, the first readable one by UID used; look at its outline")
        warnings += reasons
        return segmentation
    raise InputError(reasons[0])


def _cut_images(task, scan, segmentation, row):
    config = task.config
    row |= _describe_scan(scan)
    nodule = _place_nodule(segmentation, scan, row, config)
    image, mask, slices = patches.nodule_patches(scan.volume_hu, nodule, scan.grid.spacing_mm, config)
    beyond = float((image == round(config.files.padding_hu)).mean())
    if beyond > BEYOND_SHARE:
        row["warnings"].append(f"{100 * beyond:.0f} % of the nodule patches lies outside of the field of view")
    centers = _background_centers(task, scan, nodule, row)
    background, background_slices = patches.background_patches(scan.volume_hu, centers, scan.grid.spacing_mm, config)
    return {
        "nodule_image_hu": image,
        "nodule_mask": mask,
        "nodule_slice": slices,
        "background_image_hu": background,
        "background_slice": background_slices,
        "acquisition": scan.acquisition,
        "measurements": {"diameter_mm": row["diameter_mm"], "volume_mm3": row["mask_volume_mm3"]},
    }


def _background_centers(task, scan, nodule, row):
    found = lungs.segment_lungs(scan.volume_hu, nodule, scan.grid.spacing_mm, task.config)
    row["lung_fraction"] = found.fraction
    # A patient's own stream, so that neither the order nor the number of patients changes anybody's backgrounds.
    generator = np.random.default_rng([task.config.seed, zlib.crc32(task.patient.encode())])
    centers, told = lungs.background_centers(found, nodule, generator, task.config)
    row |= {"backgrounds": len(centers), "background_fallback": "; ".join(told) or "none"}
    row["warnings"] += told
    _require(len(centers), "no lung without the nodule is large enough for a background patch")
    return centers


def _describe_scan(scan):
    return {
        "slices": scan.grid.shape[0],
        "rows": scan.grid.shape[1],
        "columns": scan.grid.shape[2],
        "slice_spacing_mm": float(scan.grid.spacing_mm[0]),
        "pixel_spacing_mm": float(scan.grid.spacing_mm[1]),
        "slice_thickness_mm": scan.acquisition["slice_thickness_mm"],
        "kernel": scan.acquisition["kernel"],
        "lowest_hu": float(scan.volume_hu.min()),
        "highest_hu": float(scan.volume_hu.max()),
    }


def _place_nodule(segmentation, scan, row, config):
    """The largest part of the segmentation on the CT grid; the row gets its measurements."""
    _require(segmentation.mask.any(), "segmentation: empty; expected at least one voxel.")
    drawn_mm3 = segmentation.mask.sum() * segmentation.grid.voxel_mm3
    placed = geometry.place_mask(segmentation.mask, segmentation.grid, scan.grid)
    placed_mm3 = placed.sum() * scan.grid.voxel_mm3
    row |= {"segmentation_volume_mm3": float(drawn_mm3), "placed_volume_mm3": float(placed_mm3)}
    _require(placed.any(), "segmentation: lies outside of the CT series.")
    if abs(placed_mm3 / drawn_mm3 - 1) > config.files.volume_tolerance:
        row["warnings"].append(f"mask of {drawn_mm3:.0f} mm3 became {placed_mm3:.0f} mm3 on the CT grid")
    nodule, others = geometry.largest_component(placed)
    if others:
        share = sum(others) / placed.sum()
        row["warnings"].append(f"{len(others)} smaller parts of the mask left out ({100 * share:.1f} % of it)")
    row |= _describe_nodule(nodule, scan)
    missing, shown = row["nodule_slices_missing"], row["nodule_slices"]
    if missing > config.files.max_interpolated_share * shown:
        raise InputError(f"CT series: {missing} of the nodule's {shown} slices missing.")
    if row["diameter_mm"] < config.files.min_diameter_mm:
        raise InputError(
            f"nodule: diameter {row['diameter_mm']:.1f} mm; expected at least {config.files.min_diameter_mm:g} mm."
        )
    return nodule


def _describe_nodule(nodule, scan):
    volume_mm3 = float(nodule.sum() * scan.grid.voxel_mm3)
    shown = nodule.any(axis=(1, 2))
    return {
        "mask_volume_mm3": volume_mm3,
        "diameter_mm": (6 * volume_mm3 / np.pi) ** (1 / 3),
        "mean_hu": float(scan.volume_hu[nodule].mean()),
        "nodule_slices": int(shown.sum()),
        "nodule_slices_missing": int((shown & scan.interpolated).sum()),
    }
