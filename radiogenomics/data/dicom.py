"""DICOM in: CT series and segmentations. The only file that reads DICOM.

Nothing of a header leaves this file but image geometry, series and instance UIDs, the patient id and the four
acquisition tags of `CtSeries.acquisition`; no date and no path enters a message, for folder names hold dates.
"""

import dataclasses
import logging
import pathlib
import sqlite3

import highdicom
import numpy as np
import pydicom

from radiogenomics.data import geometry
from radiogenomics.errors import InputError

HEADER_TAGS = (
    "PatientID", "Modality", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient",
    "Rows", "Columns",
)  # fmt: skip
LOWEST_HU = -1024.0  # air outside of the field of view is often coded below it
HIGHEST_PADDING_HU = -800.0  # a padding value above it is more likely tissue than a mark
# What pydicom and highdicom raise on damaged or unusual objects.
DAMAGED = (
    AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OSError, RuntimeError, TypeError, ValueError,
    sqlite3.Error, pydicom.errors.InvalidDicomError,
)  # fmt: skip

# It would list every repeated reference in full; `read_segmentation` tells their number.
logging.getLogger("highdicom").setLevel(logging.ERROR)


@dataclasses.dataclass(frozen=True)
class Header:
    """One DICOM file, as far as sorting needs it."""

    path: pathlib.Path
    patient: str
    modality: str
    series: str  # UID
    instance: str  # UID
    frame_of_reference: str  # UID
    position_mm: tuple | None  # of the first pixel
    matrix: tuple  # rows, columns


@dataclasses.dataclass(frozen=True)
class CtSeries:
    """A CT volume, canonical: [slice, row, column] run to the head, the back and the left."""

    volume_hu: np.ndarray  # int16
    grid: geometry.Grid
    interpolated: np.ndarray  # [slices] bool
    acquisition: dict  # kernel, manufacturer (text), slice_thickness_mm, kvp (numbers, NaN = not told)
    warnings: tuple


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """One segment of a DICOM SEG on its own grid."""

    mask: np.ndarray  # [slices, rows, columns] bool
    grid: geometry.Grid
    series: frozenset  # UIDs it refers to
    instances: frozenset  # UIDs it refers to
    frame_of_reference: str  # UID
    warnings: tuple


def scan(folder):
    """Headers of all DICOM files under a folder, told by content; other files are passed over.

    Args:
      folder: the folder, searched at all depths.

    Returns:
      List of `Header` in path order, each instance once.
    """
    paths = sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())
    headers, damaged = {}, 0
    for path in paths:
        try:
            header = _read_header(path)
            headers.setdefault(header.instance, header)
        except pydicom.errors.InvalidDicomError:
            logging.debug("not DICOM: %s", path.name)
        except DAMAGED:
            damaged += 1
    if damaged:
        logging.warning("%d DICOM files have unreadable headers and were passed over", damaged)
    return list(headers.values())


def _read_header(path):
    dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER_TAGS))
    position = dataset.get("ImagePositionPatient")
    return Header(
        path=path,
        patient=str(dataset.PatientID).strip(),
        modality=str(dataset.Modality),
        series=str(dataset.SeriesInstanceUID),
        instance=str(dataset.SOPInstanceUID),
        frame_of_reference=str(dataset.get("FrameOfReferenceUID", "")),
        position_mm=tuple(map(float, position)) if position and len(position) == 3 else None,
        matrix=(dataset.get("Rows"), dataset.get("Columns")),
    )


def read_ct(headers, preferred, config):
    """Reads a CT series, sorted by position along the slice normal.

    Slices whose pixels cannot be read, that differ in matrix, spacing or orientation from most, or that lie at one
    place are left out or resolved (a slice in `preferred` wins); few missing slices are interpolated; gantry tilt is
    undone. All of it is told in `warnings`. Padding, and values below -1024 HU, become `config.files.padding_hu`.

    Args:
      headers: of the files of one series.
      preferred: instance UIDs that a segmentation refers to.
      config: the configuration; reads `files`.

    Returns:
      CtSeries.

    Raises:
      InputError: where no regular axial volume can be made of the series.
    """
    slices, warnings = _read_slices(headers, config.files.padding_hu)
    slices, told = _keep_one_geometry(slices)
    slices, doubled = _keep_one_per_place(slices, preferred)
    first = slices[0]
    stack = geometry.stack_planes(
        np.stack([item["hu"] for item in slices]),
        np.stack([item["position_mm"] for item in slices]),
        geometry.plane_axes(first["orientation"]),
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
        warnings=(*warnings, *told, *doubled, *stack.warnings),
    )


