"""NIfTI and NRRD in: an image and a mask for each patient, named by a manifest.

Files are read by SimpleITK, which takes both formats to the patient frame of DICOM (x to the left, y to the back, z to
the head). They hold no acquisition: kernel and manufacturer are 'unknown', thickness and kVp NaN.
"""

import csv
import dataclasses
import pathlib
import re

import numpy as np
import SimpleITK

from radiogenomics.data import dicom, geometry
from radiogenomics.errors import InputError

# One reader for each ending: no file may choose another one, such as a format that points to further files.
READERS = {".nii": "NiftiImageIO", ".nii.gz": "NiftiImageIO", ".nrrd": "NrrdImageIO"}
COLUMNS = ("patient", "image", "mask")
MAX_MANIFEST_BYTES = 2**24
MAX_HEADER_BYTES = 2**20  # of a NRRD file; a hundred segments with names and codes take 70 KiB
MAX_DEFLATION = 1100  # voxel bytes that one byte of a file may claim; deflated zeros reach 1032
MAX_IMAGE_BYTES = 2**31  # of voxels as stored
LOWEST_HU = -1024.0  # what is lower, or no number, lies outside of the field of view
LARGEST_HU = 32767.0
NO_AIR_HU = -200.0  # a chest whose lowest value is higher is not in HU
ZERO_SHARE = 0.05  # of the voxels; more exact zeros than tissue has are padding


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of a manifest."""

    patient: str
    image: pathlib.Path
    mask: pathlib.Path


def read_manifest(path):
    """Reads a manifest: CSV with the columns patient, image, mask; other columns are passed over.

    Paths are relative to the manifest's folder and may not leave it, by links neither.

    Args:
      path: the CSV file, UTF-8.

    Returns:
      List of `Entry` in the order of the lines.

    Raises:
      InputError: naming line and column, where a path leaves the folder, a file is missing or neither NIfTI nor NRRD
        by its ending, a patient is doubled or unnamed, or the file is no such table.
    """
    path = pathlib.Path(path)
    entries = {}
    for line, row in _read_rows(path):
        name = (row["patient"] or "").strip()
        try:
            dicom.check_patient(name)
        except InputError as error:
            raise InputError(f"{path.name}: line {line}, column patient: {error}") from error
        if name in entries:
            raise InputError(f"{path.name}: line {line}, column patient: '{name}' is there already; expected it once.")
        files = {column: _find_file(path, line, column, row[column]) for column in ("image", "mask")}
        entries[name] = Entry(patient=name, **files)
    if not entries:
        raise InputError(f"{path.name}: no line below the header; expected one for each patient.")
    return list(entries.values())


def _read_rows(path):
    """[(line number, {column: text})]."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a manifest (CSV with {', '.join(COLUMNS)}).")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise InputError(f"{path.name}: {path.stat().st_size} bytes; expected at most {MAX_MANIFEST_BYTES}.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", skipinitialspace=True)
            rows = [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: no readable table; expected CSV in UTF-8.") from error
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
    if missing:
        raise InputError(f"{path.name}: line 1 lacks the column {missing[0]}; expected {', '.join(COLUMNS)}.")
    return rows


def _find_file(manifest, line, column, text):
    place = f"{manifest.name}: line {line}, column {column}: {text[:100]!r}"
    folder = manifest.parent.resolve()
    try:
        path = (folder / text.strip()).resolve()
        there = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{place} is no path; expected a file beside the manifest.") from error
    if not path.is_relative_to(folder):
        raise InputError(f"{place} leaves the manifest's folder; expected a file in it.")
    if not there:
        raise InputError(f"{place}: no such file.")
    if _ending(path) is None:
        raise InputError(f"{place}: expected a file ending in {', '.join(READERS)}.")
    return path


def _ending(path):
    return next((ending for ending in READERS if path.name.lower().endswith(ending)), None)


def read_pair(entry, config):
    """Reads the CT and the mask of a patient, each turned so that its indices run to the head, the back and the left.

    Values below -1024 HU and such as are no number become `config.files.padding_hu`. Of a mask with several labels
    that of `config.files.segment_label` is taken: a number, or a part of a name where the file has names
    (.seg.nrrd). Of a mask with fractions the voxels of at least one half are taken.

    Args:
      entry: the Entry.
      config: the configuration; reads `files`.

    Returns:
      (dicom.CtSeries, dicom.Segmentation), each on its own grid; the segmentation refers to no series.

    Raises:
      InputError: where a file is damaged, no volume of one channel, absurdly large, or lacks the label.
    """
    image, grid, _, told = _read_volume(entry.image, "image")
    volume_hu = _to_hu(SimpleITK.GetArrayViewFromImage(image), config.files.padding_hu)
    scan = dicom.CtSeries(
        volume_hu=volume_hu,
        grid=grid,
        interpolated=np.zeros(grid.shape[0], bool),
        acquisition={
            "kernel": "unknown",
            "manufacturer": "unknown",
            "slice_thickness_mm": float("nan"),
            "kvp": float("nan"),
        },
        warnings=(*told, *_tell_values(volume_hu)),
    )
    return scan, _read_mask(entry.mask, config.files.segment_label)


def _tell_values(volume_hu):
    """Values that are hardly HU. The NIfTI reader turns what is no number into 0, which in HU is water."""
    lowest, zeros = volume_hu.min(), 1 - np.count_nonzero(volume_hu) / volume_hu.size
    if lowest > NO_AIR_HU:
        yield f"image: the lowest value is {lowest}; expected HU, where air is near -1000"
    if zeros > ZERO_SHARE:
        yield f"image: {100 * zeros:.0f} % of the voxels are exactly 0 HU; padding is expected near -1000"


def _read_volume(path, what):
    """(image turned to the canonical axes, its Grid, {key: text} of its header, warnings)."""
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(READERS[_ending(path)])
    reader.SetFileName(str(path))
    if _ending(path) == ".nrrd":
        _refuse_other_files(path, what)
    try:
        reader.ReadImageInformation()
        _check_claims(reader, path, what)
        image = reader.Execute()
        header = {key: image.GetMetaData(key).strip() for key in image.GetMetaDataKeys()}
        image = SimpleITK.DICOMOrient(image, "LPS")
    except (RuntimeError, MemoryError, OverflowError) as error:
        raise InputError(f"{what}: damaged, or no {path.name.partition('.')[2]} file of a volume.") from error
    return image, _grid(image, what), header, _tell_orientation(header, what)


def _refuse_other_files(path, what):
    """A NRRD header may name another file for its voxels, anywhere; it ends with a blank line, or with the file."""
    with path.open("rb") as file:
        start = file.read(MAX_HEADER_BYTES)
    header, *voxels = re.split(rb"\n\n|\r\n\r\n", start, maxsplit=1)
    if not voxels and path.stat().st_size > len(start):
        raise InputError(f"{what}: no blank line in its first {len(start)} bytes; expected the end of a NRRD header.")
    if re.search(rb"(?:^|[\r\n])\s*data[ \t]*file\s*:", header, re.IGNORECASE):
        raise InputError(f"{what}: a NRRD header that names another file; expected header and voxels in one.")


def _check_claims(reader, path, what):
    """Checks the header before memory is taken."""
    size, channels = reader.GetSize(), reader.GetNumberOfComponents()
    if len(size) != 3 or channels != 1 or min(size) < 1:
        raise InputError(f"{what}: {len(size)} axes and {channels} channels; expected a volume of one channel.")
    geometry.check_voxels(size, what)
    empty = SimpleITK.Image([1, 1, 1], reader.GetPixelID())
    claimed = int(np.prod(size, dtype=np.int64)) * empty.GetSizeOfPixelComponent()
    held = path.stat().st_size
    if claimed > MAX_IMAGE_BYTES or claimed > held * MAX_DEFLATION:
        raise InputError(f"{what}: the header claims {claimed} bytes of voxels; the file holds {held}.")


def _tell_orientation(header, what):
    """A NIfTI file without either form, or a NRRD file without space, does not say where left is."""
    forms = [header[key] for key in ("qform_code", "sform_code") if key in header]
    if any(form not in ("", "0") for form in forms) or "NRRD_space" in header:
        return ()
    return (f"{what}: its header tells no orientation; the format's own axes were taken",)


def _grid(image, what):
    spacing_mm = np.array(image.GetSpacing(), float)[::-1]
    origin_mm = np.array(image.GetOrigin(), float)
    axes = np.array(image.GetDirection(), float).reshape(3, 3).T[::-1]
    if not (np.all((spacing_mm > 0) & np.isfinite(spacing_mm)) and np.isfinite(origin_mm).all()):
        raise InputError(f"{what}: spacing or origin is no number; expected mm.")
    if not np.allclose(axes @ axes.T, np.eye(3), atol=0.01):
        raise InputError(f"{what}: its axes are not perpendicular; expected a volume without shear.")
    if np.abs(axes).argmax(axis=1).tolist() != [2, 1, 0]:
        raise InputError(f"{what}: it leans by 45 degrees or more; expected slices near to axial.")
    return geometry.Grid(origin_mm, axes, spacing_mm, image.GetSize()[::-1])


def _to_hu(values, padding_hu):
    """int16 HU, slice by slice: a volume of doubles would take eight times its memory as HU."""
    volume = np.empty(values.shape, np.int16)
    for plane, target in zip(values, volume, strict=True):
        with np.errstate(over="ignore"):
            measured = plane.astype(np.float32)
        outside = ~(measured >= LOWEST_HU)
        target[:] = np.rint(np.where(outside, padding_hu, measured)).clip(-LARGEST_HU, LARGEST_HU)
    return volume


def _read_mask(path, wanted):
    image, grid, header, told = _read_volume(path, "mask")
    values = SimpleITK.GetArrayViewFromImage(image)
    labels = np.unique(values[np.isfinite(values) & (values != 0)])
    if len(labels) and not np.array_equal(labels, np.rint(labels)):
        if labels.min() < 0 or labels.max() > 1:
            raise InputError(f"mask: values from {labels.min():g} to {labels.max():g}; expected labels or shares.")
        mask, chosen = values >= 0.5, ("fractional mask, voxels of at least one half taken",)
    elif len(labels) == 0:
        mask, chosen = np.zeros(values.shape, bool), ()
    else:
        number, chosen = dicom.choose_segment(_names(header, labels), wanted)
        mask = values == number
    return dicom.Segmentation(
        mask=np.ascontiguousarray(mask),
        grid=grid,
        series=frozenset(),
        instances=frozenset(),
        frame_of_reference="",
        warnings=(*told, *chosen),
    )


def _names(header, labels):
    """{label: name} of the labels that occur; the number itself where the file has no name for it."""
    named = {}
    for key, text in header.items():
        value = re.fullmatch(r"(Segment\d+)_LabelValue", key)
        if value and f"{value[1]}_Name" in header:
            named[text] = header[f"{value[1]}_Name"][:64]
    return {int(label): named.get(str(int(label)), str(int(label))) for label in labels}
