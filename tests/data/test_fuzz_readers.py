"""Damaged, lying and hostile image files: one clear sentence or a recorded drop, in bounded memory, nothing written."""

import functools
import gzip
import pathlib
import struct
import subprocess
import sys
import tempfile
import textwrap
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
import SimpleITK
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from radiogenomics.data import dicom, volumes
from radiogenomics.errors import InputError

MAX_BYTES = 100 * 2**20  # of memory for files of some kilobytes
FUZZ = settings(
    derandomize=True, deadline=None, max_examples=80, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

# Where and how a file is damaged; places are shares of its length.
CUT = st.tuples(st.just("cut"), st.floats(0, 1), st.just(0))
FLIP = st.tuples(st.just("flip"), st.floats(0, 1), st.integers(0, 7))
FILL = st.tuples(st.just("fill"), st.floats(0, 1), st.sampled_from((0x00, 0x20, 0x7F, 0xFF)))
DAMAGE = st.lists(st.one_of(FLIP, FLIP, FILL, CUT), min_size=1, max_size=6)


def damage(content, changes, reach=1.0):
    """The content with bits flipped, runs of 4 bytes filled or its end cut off, within its first part (`reach`)."""
    content = bytearray(content)
    for kind, share, value in changes:
        place = int(share * reach * (len(content) - 1)) if content else 0
        if kind == "cut":
            del content[place:]
        elif kind == "flip" and content:
            content[place] ^= 1 << value
        elif kind == "fill":
            content[place : place + 4] = bytes([value] * len(content[place : place + 4]))
    return bytes(content)


@functools.cache
def originals(study_writers):
    """{name: bytes} of a CT series of four slices, a SEG drawn on it, and volumes in each other format."""
    make_chest, write_ct, write_seg = study_writers
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        volume, mask = make_chest((4, 12, 12), nodule_center=(2, 6, 4), nodule_mm=4.0)
        datasets = write_ct(folder, "P1", volume)
        write_seg(folder / "seg.dcm", datasets, [mask])
        for ending in (".nii", ".nii.gz", ".nrrd"):
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(folder / f"image{ending}"))
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(mask.astype(np.uint8)), str(folder / f"mask{ending}"))
        return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


@pytest.fixture
def files(study):
    return originals((study.make_chest, study.write_ct, study.write_seg))


@pytest.fixture
def watched(tmp_path):
    """`watched(content, read)` writes a folder, reads it, and checks memory, errors and what was written."""
    number = iter(range(10**6))

    def watch(content, read):
        folder = tmp_path / str(next(number))
        folder.mkdir()
        for name, data in content.items():
            (folder / name).write_bytes(data)
        before = sorted(tmp_path.rglob("*"))
        tracemalloc.start()
        try:
            result = read(folder)
        except InputError as error:
            said = str(error)
            assert "\n" not in said and "Traceback" not in said and str(tmp_path) not in said and len(said) < 400
            result = None
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < MAX_BYTES
        assert sorted(tmp_path.rglob("*")) == before
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
        return result

    return watch


def read_all(folder, config):
    """As a user would: scan, then all that looks like a series or a segmentation."""
    series = {}
    for header in dicom.scan(folder):
        series.setdefault((header.patient, header.modality, header.series), []).append(header)
    errors, scans, masks = [], {}, []
    for (_, modality, uid), headers in series.items():
        try:
            if modality == "SEG":
                masks += [dicom.read_segmentation(header.path, "Neoplasm") for header in headers]
            else:
                scans[uid] = headers
                dicom.read_ct(headers, (), config)
        except InputError as error:
            errors.append(error)
    for mask in masks:
        try:
            dicom.choose_series(mask, scans)
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return len(series)


@FUZZ
@given(changes=DAMAGE, header=st.booleans())
@example(changes=[("cut", 0.140625, 0)], header=True)  # Ends within the number of rows.
def test_damaged_ct_slices(files, watched, files_config, changes, header):
    ct = {name: data for name, data in files.items() if name.startswith("1-")}
    ct["1-000.dcm"] = damage(ct["1-000.dcm"], changes, 0.75 if header else 1.0)
    watched(ct, lambda folder: read_all(folder, files_config))


@FUZZ
@given(changes=DAMAGE)
def test_damage_to_all_slices(files, watched, files_config, changes):
    ct = {name: damage(data, changes) for name, data in files.items() if name.startswith("1-")}
    watched(ct, lambda folder: read_all(folder, files_config))


