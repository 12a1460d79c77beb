"""DICOM SEG in: through highdicom or, where that refuses the object, directly from its frames."""

import dataclasses
import warnings

import highdicom
import numpy as np
import pydicom

from radiogenomics.data import geometry
from radiogenomics.data.dicom_files import (
    DAMAGED,
    check_image,
    read_dataset,
    read_pixels,
    reason,
    required_numbers,
)
from radiogenomics.data.labels import is_segment
from radiogenomics.errors import InputError

HALF = 0.5  # share of the largest value from which a voxel of a fractional segmentation belongs to the mask
LISTED = 8  # segments named in a message
STACKED = 1e-6  # 1 - cosine of the angle between stacking and normal that passes as none (0.08 degrees)


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """One segment of a segmentation on its own grid."""

    mask: np.ndarray  # [slices, rows, columns] bool
    grid: geometry.Grid
    series: frozenset  # UIDs it refers to
    instances: frozenset  # UIDs it refers to
    frame_of_reference: str  # UID
    warnings: tuple


def read_segmentation(path, label):
    """Reads one segment of a DICOM SEG, through highdicom or, where that refuses the object, directly.

    The direct way asks only for the frames' plane positions: objects of early 3D Slicer versions lack derivation
    items, repeat references, leave out empty frames and hold frames in any order. Of a fractional segmentation the
    voxels of at least half of the largest value are taken.

    Args:
      path: the file.
      label: wanted segment, needed only where there are several: part of its label (any case), or its number.

    Returns:
      Segmentation.

    Raises:
      InputError: where the segment is not there or its pixels or geometry cannot be read.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # pydicom's quote header values.
            dataset = read_dataset(path)
            number, chosen = choose_segment(_labels(dataset), label)
            mask, grid, told = _read_frames(dataset, number)
            series, instances, repeated = _references(dataset)
    except DAMAGED as error:
        said = reason(error)
        ours = said.startswith("segmentation:")
        raise InputError(f"{said}." if ours else f"segmentation: cannot be read ({said}).") from error
    return Segmentation(
        mask=mask,
        grid=grid,
        series=series,
        instances=instances,
        frame_of_reference=str(dataset.get("FrameOfReferenceUID", "")),
        warnings=(*chosen, *told, *repeated),
    )


def _labels(dataset):
    """{segment number: label}."""
    if not dataset.get("SegmentSequence"):
        raise InputError("segmentation: SegmentSequence is absent; expected a DICOM SEG.")
    return {int(item.SegmentNumber): str(item.get("SegmentLabel", ""))[:64] for item in dataset.SegmentSequence}


def choose_segment(labels, wanted):
    """The segment wanted of several: by its number, else the first whose label holds the text, in any case.

    Args:
      labels: {segment number: label}.
      wanted: text or number; not needed for a single segment.

    Returns:
      (number, warnings)

    Raises:
      InputError: where none of several fits.
    """
    if len(labels) == 1:
        return next(iter(labels)), []
    matching = [number for number in labels if str(number) == str(wanted)]
    matching += [number for number, text in labels.items() if str(wanted).casefold() in text.casefold()]
    more = f" and {len(labels) - LISTED} more" if len(labels) > LISTED else ""
    shown = {key: f"'{text}'" if is_segment(text) else f"segment {key}" for key, text in labels.items()}
    listed = ", ".join(list(shown.values())[:LISTED]) + more
    if not matching:
        raise InputError(f"segmentation: segments {listed}; expected one with '{wanted}' (files.segment_label).")
    return matching[0], [f"segment {shown[matching[0]].removeprefix('segment ')} used of {listed}"]


def _read_frames(dataset, number):
    check_image(dataset)
    try:
        mask, grid = _read_by_highdicom(dataset, number)
        told = ()
    except DAMAGED as error:
        mask, grid, warned = _read_directly(dataset, number)
        refusal = f"{type(error).__name__}: {reason(error)}"
        told = (f"segmentation read directly, because highdicom refused it ({refusal})", *warned)
    if _kind(dataset) == "FRACTIONAL":
        told = (*told, "fractional segmentation, voxels of at least half of the largest value taken")
    return mask, grid, told


def _kind(dataset):
    return str(dataset.get("SegmentationType", "BINARY"))


def _read_by_highdicom(dataset, number):
    segmentation = highdicom.seg.Segmentation.from_dataset(dataset)
    found = segmentation.get_volume_geometry(perpendicular_tol=STACKED)
    if found is None:
        raise ValueError("its frames make no regular volume")
    if found.spatial_shape[0] == 1 and not _first_measures(dataset).get("SpacingBetweenSlices"):
        raise ValueError("one slice of unknown distance")  # highdicom takes 1 mm, whatever the thickness.
    geometry.check_voxels(found.spatial_shape, "segmentation")
    if _kind(dataset) == "FRACTIONAL":
        volume = segmentation.get_volume(
            segment_numbers=[number], rescale_fractional=True, skip_overlap_checks=True, perpendicular_tol=STACKED
        )
        mask = volume.array[..., 0] >= HALF
    else:
        volume = segmentation.get_volume(
            segment_numbers=[number], combine_segments=True, skip_overlap_checks=True, perpendicular_tol=STACKED
        )
        mask = np.asarray(volume.array) > 0
    axes = np.stack(volume.unit_vectors())
    grid = geometry.Grid(np.array(volume.position), axes, np.array(volume.spacing), volume.spatial_shape)
    return mask, grid


def _read_directly(dataset, number):
    groups = dataset.PerFrameFunctionalGroupsSequence
    frames = read_pixels(dataset).reshape(-1, dataset.Rows, dataset.Columns)
    if len(groups) != len(frames):
        raise InputError(f"segmentation: {len(frames)} frames but {len(groups)} frame descriptions.")
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    if _kind(dataset) == "LABELMAP":
        ours, frames = list(range(len(frames))), frames == number
    else:
        ours = [index for index, group in enumerate(groups) if _segment_number(group, shared, number) == number]
        largest = float(dataset.get("MaximumFractionalValue", 1)) if _kind(dataset) == "FRACTIONAL" else 1.0
        frames = frames[ours] >= HALF * largest
    if not ours:
        raise InputError(f"segmentation: no frame of segment {number}.")
    places = [_place_frame(groups[index], shared) for index in ours]
    position, orientation, spacing_mm, distance = zip(*places, strict=True)
    if np.ptp(orientation, axis=0).max() > 1e-3 or np.ptp(spacing_mm, axis=0).max() > 1e-3:
        raise InputError("segmentation: frames of different orientation or pixel spacing; expected one volume.")
    return geometry.place_frames(
        frames, np.array(position), geometry.plane_axes(orientation[0]), spacing_mm[0], distance[0]
    )


def _place_frame(group, shared):
    """Position, orientation, pixel spacing and slice distance (None where it is not told) of a frame."""
    measures = _macro(group, shared, "PixelMeasuresSequence")
    spacing_mm = required_numbers(measures, "PixelSpacing", 2)
    distance = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or None
    if not (np.all(spacing_mm > 0) and (distance is None or 0 < float(distance) < np.inf)):
        raise InputError("segmentation: pixel spacing or slice distance not positive.")
    return (
        required_numbers(_macro(group, shared, "PlanePositionSequence"), "ImagePositionPatient", 3),
        required_numbers(_macro(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        spacing_mm,
        distance and float(distance),
    )


def _first_measures(dataset):
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    return _macro(dataset.PerFrameFunctionalGroupsSequence[0], shared, "PixelMeasuresSequence")


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
