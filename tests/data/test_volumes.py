import gzip

import numpy as np
import pytest
import SimpleITK

from radiogenomics.data import geometry, volumes
from radiogenomics.errors import InputError

ORIGIN = (-60.0, -50.0, -100.0)
ENDINGS = (".nii", ".nii.gz", ".nrrd")


def write(path, values, spacing_mm=(2.0, 2.0, 2.0), origin=ORIGIN, orientation="LPS", **metadata):
    """Writes [slice, row, column] values, stored in another order of axes; spacing in that of the values."""
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing(spacing_mm[::-1])
    image.SetOrigin(origin)
    image = SimpleITK.DICOMOrient(image, orientation)
    for key, value in metadata.items():
        image.SetMetaData(key, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))
    return path


def write_pair(folder, study, ending=".nii.gz", orientation="LPS"):
    volume, mask = study.make_chest((10, 24, 30), nodule_center=(5, 12, 9))
    volume = np.maximum(volume, -1024)
    entry = volumes.Entry(
        patient="P1",
        image=write(folder / f"image{ending}", volume, orientation=orientation),
        mask=write(folder / f"mask{ending}", mask.astype(np.uint8), orientation="LPS"),
    )
    return entry, volume, mask


def write_manifest(folder, *lines, header="patient,image,mask"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder / "manifest.csv"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("orientation", ("LPS", "RAS", "LAI", "PSL", "SRA"))
def test_every_format_and_orientation_gives_the_same_volume(tmp_path, study, files_config, ending, orientation):
    entry, volume, mask = write_pair(tmp_path, study, ending, orientation)
    scan, segmentation = volumes.read_pair(entry, files_config)
    assert scan.volume_hu.dtype == np.int16 and np.array_equal(scan.volume_hu, volume)
    assert np.allclose(scan.grid.origin_mm, ORIGIN) and np.allclose(scan.grid.spacing_mm, 2)
    assert np.allclose(scan.grid.axes, geometry.plane_axes([1, 0, 0, 0, 1, 0]))
    assert scan.warnings == () and segmentation.warnings == () and not scan.interpolated.any()
    assert np.array_equal(geometry.place_mask(segmentation.mask, segmentation.grid, scan.grid), mask)


def test_no_acquisition_and_no_references(tmp_path, study, files_config):
    scan, segmentation = volumes.read_pair(write_pair(tmp_path, study)[0], files_config)
    assert (scan.acquisition["kernel"], scan.acquisition["manufacturer"]) == ("unknown", "unknown")
    assert np.isnan([scan.acquisition["slice_thickness_mm"], scan.acquisition["kvp"]]).all()
    assert segmentation.series == segmentation.instances == frozenset()


def test_padding_and_values_that_are_no_number_become_air(tmp_path, study, files_config):
    entry, volume, _ = write_pair(tmp_path, study, ".nrrd")
    values = volume.astype(np.float64)
    values[:, 0], values[:, 1], values[:, 2] = np.nan, -3024, -np.inf
    write(entry.image, values)
    scan, _ = volumes.read_pair(entry, files_config)
    assert (scan.volume_hu[:, :3] == -1000).all() and np.array_equal(scan.volume_hu[:, 3:], volume[:, 3:])


def test_zeros_beside_hu_are_told(tmp_path, study, files_config):
    entry, volume, _ = write_pair(tmp_path, study, ".nii")
    values = volume.astype(np.float32)
    values[:, :3] = np.nan  # The NIfTI reader makes it 0.
    write(entry.image, values)
    (warning,) = volumes.read_pair(entry, files_config)[0].warnings
    assert warning == "image: 12 % of the voxels are exactly 0 HU; padding is expected near -1000"


def test_values_without_air_are_told(tmp_path, study, files_config):
    entry, volume, _ = write_pair(tmp_path, study)
    write(entry.image, np.clip(volume, 0, 255).astype(np.uint8))
    assert "the lowest value is 0; expected HU" in volumes.read_pair(entry, files_config)[0].warnings[0]


def test_a_header_without_orientation_is_told(tmp_path, study, files_config):
    entry, volume, _ = write_pair(tmp_path, study, ".nii")
    header = bytearray(entry.image.read_bytes())
    header[252:256] = bytes(4)  # Neither qform nor sform.
    entry.image.write_bytes(header)
    scan, _ = volumes.read_pair(entry, files_config)
    assert scan.warnings == ("image: its header tells no orientation; the format's own axes were taken",)


def test_a_mask_on_its_own_grid_goes_by_position(tmp_path, study, files_config):
    entry, _, mask = write_pair(tmp_path, study)
    part = mask[2:9, 4:20, 2:18]
    write(entry.mask, part.astype(np.uint8), origin=(ORIGIN[0] + 4, ORIGIN[1] + 8, ORIGIN[2] + 4), orientation="RAS")
    scan, segmentation = volumes.read_pair(entry, files_config)
    assert segmentation.mask.shape == part.shape
    assert np.array_equal(geometry.place_mask(segmentation.mask, segmentation.grid, scan.grid), mask)


def test_a_mask_of_several_labels(tmp_path, study, files_config):
    entry, volume, mask = write_pair(tmp_path, study, ".nrrd")
    labels = np.where(mask, 2, volume > 0).astype(np.uint8)
    names = {"Segment0_LabelValue": "1", "Segment0_Name": "Body", "Segment1_LabelValue": "2"}
    write(entry.mask, labels, **names, Segment1_Name="Neoplasm, primary")
    segmentation = volumes.read_pair(entry, files_config)[1]
    assert np.array_equal(segmentation.mask, mask)
    assert segmentation.warnings == ("segment 'Neoplasm, primary' used of 'Body', 'Neoplasm, primary'",)
    write(entry.mask, labels)
    with pytest.raises(InputError, match="segments '1', '2'; expected one with 'Neoplasm'"):
        volumes.read_pair(entry, files_config)
    files_config.files.segment_label = "2"
    assert np.array_equal(volumes.read_pair(entry, files_config)[1].mask, mask)


def test_masks_of_shares_and_of_anything_else(tmp_path, study, files_config):
    entry, volume, mask = write_pair(tmp_path, study)
    write(entry.mask, np.where(mask, 0.5, 0.4).astype(np.float32))
    segmentation = volumes.read_pair(entry, files_config)[1]
    assert np.array_equal(segmentation.mask, mask) and "fractional mask" in segmentation.warnings[0]
    write(entry.mask, volume / np.float32(3))
    with pytest.raises(InputError, match="^mask: values from .*; expected labels or shares"):
        volumes.read_pair(entry, files_config)
    write(entry.mask, np.zeros_like(mask, np.uint8))
    assert not volumes.read_pair(entry, files_config)[1].mask.any()


def test_series_of_volumes_and_colours_are_refused(tmp_path, study, files_config):
    entry, volume, _ = write_pair(tmp_path, study)
    SimpleITK.WriteImage(SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(volume)] * 2), str(entry.image))
    with pytest.raises(InputError, match="^image: 4 axes and 1 channels; expected a volume"):
        volumes.read_pair(entry, files_config)
    colours = SimpleITK.GetImageFromArray(np.stack([volume] * 3, axis=-1), isVector=True)
    SimpleITK.WriteImage(colours, str(entry.image))
    with pytest.raises(InputError, match="^image: . axes and 3 channels|^image: 5 axes|^image: 4 axes"):
        volumes.read_pair(entry, files_config)


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_files_are_told_without_their_path(tmp_path, study, files_config, ending):
    entry, _, _ = write_pair(tmp_path, study, ending)
    entry.mask.write_bytes(entry.mask.read_bytes()[:100])
    with pytest.raises(InputError, match="^mask: damaged, or no ") as caught:
        volumes.read_pair(entry, files_config)
    assert str(tmp_path) not in str(caught.value)