@FUZZ
@given(changes=DAMAGE)
def test_damaged_segmentations(files, watched, files_config, changes):
    dicom_files = {name: data for name, data in files.items() if name.endswith(".dcm")}
    dicom_files["seg.dcm"] = damage(dicom_files["seg.dcm"], changes)
    watched(dicom_files, lambda folder: read_all(folder, files_config))


@FUZZ
@given(changes=DAMAGE, ending=st.sampled_from((".nii", ".nii.gz", ".nrrd")), header=st.booleans())
def test_damaged_volumes(files, watched, files_config, changes, ending, header):
    content = {name: files[name] for name in (f"image{ending}", f"mask{ending}")}
    whole = content[f"image{ending}"]
    if ending == ".nii.gz" and header:  # The damage is inside.
        whole = gzip.compress(damage(gzip.decompress(whole), changes, 0.25), mtime=0)
    else:
        whole = damage(whole, changes, 0.25 if header else 1.0)
    content[f"image{ending}"] = whole

    def read(folder):
        volumes.read_pair(volumes.Entry("P1", folder / f"image{ending}", folder / f"mask{ending}"), files_config)

    watched(content, read)


NAMES = st.sampled_from(("image.nii", "mask.nii", "../image.nii", "/etc/hosts", "./a/../../x.nii", "~/x.nii", ""))
FIELD = st.one_of(NAMES, st.text(max_size=12))


@FUZZ
@given(rows=st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=4), changes=st.lists(FLIP, max_size=2))
def test_manifests(files, watched, rows, changes):
    table = "\n".join(["patient,image,mask", "P1,image.nii,mask.nii", *(",".join(row) for row in rows)])
    content = {name: files[name] for name in ("image.nii", "mask.nii")}
    content["manifest.csv"] = damage(table.encode("utf-8", "replace"), changes)

    def read(folder):
        return [(entry, folder.resolve()) for entry in volumes.read_manifest(folder / "manifest.csv")]

    for entry, folder in watched(content, read) or []:
        assert entry.image.is_relative_to(folder) and entry.mask.is_relative_to(folder)
        assert "/" not in entry.patient


@pytest.mark.parametrize("modality", ("SEG", "PT", "MR", "", "CT\\SEG", "RTSTRUCT"))
def test_mislabelled_modalities(files, watched, files_config, modality):
    def relabel(data):
        dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data))
        dataset.Modality = modality
        target = pydicom.filebase.DicomBytesIO()
        dataset.save_as(target, enforce_file_format=True)
        return target.getvalue()

    dicom_files = {name: relabel(data) for name, data in files.items() if name.endswith(".dcm")}
    result = watched(dicom_files, lambda folder: read_all(folder, files_config))
    assert result is None  # The SEG is no CT and the CT no SEG.


def test_segmentation_among_the_slices(files, watched, files_config):
    """A SEG that says it is a slice of the CT series is left out and told; the series is read."""
    ct = {name: data for name, data in files.items() if name.startswith("1-")}
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(files["seg.dcm"]))
    slice_of = pydicom.dcmread(pydicom.filebase.DicomBytesIO(ct["1-000.dcm"]), stop_before_pixels=True)
    dataset.Modality, dataset.SeriesInstanceUID = "CT", slice_of.SeriesInstanceUID
    target = pydicom.filebase.DicomBytesIO()
    dataset.save_as(target, enforce_file_format=True)
    content = ct | {"seg.dcm": target.getvalue()}
    scan = watched(content, lambda folder: dicom.read_ct(dicom.scan(folder), (), files_config))
    assert scan.volume_hu.shape == (4, 12, 12) and "1 of 5 CT slices cannot be read" in scan.warnings[0]


@pytest.mark.parametrize("content", (b"", b"\0" * 132 + b"DICM", b"DICM" * 50, b"PK\3\4" + b"\0" * 400))
def test_files_of_nothing(watched, files_config, content):
    assert watched({"1.dcm": content, "2": content}, lambda folder: read_all(folder, files_config)) in (0, None)
    for ending in (".nii", ".nii.gz", ".nrrd"):
        name = f"image{ending}"

        def read(folder, name=name):
            return volumes.read_pair(volumes.Entry("P1", folder / name, folder / name), files_config)

        assert watched({name: content}, read) is None


