"""DICOM files: found by content, opened within bounds, and what is wrong with them told without the patient.

Nothing of a header leaves the files named dicom*.py but image geometry, series and instance UIDs, the patient id,
segment labels that are codes or known words, and the acquisition fields of `CtSeries`. No date and no path enters a
message, for folder names hold dates, and what a library quotes from a header is struck out.
"""

import collections
import dataclasses
import logging
import math
import mmap
import pathlib
import re
import sqlite3
import struct
import warnings
import zlib

import numpy as np
import pydicom

from radiogenomics.data import geometry
from radiogenomics.errors import InputError

HEADER_TAGS = (
    "PatientID", "Modality", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient",
    "Rows", "Columns",
)  # fmt: skip
MAX_FILE_BYTES = 2**30  # of a file, and of what it inflates to
MAX_DEFLATION = 1032  # a deflated byte gives at most so many
MAX_PLANE_PIXELS = 4096**2
FARTHEST_MM = 1e5  # from the origin of the patient frame
# What pydicom, highdicom and the decoders raise on damaged or unusual objects.
DAMAGED = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError, OSError,
    RuntimeError, TypeError, ValueError, sqlite3.Error, struct.error, zlib.error, pydicom.errors.InvalidDicomError,
    pydicom.errors.BytesLengthException,
)  # fmt: skip

# They list what they stumble over in full, header values included; the readers tell it themselves.
for library in ("highdicom", "pydicom"):
    logging.getLogger(library).setLevel(logging.ERROR)


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


def scan(folder):
    """Headers of all DICOM files under a folder, told by content; other files are passed over.

    Of files with the same patient, series, instance and position the largest counts: the others are copies, or cut
    short. Files with damaged headers, or a patient id that no file may be named by, are passed over with a warning.

    Args:
      folder: the folder, searched at all depths.

    Returns:
      List of `Header` in path order, each instance once.
    """
    largest, damaged = {}, collections.Counter()
    for path in sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file()):
        try:
            header, size = _read_header(path), path.stat().st_size
        except pydicom.errors.InvalidDicomError:
            logging.debug("not DICOM: %s", path.name)
        except DAMAGED as error:
            damaged[reason(error)] += 1
        else:
            key = (header.patient, header.series, header.instance, header.position_mm)
            largest[key] = max(largest.get(key, (-1, None)), (size, header), key=lambda found: found[0])
    for said, files in damaged.items():
        logging.warning("%d DICOM files have unusable headers and were passed over (%s)", files, said)
    return sorted((header for _, header in largest.values()), key=lambda header: header.path)


def _read_header(path):
    dataset = read_dataset(path, stop_before_pixels=True, specific_tags=list(HEADER_TAGS))
    if dataset.file_meta.get("MediaStorageSOPClassUID") == pydicom.uid.MediaStorageDirectoryStorage:
        raise pydicom.errors.InvalidDicomError("a directory of a medium")
    with warnings.catch_warnings(action="ignore"):
        return Header(
            path=path,
            patient=check_patient(dataset.PatientID.strip() if isinstance(dataset.PatientID, str) else ""),
            modality=str(dataset.Modality),
            series=str(dataset.SeriesInstanceUID),
            instance=str(dataset.SOPInstanceUID),
            frame_of_reference=str(dataset.get("FrameOfReferenceUID", "")),
            position_mm=_position(dataset.get("ImagePositionPatient")),
            matrix=(dataset.get("Rows"), dataset.get("Columns")),
        )


def _position(value):
    if not np.iterable(value) or len(value) != 3:
        return None
    position = tuple(map(float, value))
    return position if all(abs(number) < FARTHEST_MM for number in position) else None


def check_patient(patient):
    """The patient id itself, where it is safe as a part of a file name.

    Raises:
      InputError: where it is empty, longer than 64 characters (as DICOM LO), or holds path or control characters.
    """
    if not patient or len(patient) > 64 or not patient.isprintable() or re.search(r"[/\\]|^\.+$", patient):
        raise InputError("patient id: empty, too long, or with path or control characters; expected 1 to 64 letters.")
    return patient