def test_a_header_may_not_name_another_file(tmp_path, study, files_config):
    entry, volume, _ = write_pair(tmp_path, study, ".nrrd")
    (tmp_path / "outside.raw").write_bytes(volume.tobytes())
    header = entry.image.read_bytes().partition(b"\n\n")[0].replace(b"encoding: gzip", b"encoding: raw")
    entry.image.write_bytes(header + b"\ndata file: outside.raw\n")
    with pytest.raises(InputError, match="names another file"):
        volumes.read_pair(entry, files_config)
    meta = tmp_path / "volume.mha"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(meta))
    meta.rename(entry.image)  # Another format, whatever its ending says.
    with pytest.raises(InputError, match="damaged, or no nrrd file"):
        volumes.read_pair(entry, files_config)


@pytest.mark.parametrize("field", ("data file", "datafile", "DataFile", "DATA FILE", " Data file"))
@pytest.mark.parametrize("line_end", (b"\n", b"\r\n"))
def test_another_file_is_found_behind_a_long_header(tmp_path, study, files_config, field, line_end):
    entry, volume, _ = write_pair(tmp_path, study, ".nrrd")
    (tmp_path / "outside.raw").write_bytes(volume.tobytes())
    header = entry.image.read_bytes().partition(b"\n\n")[0].replace(b"encoding: gzip", b"encoding: raw")
    header += b"\n" + b"# remark\n" * 10000 + f"{field}: outside.raw\n".encode()
    entry.image.write_bytes(header.replace(b"\n", line_end))
    with pytest.raises(InputError, match="^image: a NRRD header that names another file"):
        volumes.read_pair(entry, files_config)