def deflated_bomb(size):
    """A DICOM file that inflates to `size` zero bytes in an element before its pixels."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
    start = pydicom.filebase.DicomBytesIO()
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.save_as(start, enforce_file_format=True)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, size))
    packed += b"".join(packer.compress(bytes(2**20)) for _ in range(size // 2**20)) + packer.flush()
    head = start.getvalue()
    return head + packed


def gzip_bomb(content, megabytes):
    """A gzip member of the content and then zeros."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**20)
    return packer.compress(content) + b"".join(packer.compress(zeros) for _ in range(megabytes)) + packer.flush()


def claim(data, name, value):
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data))
    setattr(dataset, name, value)
    target = pydicom.filebase.DicomBytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


def jpeg_ls_bomb(data):
    """A slice whose compressed stream claims a larger image than its header."""
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data))
    dataset.compress(pydicom.uid.JPEGLSLossless, generate_instance_uid=False)
    stream = bytearray(dataset.PixelData)
    place = stream.find(b"\xff\xf7")
    stream[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    dataset.PixelData = bytes(stream)
    target = pydicom.filebase.DicomBytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


# Read in a process of its own, for memory that libraries take past Python is seen only there.
READ_BOMBS = """
    import logging, pathlib, resource, sys
    import ml_collections
    from radiogenomics.data import dicom, volumes
    from radiogenomics.errors import InputError
    files = dict(padding_hu=-1000.0, max_missing_slices=2, segment_label="Neoplasm")
    config = ml_collections.ConfigDict(dict(files=files))
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    folder = pathlib.Path(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # Writing any byte to a file ends the process.
    status = pathlib.Path("/proc/self/status")  # The peak of getrusage is inherited from the parent.
    peak = lambda: int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    before = peak()
    for case in sorted(folder.iterdir()):
        print(case.name, end=": ", flush=True)
        try:
            if case.name.startswith("image"):
                name = next(case.iterdir())
                volumes.read_pair(volumes.Entry("P1", name, name), config)
                print("read")
            else:
                headers = dicom.scan(case)
                for header in headers:
                    if header.modality == "SEG":
                        dicom.read_segmentation(header.path, "Neoplasm")
                print("read" if headers and dicom.read_ct(headers, (), config) else "dropped")
        except InputError as error:
            print(error)
    print("peak before:", before, "grown:", peak() - before, flush=True)
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
def test_bombs_take_no_memory(files, tmp_path, root):
    slice_, seg, nifti = files["1-000.dcm"], files["seg.dcm"], files["image.nii"]
    huge = bytearray(nifti)
    huge[40:48] = np.array([3, 30000, 30000, 500], "<i2").tobytes()
    large = bytearray(nifti)
    large[40:48] = np.array([3, 600, 600, 600], "<i2").tobytes()
    nrrd = files["image.nrrd"].replace(b"sizes: 12 12 4", b"sizes: 32000 32000 32000")
    cases = {
        "ct-deflated.dcm": deflated_bomb(1200 * 2**20),
        "ct-frames.dcm": claim(slice_, "NumberOfFrames", 2**31 - 1),
        "ct-jpeg.dcm": jpeg_ls_bomb(slice_),
        "ct-length.dcm": slice_[:-288 - 4] + struct.pack("<I", 2**32 - 2) + slice_[-288:],
        "ct-rows.dcm": claim(slice_, "Rows", 65535),
        "image-claim.nii": bytes(huge),
        "image-claim.nii.gz": gzip.compress(bytes(large)),
        "image-claim.nrrd": nrrd,
        "image-tail.nii.gz": gzip_bomb(nifti, 300),
        "seg-frames.dcm": claim(seg, "NumberOfFrames", 2**31 - 1),
    }
    for name, data in cases.items():
        (tmp_path / name.replace(".", "-")).mkdir()
        (tmp_path / name.replace(".", "-") / name).write_bytes(data)
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READ_BOMBS), str(tmp_path)], cwd=root, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    said = result.stdout
    for part in (
        "deflated bytes; expected at most", "an image: 3.09e+11 voxels", "JPEG-LS pixels of 65535 x 65535",
        "bytes of pixel data is less than expected", "image: 4.5e+11 voxels", "the header claims 432000000 bytes",
        "image: 3.28e+13 voxels",
    ):  # fmt: skip
        assert part in said, said
    assert int(said.rpartition("grown: ")[2]) < MAX_BYTES, said