def _read_slices(headers, padding_hu):
    slices, reasons = [], []
    for header in headers:
        try:
            slices.append(_read_slice(pydicom.dcmread(header.path), padding_hu))
        except DAMAGED as error:
            reasons.append(_first_sentence(error))
    if not slices:
        raise InputError(f"CT series: none of {len(headers)} slices can be read ({reasons[0]}).")
    unreadable = [f"{len(reasons)} of {len(headers)} CT slices cannot be read ({reasons[0]})"] if reasons else []
    return slices, unreadable


def _read_slice(dataset, padding_hu):
    stored = dataset.pixel_array
    if stored.ndim != 2:
        raise ValueError(f"{stored.ndim} axes in one slice, expected 2; multi-frame CT is not supported")
    spacing_mm = np.array(dataset.PixelSpacing, float).reshape(2)
    if not np.all(spacing_mm > 0):
        raise ValueError(f"pixel spacing {spacing_mm.tolist()} mm, expected positive numbers")
    hu = stored.astype(np.float32) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    return {
        "hu": np.round(np.where(_is_padding(stored, hu, dataset), padding_hu, hu)).clip(-32768, 32767).astype(np.int16),
        "position_mm": np.array(dataset.ImagePositionPatient, float).reshape(3),
        "orientation": np.array(dataset.ImageOrientationPatient, float).reshape(6),
        "spacing_mm": spacing_mm,
        "instance": str(dataset.SOPInstanceUID),
        "acquisition": {
            "kernel": _text(dataset.get("ConvolutionKernel")),
            "manufacturer": _text(dataset.get("Manufacturer")),
            "slice_thickness_mm": _number(dataset.get("SliceThickness")),
            "kvp": _number(dataset.get("KVP")),
        },
    }


def _is_padding(stored, hu, dataset):
    marked = hu < LOWEST_HU
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        limit = dataset.get("PixelPaddingRangeLimit", padding)
        named = (stored >= min(padding, limit)) & (stored <= max(padding, limit))
        marked |= named & (hu < HIGHEST_PADDING_HU)
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


def read_segmentation(path, label):
    """Reads one segment of a DICOM SEG, through highdicom or, where that refuses the object, directly.

    The direct way asks only for the frames' plane positions: objects of early 3D Slicer versions lack derivation
    items, repeat references, leave out empty frames and hold frames in any order.

    Args:
      path: the file.
      label: wanted segment (part of its label, any case); needed only where there are several.

    Returns:
      Segmentation.

    Raises:
      InputError: where the segment is not there or its pixels or geometry cannot be read.
    """
    try:
        dataset = pydicom.dcmread(path)
        number, warnings = _choose_segment(dataset, label)
        mask, grid, told = _read_frames(dataset, number)
        series, instances, repeated = _references(dataset)
    except DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"segmentation: cannot be read ({_first_sentence(error)}).") from error
    return Segmentation(
        mask=mask,
        grid=grid,
        series=series,
        instances=instances,
        frame_of_reference=str(dataset.get("FrameOfReferenceUID", "")),
        warnings=(*warnings, *told, *repeated),
    )


def _choose_segment(dataset, label):
    labels = {int(item.SegmentNumber): str(item.get("SegmentLabel", "")) for item in dataset.SegmentSequence}
    if len(labels) == 1:
        return next(iter(labels)), []
    matching = [number for number, text in labels.items() if label.casefold() in text.casefold()]
    listed = ", ".join(f"'{text}'" for text in labels.values())
    if not matching:
        raise InputError(f"segmentation: segments {listed}; expected one with '{label}' (files.segment_label).")
    told = f"segment '{labels[matching[0]]}' used of {listed}"
    return matching[0], [told]


def _read_frames(dataset, number):
    try:
        return *_read_by_highdicom(dataset, number), ()
    except DAMAGED as error:
        mask, grid, warnings = _read_directly(dataset, number)
        refusal = f"{type(error).__name__}: {_first_sentence(error)}"
        return mask, grid, (f"segmentation read directly, because highdicom refused it ({refusal})", *warnings)


def _read_by_highdicom(dataset, number):
    segmentation = highdicom.seg.Segmentation.from_dataset(dataset)
    volume = segmentation.get_volume(segment_numbers=[number], combine_segments=True, skip_overlap_checks=True)
    axes = np.stack(volume.unit_vectors())
    grid = geometry.Grid(np.array(volume.position), axes, np.array(volume.spacing), volume.spatial_shape)
    return np.asarray(volume.array) > 0, grid