def read_dataset(path, **options):
    """A DICOM file as pydicom dataset, with bounds on its size and on what it may inflate to.

    Args:
      path: the file.
      **options: of `pydicom.dcmread`.

    Raises:
      InputError: where it is, or may inflate to, more than `MAX_FILE_BYTES`.
      One of `DAMAGED`: where the file is damaged or no DICOM.
    """
    size = path.stat().st_size
    with warnings.catch_warnings(action="ignore"):  # They quote header values.
        if size > MAX_FILE_BYTES:
            raise InputError(f"a file of {size} bytes; expected at most {MAX_FILE_BYTES}.")
        if size > MAX_FILE_BYTES // MAX_DEFLATION:
            syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
            if syntax == pydicom.uid.DeflatedExplicitVRLittleEndian:
                raise InputError(f"{size} deflated bytes; expected at most {MAX_FILE_BYTES // MAX_DEFLATION}.")
        if size == 0:
            raise pydicom.errors.InvalidDicomError("an empty file")
        # A plain file takes memory for whatever length a damaged element claims, a map only for what is there.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return pydicom.dcmread(content, **options)


def check_image(dataset):
    """Checks what an image claims, before memory is taken for it.

    Raises:
      InputError: where the size claimed is absurd, or no decoder for the transfer syntax is installed.
    """
    shape = tuple(required_numbers(dataset, name, 1)[0] for name in ("Rows", "Columns"))
    frames = required_numbers(dataset, "NumberOfFrames", 1)[0] if dataset.get("NumberOfFrames") is not None else 1
    if shape[0] * shape[1] > MAX_PLANE_PIXELS:
        raise InputError(f"image of {shape[0]:.0f} x {shape[1]:.0f} pixels; expected at most {MAX_PLANE_PIXELS}.")
    geometry.check_voxels((frames, *shape), "an image")
    if "PixelData" not in dataset:
        raise InputError("PixelData is absent; expected the pixels of an image.")
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not _has_decoder(syntax):
        raise InputError(
            f"compressed as {syntax.name}, which no installed decoder reads; expected pylibjpeg or python-gdcm for it."
        )
    if syntax in pydicom.uid.JPEGLSTransferSyntaxes:
        _check_jpeg_ls(dataset, int(frames), shape)


def _has_decoder(syntax):
    try:
        return pydicom.pixels.get_decoder(syntax).is_available
    except NotImplementedError:  # pydicom knows none, of videos for one.
        return False


def read_pixels(dataset):
    """Stored values [rows, columns] or [frames, rows, columns] of an image.

    Raises:
      InputError: as `check_image`.
      One of `DAMAGED`: where the pixels are damaged.
    """
    check_image(dataset)
    return pydicom.pixels.pixel_array(dataset)


def _check_jpeg_ls(dataset, frames, shape):
    """The decoder takes memory for what the stream claims, whatever the header says."""
    for stream in pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=frames):
        start = stream.find(b"\xff\xf7")  # of the frame header: marker, length, precision, rows, columns
        claimed = struct.unpack(">HH", stream[start + 5 : start + 9])
        if start < 0 or claimed != shape:
            raise InputError(f"JPEG-LS pixels of {claimed[0]} x {claimed[1]}; expected the matrix of the header.")


def required_numbers(dataset, name, count):
    """The finite numbers [count] of a tag as floats.

    Raises:
      InputError: where it is absent, or holds another count of numbers, or such as are not finite.
    """
    value = dataset.get(name)
    if value is None or value == "":
        raise InputError(f"{name} is absent; expected {count} numbers." if count > 1 else f"{name} is absent.")
    values = [float(number) for number in (value if np.iterable(value) else [value])]
    if len(values) != count:
        raise InputError(f"{name} holds {len(values)} numbers; expected {count}.")
    if not all(map(math.isfinite, values)):
        raise InputError(f"{name} is not finite.")
    return np.array(values)


def reason(error):
    """What an error says, without the path that the system's errors name and without what is quoted from a header."""
    if isinstance(error, InputError):
        return str(error).rstrip(".")
    if isinstance(error, AttributeError) and error.name:
        return f"{error.name} is absent or not readable"
    said = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    first = said.split("\n")[0].split(" - the dataset")[0]
    return re.sub(r"'[^']*'?|\"[^\"]*\"?|\d[\d.]{5,}", "(hidden)", first)[:160].rstrip(".")