def test_a_header_that_does_not_end_is_refused(tmp_path, study, files_config):
    entry, volume, _ = write_pair(tmp_path, study, ".nrrd")
    (tmp_path / "outside.raw").write_bytes(volume.tobytes())
    header = entry.image.read_bytes().partition(b"\n\n")[0].replace(b"encoding: gzip", b"encoding: raw")
    remarks = b"\n" + b"# remark\n" * (volumes.MAX_HEADER_BYTES // 9)
    entry.image.write_bytes(header + remarks + b"data file: outside.raw\n")
    with pytest.raises(InputError, match="^image: no blank line in its first 1048576 bytes"):
        volumes.read_pair(entry, files_config)


def test_a_long_header_is_read(tmp_path, study, files_config):
    entry, volume, _ = write_pair(tmp_path, study, ".nrrd")
    header, _, voxels = entry.image.read_bytes().partition(b"\n\n")
    entry.image.write_bytes(header + b"\n" + b"# remark\n" * 10000 + b"\n" + voxels)
    assert np.array_equal(volumes.read_pair(entry, files_config)[0].volume_hu, volume)


@pytest.mark.parametrize("ending", (".nii", ".nii.gz"))
def test_claims_are_checked_before_memory_is_taken(tmp_path, study, files_config, ending):
    entry, _, _ = write_pair(tmp_path, study, ending)
    whole = entry.image.read_bytes()
    header = bytearray(gzip.decompress(whole) if ending == ".nii.gz" else whole)
    for side, said in ((20000, "voxels; expected at most"), (700, "the header claims 686000000 bytes")):
        header[40:48] = np.array([3, side, side, side], "<i2").tobytes()
        entry.image.write_bytes(gzip.compress(bytes(header)) if ending == ".nii.gz" else header)
        with pytest.raises(InputError, match=said):
            volumes.read_pair(entry, files_config)


def test_the_manifest_gives_the_files(tmp_path, study):
    write_pair(tmp_path / "a b", study)
    path = write_manifest(tmp_path, "P1,a b/image.nii.gz, a b/mask.nii.gz ,VA", header="patient,image,mask,site")
    (entry,) = volumes.read_manifest(path)
    assert entry.patient == "P1"
    assert (entry.image.name, entry.mask.name) == ("image.nii.gz", "mask.nii.gz") and entry.image.is_file()


GOOD = "P1,in/image.nii.gz,in/mask.nii.gz"


@pytest.mark.parametrize(
    "lines, said",
    [
        ([GOOD, GOOD], "line 3, column patient: 'P1' is there already"),
        ([GOOD, "P2,../outside.nii.gz,in/mask.nii.gz"], "line 3, column image: '../outside.nii.gz' leaves the"),
        (["P1,in/image.nii.gz,in/link.nii.gz"], "line 2, column mask: 'in/link.nii.gz' leaves the"),
        (["P1,/etc/passwd,in/mask.nii.gz"], "line 2, column image: '/etc/passwd' leaves the"),
        (["P1,in/none.nii.gz,in/mask.nii.gz"], "line 2, column image: 'in/none.nii.gz': no such file"),
        (["P1,in/image.nii.gz"], "line 2, column mask: '': no such file"),
        (["P1,in/image.nii.gz,manifest.csv"], "line 2, column mask: 'manifest.csv': expected a file ending in .nii"),
        (["../P1,in/image.nii.gz,in/mask.nii.gz"], "line 2, column patient: patient id: empty, too long"),
        ([",in/image.nii.gz,in/mask.nii.gz"], "line 2, column patient: patient id: empty"),
        (["P1,in/\0image.nii.gz,in/mask.nii.gz"], "line 2, column image: .*is no path"),
        ([], "no line below the header"),
    ],
)
def test_lines_that_cannot_be_used_are_named(tmp_path, study, lines, said):
    write_pair(tmp_path / "data" / "in", study)
    (tmp_path / "outside.nii.gz").write_bytes(b"")
    (tmp_path / "data" / "in" / "link.nii.gz").symlink_to(tmp_path / "outside.nii.gz")
    with pytest.raises(InputError, match=f"^manifest.csv: {said}"):
        volumes.read_manifest(write_manifest(tmp_path / "data", *lines))


def test_a_manifest_that_is_none(tmp_path):
    with pytest.raises(InputError, match="no such file; expected a manifest"):
        volumes.read_manifest(tmp_path / "manifest.csv")
    with pytest.raises(InputError, match="line 1 lacks the column mask"):
        volumes.read_manifest(write_manifest(tmp_path, "P1,a", header="patient,image"))
    (tmp_path / "manifest.csv").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="no readable table"):
        volumes.read_manifest(tmp_path / "manifest.csv")
