"""CT series from DICOM: single slices or enhanced multi-frame objects, as canonical volumes in HU."""

import dataclasses
import re
import warnings

import numpy as np
import pydicom

from radiogenomics.data import geometry
from radiogenomics.data.dicom_files import DAMAGED, FARTHEST_MM, read_dataset, read_pixels, reason, required_numbers
from radiogenomics.data.labels import is_code
from radiogenomics.errors import InputError

LOWEST_HU = -1024.0  # air outside of the field of view is often coded below it
HIGHEST_PADDING_HU = -800.0  # a padding value above it is more likely tissue than a mark ...
HIGHEST_HU = 32767.0  # ... unless it is above what int16 holds, as -2000 is when it is read without its sign
# Name -> pattern of what headers tell; a header's own words may hold anything, so they stay there.
MANUFACTURERS = {
    "GE": r"\bGE\b|general electric", "Siemens": "siemens", "Philips": "philips|picker|marconi|elscint|adac",
    "Toshiba": "toshiba", "Canon": "canon", "Hitachi": "hitachi", "Fujifilm": "fuji", "Shimadzu": "shimadzu",
    "United Imaging": r"united.imaging|\buih\b", "Neusoft": "neusoft", "Samsung": "samsung|neurologica",
    "Imatron": "imatron", "Varian": "varian", "Accuray": "accuray|tomotherapy", "Elekta": "elekta", "CTI": r"\bCTI\b",
    "Mediso": "mediso", "Carestream": "carestream", "Planmed": "planmed|planmeca", "Minfound": "minfound",
}  # fmt: skip
# Where an enhanced object keeps, per frame or shared, what a single slice has in its header.
FRAME_MACROS = (
    "PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence", "PixelValueTransformationSequence",
    "CTReconstructionSequence", "CTXRayDetailsSequence",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class CtSeries:
    """A CT volume, canonical: [slice, row, column] run to the head, the back and the left."""

    volume_hu: np.ndarray  # int16
    grid: geometry.Grid
    interpolated: np.ndarray  # [slices] bool
    acquisition: dict  # kernel, manufacturer ('other' outside of a list), slice_thickness_mm, kvp (NaN = not told)
    warnings: tuple


def read_ct(headers, preferred, config):
    """Reads a CT series, sorted by position along the slice normal.

    Slices whose pixels cannot be read, that differ in matrix, spacing or orientation from most, or that lie at one
    place are left out or resolved (a slice in `preferred` wins); few missing slices and uneven distances are
    interpolated; gantry tilt is undone. All of it is told in `warnings`. Padding, and values below -1024 HU, become
    `config.files.padding_hu`. A kernel that is no code (`labels.is_code`) becomes 'unknown' and is told.

    Args:
      headers: of the files of one series.
      preferred: instance UIDs that a segmentation refers to.
      config: the configuration; reads `files`.

    Returns:
      CtSeries.

    Raises:
      InputError: where no regular axial volume can be made of the series.
    """
    with warnings.catch_warnings(action="ignore"):  # pydicom's quote header values.
        slices, unreadable = _read_slices(headers, config.files.padding_hu)
    slices, told = _keep_one_geometry(slices)
    slices, doubled = _keep_one_per_place(slices, preferred)
    refused = sum(item["kernel_refused"] for item in slices)
    unnamed = [f"kernel of {refused} CT slices is no known kind of code, taken as unknown"] if refused else []
    first = slices[0]
    axes = geometry.plane_axes(first["orientation"])
    slices.sort(key=lambda item: item["position_mm"] @ axes[0])  # Sorted planes are not copied again.
    stack = geometry.stack_planes(
        np.stack([item.pop("hu") for item in slices]),
        np.stack([item["position_mm"] for item in slices]),
        axes,
        first["spacing_mm"],
        config.files.max_missing_slices,
        config.files.padding_hu,
    )
    volume, grid = geometry.to_canonical(stack.volume, stack.grid)
    forward = grid.axes[0] @ stack.grid.axes[0] > 0
    return CtSeries(
        volume_hu=np.ascontiguousarray(volume),
        grid=grid,
        interpolated=stack.interpolated if forward else stack.interpolated[::-1],
        acquisition=first["acquisition"],
        warnings=(*unreadable, *told, *doubled, *unnamed, *stack.warnings),
    )


def _read_slices(headers, padding_hu):
    slices, reasons, voxels = [], [], 0
    for header in headers:
        try:
            found = _read_file(header.path, padding_hu)
        except DAMAGED as error:
            reasons.append(reason(error))
            continue
        slices += found
        voxels += sum(item["hu"].size for item in found)
        geometry.check_voxels((voxels,), "CT series")
    if not headers:
        raise InputError("CT series: no slice; expected at least 3.")
    if not slices:
        raise InputError(f"CT series: none of {len(headers)} slices can be read ({reasons[0]}).")
    unreadable = [f"{len(reasons)} of {len(headers)} CT slices cannot be read ({reasons[0]})"] if reasons else []
    return slices, unreadable


def _read_file(path, padding_hu):
    """The slices of a file: one, or all frames of an enhanced object."""
    dataset = read_dataset(path)
    stored = read_pixels(dataset)
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if groups is None and stored.ndim == 2:
        return [_read_slice(dataset, stored, padding_hu)]
    if groups is None or dataset.SamplesPerPixel != 1:
        raise InputError(f"{stored.ndim} axes in one slice; expected 2, or an enhanced CT with frame descriptions.")
    frames = stored.reshape(-1, *stored.shape[-2:])
    if len(groups) != len(frames):
        raise InputError(f"{len(frames)} frames but {len(groups)} frame descriptions.")
    return [
        _read_slice(_flatten(dataset, group), frame, padding_hu) for group, frame in zip(groups, frames, strict=True)
    ]


def _flatten(dataset, group):
    """Header of a frame in the shape of a single slice's; what a frame says goes before what all share."""
    flat = pydicom.Dataset()
    for name in ("SOPInstanceUID", "Manufacturer", "PixelPaddingValue", "PixelPaddingRangeLimit"):
        if name in dataset:
            flat[name] = dataset[name]
    for holder in (*(dataset.get("SharedFunctionalGroupsSequence") or []), group):
        for name in FRAME_MACROS:
            for item in holder.get(name) or []:
                flat.update(item)
    return flat


def _read_slice(dataset, stored, padding_hu):
    spacing_mm = required_numbers(dataset, "PixelSpacing", 2)
    if not np.all((spacing_mm > 0) & (spacing_mm < FARTHEST_MM)):
        raise InputError(f"pixel spacing {spacing_mm.tolist()} mm; expected positive numbers.")
    position_mm = required_numbers(dataset, "ImagePositionPatient", 3)
    if np.abs(position_mm).max() > FARTHEST_MM:
        raise InputError(f"a slice {np.abs(position_mm).max():.3g} mm away; expected at most {FARTHEST_MM:g} mm.")
    kernel = _joined(dataset.get("ConvolutionKernel"))
    is_kernel = kernel == "unknown" or is_code(kernel.replace("/", " "))
    return {
        "hu": _to_hu(dataset, stored, padding_hu),
        "position_mm": position_mm,
        "orientation": required_numbers(dataset, "ImageOrientationPatient", 6),
        "spacing_mm": spacing_mm,
        "instance": str(dataset.SOPInstanceUID),
        "kernel_refused": not is_kernel,
        "acquisition": {
            "kernel": kernel if is_kernel else "unknown",
            "manufacturer": name_manufacturer(_joined(dataset.get("Manufacturer"))),
            "slice_thickness_mm": _number(dataset, "SliceThickness"),
            "kvp": _number(dataset, "KVP"),
        },
    }


def _to_hu(dataset, stored, padding_hu):
    """int16 HU = stored value * slope + intercept; padding replaced."""
    slope = required_numbers(dataset, "RescaleSlope", 1)[0]
    intercept = required_numbers(dataset, "RescaleIntercept", 1)[0]
    kind = dataset.get("RescaleType") or "HU"
    if kind not in ("HU", "US"):  # US: unspecified
        raise InputError("RescaleType is not HU; expected Hounsfield units.")
    if slope <= 0:
        raise InputError(f"RescaleSlope is {slope:g}; expected a positive number.")
    hu = stored * np.float32(slope) + np.float32(intercept)
    hu[_is_padding(stored, hu, dataset)] = padding_hu
    return np.rint(hu, out=hu).clip(-32768, 32767, out=hu).astype(np.int16)


def _is_padding(stored, hu, dataset):
    marked = hu < LOWEST_HU
    padding = dataset.get("PixelPaddingValue")
    if isinstance(padding, int):
        limit = dataset.get("PixelPaddingRangeLimit", padding)
        named = (stored >= min(padding, limit)) & (stored <= max(padding, limit))
        marked |= named & ((hu < HIGHEST_PADDING_HU) | (hu > HIGHEST_HU))
    return marked


def _keep_one_geometry(slices):
    """Drops scouts, dose sheets and the like that share the series with the volume."""
    kinds = [
        (*item["hu"].shape, *item["spacing_mm"].round(4).tolist(), *item["orientation"].round(3).tolist())
        for item in slices
    ]
    usual = max(sorted(set(kinds)), key=kinds.count)
    kept = [item for item, kind in zip(slices, kinds, strict=True) if kind == usual]
    other = len(slices) - len(kept)
    return kept, [f"{other} CT slices of other matrix, spacing or orientation left out"] if other else []


def _keep_one_per_place(slices, preferred):
    """One slice a place: the one referred to by the segmentation, or any where their pixels are the same."""
    places = {}
    for item in slices:
        places.setdefault(tuple(np.round(item["position_mm"], 2)), []).append(item)
    kept, doubled = [], 0
    for items in places.values():
        chosen = [item for item in items if item["instance"] in preferred] or items
        if any(not np.array_equal(item["hu"], chosen[0]["hu"]) for item in chosen[1:]):
            raise InputError(
                f"CT series: {len(chosen)} slices with different pixels at one position; expected one volume a series."
            )
        kept.append(chosen[0])
        doubled += len(items) - 1
    return kept, [f"{doubled} CT slices at the place of another left out"] if doubled else []


def name_manufacturer(text):
    """Name of the scanner's manufacturer that a header's text holds, 'other' for none of `MANUFACTURERS`."""
    if text == "unknown":
        return text
    return next((name for name, said in MANUFACTURERS.items() if re.search(said, text, re.IGNORECASE)), "other")


def _joined(value):
    if value is None or value == "":
        return "unknown"
    parts = [value] if isinstance(value, str) else list(value)
    return "/".join(str(part).strip() for part in parts) or "unknown"


def _number(dataset, name):
    """A number that a series can do without; NaN where it is not there or no single number."""
    try:
        return float(required_numbers(dataset, name, 1)[0])
    except DAMAGED:
        return float("nan")