def _read_directly(dataset, number):
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    frames = frames > 0.5 * float(dataset.get("MaximumFractionalValue", 1))
    groups = dataset.PerFrameFunctionalGroupsSequence
    if len(groups) != len(frames):
        raise InputError(f"segmentation: {len(frames)} frames but {len(groups)} frame descriptions.")
    shared = dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()]
    ours = [index for index, group in enumerate(groups) if _segment_number(group, shared[0], number) == number]
    if not ours:
        raise InputError(f"segmentation: no frame of segment {number}.")
    first = groups[ours[0]]
    measures = _macro(first, shared[0], "PixelMeasuresSequence")
    return geometry.place_frames(
        frames[ours],
        np.array([_macro(groups[i], shared[0], "PlanePositionSequence").ImagePositionPatient for i in ours], float),
        geometry.plane_axes(_macro(first, shared[0], "PlaneOrientationSequence").ImageOrientationPatient),
        np.array(measures.PixelSpacing, float),
        float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1.0),
    )


def _macro(group, shared, name):
    sequence = group.get(name) or shared.get(name)
    if not sequence:
        raise InputError(f"segmentation: a frame without {name}; expected it per frame or shared.")
    return sequence[0]


def _segment_number(group, shared, default):
    sequence = group.get("SegmentIdentificationSequence") or shared.get("SegmentIdentificationSequence")
    return int(sequence[0].ReferencedSegmentNumber) if sequence else default


def _references(dataset):
    """UIDs of the series and instances that the segmentation was drawn on; repeated ones count once."""
    items = list(dataset.get("ReferencedSeriesSequence") or [])
    series = {str(item.get("SeriesInstanceUID", "")) for item in items}
    listed = [_instance(item) for group in items for item in group.get("ReferencedInstanceSequence") or []]
    derivations = [
        derivation
        for group in dataset.get("PerFrameFunctionalGroupsSequence") or []
        for derivation in group.get("DerivationImageSequence") or []
    ]
    sources = {_instance(item) for group in derivations for item in group.get("SourceImageSequence") or []}
    repeated = len(listed) - len(set(listed))
    told = [f"{repeated} repeated references to CT slices counted once"] if repeated else []
    return frozenset(series - {""}), frozenset((sources | set(listed)) - {""}), told


def _instance(item):
    return str(item.get("ReferencedSOPInstanceUID", ""))


def choose_series(segmentation, candidates):
    """The CT series that a segmentation was drawn on.

    By the instances it refers to, else the series it refers to, else (warned) by slices at the planes of the mask in
    the same frame of reference and matrix.

    Args:
      segmentation: the Segmentation.
      candidates: {series UID: list of Header}.

    Returns:
      (series UID, warnings)

    Raises:
      InputError: where no series fits.
    """
    by_instance = {
        uid: sum(header.instance in segmentation.instances for header in headers)
        for uid, headers in candidates.items()
    }
    best = max(sorted(by_instance), key=by_instance.get)
    if by_instance[best]:
        return best, ()
    named = sorted(segmentation.series & set(candidates))
    if named:
        return named[0], ()
    by_place = {uid: _shared_places(segmentation, headers) for uid, headers in candidates.items()}
    best = max(sorted(by_place), key=by_place.get)
    if by_place[best]:
        return best, ("the segmentation names no CT series that is there; the one with slices at its planes was used",)
    raise InputError(
        f"segmentation: it refers to none of the {len(candidates)} CT series, and none has slices at its planes."
    )


def _shared_places(segmentation, headers):
    """How many slices of a series lie on planes of the mask, corner on corner."""
    last = np.array(segmentation.mask.shape) - 1
    total = 0
    for header in headers:
        same = header.frame_of_reference == segmentation.frame_of_reference
        if same and header.position_mm and header.matrix == segmentation.mask.shape[1:]:
            index = segmentation.grid.to_index(header.position_mm)
            on_plane = abs(index[0] - round(index[0])) < geometry.ACQUIRED and 0 <= round(index[0]) <= last[0]
            on_corner = np.minimum(np.abs(index), np.abs(index - last))[1:].max() < 0.5
            total += bool(on_plane and on_corner)
    return total


def _first_sentence(error):
    """What an error says, without the path that the system's errors name and without pydicom's guesses."""
    said = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    return said.strip("'\"").split("\n")[0].split(" - the dataset")[0][:160]


def _text(value):
    if value is None or value == "":
        return "unknown"
    parts = [value] if isinstance(value, str) else list(value)
    return "/".join(str(part).strip() for part in parts)


def _number(value):
    return float(value) if value not in (None, "") else float("nan")
