import dataclasses
import pathlib

import highdicom
import numpy as np
import pydicom
import pytest
from scipy import ndimage

from radiogenomics.data import dicom, geometry
from radiogenomics.errors import InputError


def read(folder, config, preferred=()):
    return dicom.read_ct(dicom.scan(folder), preferred, config)


def placed(segmentation, scan):
    return geometry.place_mask(segmentation.mask, segmentation.grid, scan.grid)


def rewrite(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def test_scan_goes_by_content(tmp_path, study):
    volume, _ = study.make_chest((4, 20, 20))
    study.write_ct(tmp_path / "ct", "P1", volume)
    (tmp_path / "ct" / "notes.dcm").write_text("not an image")
    (tmp_path / "ct" / "renamed.bin").write_bytes((tmp_path / "ct" / "1-000.dcm").read_bytes())
    headers = dicom.scan(tmp_path)
    assert len(headers) == 4  # The copy counts once.
    assert {(header.patient, header.modality, header.matrix) for header in headers} == {("P1", "CT", (20, 20))}


def test_ct_in_hu_sorted_by_position(tmp_path, study, files_config):
    volume, _ = study.make_chest((6, 20, 20))
    study.write_ct(tmp_path, "P1", volume)
    scan = read(tmp_path, files_config)
    assert np.array_equal(scan.volume_hu, volume)
    assert scan.grid.spacing_mm.tolist() == [2, 2, 2] and scan.warnings == ()
    assert scan.acquisition == {"kernel": "B45f/3", "manufacturer": "other", "slice_thickness_mm": 2.0, "kvp": 120.0}


def test_ct_is_turned_to_canonical(tmp_path, study, files_config):
    volume, _ = study.make_chest((6, 20, 20))
    turned = study.write_ct(tmp_path, "P1", volume[:, ::-1, ::-1], ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
    scan = read(tmp_path, files_config)
    assert np.array_equal(scan.volume_hu, volume)
    assert np.allclose(scan.grid.origin_mm, np.array(turned[0].ImagePositionPatient) - [38, 38, 0])


def test_padding_becomes_air(tmp_path, study, files_config):
    volume, _ = study.make_chest((4, 20, 20))
    volume[:, :3] = -2000 - 1024
    study.write_ct(tmp_path / "named", "P1", volume, PixelPaddingValue=-2000)
    assert (read(tmp_path / "named", files_config).volume_hu[:, :3] == -1000).all()
    study.write_ct(tmp_path / "unnamed", "P1", volume)
    assert (read(tmp_path / "unnamed", files_config).volume_hu[:, :3] == -1000).all()


def test_a_padding_value_of_tissue_is_left_alone(tmp_path, study, files_config):
    volume = np.full((4, 8, 8), 40, np.int16)
    study.write_ct(tmp_path, "P1", volume, PixelPaddingValue=1064)
    assert (read(tmp_path, files_config).volume_hu == 40).all()


def test_a_damaged_slice_is_interpolated(tmp_path, study, files_config):
    volume, _ = study.make_chest((6, 20, 20))
    datasets = study.write_ct(tmp_path, "P1", volume)
    whole = open(datasets[2].filename, "rb").read()
    open(datasets[2].filename, "wb").write(whole[:-300])
    scan = read(tmp_path, files_config)
    assert scan.interpolated.tolist() == [False, False, True, False, False, False]
    assert np.abs(scan.volume_hu[2] - (volume[1] / 2 + volume[3] / 2)).max() <= 0.5
    assert "1 of 6 CT slices cannot be read" in scan.warnings[0] and str(tmp_path) not in scan.warnings[0]


def test_slices_of_another_geometry_are_left_out(tmp_path, study, files_config):
    volume, _ = study.make_chest((6, 20, 20))
    datasets = study.write_ct(tmp_path, "P1", volume)
    scout = study.write_ct(tmp_path / "scout", "P1", volume[:1, :10])[0]
    rewrite(scout.filename, lambda dataset: setattr(dataset, "SeriesInstanceUID", datasets[0].SeriesInstanceUID))
    scan = read(tmp_path, files_config)
    assert np.array_equal(scan.volume_hu, volume)
    assert scan.warnings == ("1 CT slices of other matrix, spacing or orientation left out",)


def test_slices_at_one_place(tmp_path, study, files_config):
    volume, _ = study.make_chest((4, 20, 20))
    study.write_ct(tmp_path / "first", "P1", volume)
    second = study.write_ct(tmp_path / "second", "P1", volume + 100)
    with pytest.raises(InputError, match="2 slices with different pixels at one position"):
        read(tmp_path, files_config)
    scan = read(tmp_path, files_config, {dataset.SOPInstanceUID for dataset in second})
    assert np.array_equal(scan.volume_hu, volume + 100)
    assert scan.warnings == ("4 CT slices at the place of another left out",)


def test_segmentation_by_highdicom(tmp_path, study, files_config):
    volume, mask = study.make_chest((8, 30, 30), nodule_center=(4, 15, 10))
    datasets = study.write_ct(tmp_path / "ct", "P1", volume)
    segmentation = dicom.read_segmentation(study.write_seg(tmp_path / "s.dcm", datasets, [mask]), "Neoplasm")
    assert np.array_equal(placed(segmentation, read(tmp_path / "ct", files_config)), mask)
    assert segmentation.instances == {dataset.SOPInstanceUID for dataset in datasets}
    assert segmentation.warnings == ()


def drop_derivations(dataset):
    """As early 3D Slicer versions wrote it: a dimension index without the items it points to."""
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    for index in dataset.DimensionIndexSequence:
        if index.DimensionIndexPointer == 0x00200032:
            index.DimensionIndexPointer, index.FunctionalGroupPointer = 0x00209057, 0x00209111


def reverse_frames(dataset):
    frames = dataset.pixel_array[::-1]
    dataset.PerFrameFunctionalGroupsSequence = list(reversed(dataset.PerFrameFunctionalGroupsSequence))
    dataset.PixelData = pydicom.pixels.pack_bits(frames)


def flip_rows(dataset):
    frames = dataset.pixel_array[:, ::-1]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, -1, 0]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0].ImagePositionPatient
        position[1] = position[1] + 2.0 * (dataset.Rows - 1)
    dataset.PixelData = pydicom.pixels.pack_bits(frames)


@pytest.mark.parametrize("changes", ([], [reverse_frames], [flip_rows], [flip_rows, reverse_frames]))
@pytest.mark.parametrize("omit_empty", (False, True))
@pytest.mark.parametrize("refused", (False, True))
def test_segmentation_by_either_way(tmp_path, study, files_config, changes, omit_empty, refused):
    volume, mask = study.make_chest((8, 30, 30), nodule_center=(4, 15, 10))
    datasets = study.write_ct(tmp_path / "ct", "P1", volume)
    path = study.write_seg(tmp_path / "s.dcm", datasets, [mask], omit_empty=omit_empty)
    for change in [*changes, *([drop_derivations] if refused else [])]:
        rewrite(path, change)
    segmentation = dicom.read_segmentation(path, "Neoplasm")
    assert np.array_equal(placed(segmentation, read(tmp_path / "ct", files_config)), mask)
    assert any("highdicom refused it" in warning for warning in segmentation.warnings) == refused


def test_repeated_references_count_once(tmp_path, study):
    volume, mask = study.make_chest((6, 20, 20), nodule_center=(3, 10, 6))
    datasets = study.write_ct(tmp_path / "ct", "P1", volume)

    def repeat(dataset):
        item = dataset.ReferencedSeriesSequence[0]
        item.ReferencedInstanceSequence = [*item.ReferencedInstanceSequence, *item.ReferencedInstanceSequence]

    path = rewrite(study.write_seg(tmp_path / "s.dcm", datasets, [mask]), repeat)
    segmentation = dicom.read_segmentation(path, "Neoplasm")
    assert len(segmentation.instances) == 6 and segmentation.mask.sum() == mask.sum()
    assert "6 repeated references to CT slices counted once" in segmentation.warnings


def test_the_segment_is_chosen_by_label(tmp_path, study):
    volume, mask = study.make_chest((6, 20, 20), nodule_center=(3, 10, 6))
    datasets = study.write_ct(tmp_path / "ct", "P1", volume)
    path = study.write_seg(tmp_path / "s.dcm", datasets, [volume > 0, mask], ("Body", "Neoplasm, primary"))
    segmentation = dicom.read_segmentation(path, "neoplasm")
    assert segmentation.mask.sum() == mask.sum()
    assert segmentation.warnings == ("segment 'Neoplasm, primary' used of 'Body', 'Neoplasm, primary'",)
    with pytest.raises(InputError, match="segments 'Body', 'Neoplasm, primary'; expected one with 'Lung'"):
        dicom.read_segmentation(path, "Lung")


def test_a_damaged_segmentation_is_told_without_its_path(tmp_path, study):
    volume, mask = study.make_chest((6, 20, 20), nodule_center=(3, 10, 6))
    path = study.write_seg(tmp_path / "s.dcm", study.write_ct(tmp_path / "ct", "P1", volume), [mask])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="^segmentation: cannot be read") as caught:
        dicom.read_segmentation(path, "Neoplasm")
    assert str(tmp_path) not in str(caught.value)


def test_the_series_referred_to_is_chosen(tmp_path, study):
    volume, mask = study.make_chest((8, 30, 30), nodule_center=(4, 15, 10))
    frame = pydicom.uid.generate_uid()
    thin = study.write_ct(tmp_path / "b", "P1", volume, FrameOfReferenceUID=frame)
    study.write_ct(tmp_path / "a", "P1", volume[::4], (8.0, 2.0, 2.0), FrameOfReferenceUID=frame)
    candidates = {}
    for header in dicom.scan(tmp_path):
        candidates.setdefault(header.series, []).append(header)
    wanted = thin[0].SeriesInstanceUID
    segmentation = dicom.read_segmentation(study.write_seg(tmp_path / "s.dcm", thin, [mask]), "Neoplasm")
    assert dicom.choose_series(segmentation, candidates) == (wanted, ())
    by_series = dataclasses.replace(segmentation, instances=frozenset())
    assert dicom.choose_series(by_series, candidates) == (wanted, ())
    by_place = dataclasses.replace(by_series, series=frozenset())
    chosen, warnings = dicom.choose_series(by_place, candidates)
    assert chosen == wanted and "names no CT series" in warnings[0]
    elsewhere = dataclasses.replace(by_place, frame_of_reference="1.2.3")
    with pytest.raises(InputError, match="refers to none of the 2 CT series"):
        dicom.choose_series(elsewhere, candidates)


def test_series_are_told_by_header_in_a_flat_folder(tmp_path, study, files_config):
    volume, _ = study.make_chest((4, 20, 20))
    for patient in ("P1", "P2"):
        study.write_ct(tmp_path / patient, patient, volume)
        study.write_ct(tmp_path / patient / "PT", patient, volume, Modality="PT")
    for number, path in enumerate(sorted(tmp_path.rglob("*.dcm"))):
        path.rename(tmp_path / f"{number:08x}")
    series = {}
    for header in dicom.scan(tmp_path):
        series.setdefault((header.patient, header.modality, header.series), []).append(header)
    assert sorted(key[:2] for key in series) == [("P1", "CT"), ("P1", "PT"), ("P2", "CT"), ("P2", "PT")]
    for headers in series.values():
        assert np.array_equal(dicom.read_ct(headers, (), files_config).volume_hu, volume)


def test_of_two_copies_the_whole_one_counts(tmp_path, study, files_config):
    volume, _ = study.make_chest((4, 20, 20))
    path = pathlib.Path(study.write_ct(tmp_path, "P1", volume)[1].filename)
    (tmp_path / "0-short.dcm").write_bytes(path.read_bytes()[:-300])
    scan = read(tmp_path, files_config)
    assert np.array_equal(scan.volume_hu, volume) and scan.warnings == ()


@pytest.mark.filterwarnings("ignore:The value length")
@pytest.mark.parametrize("patient", ("../../outside", "a\\b", "..", "x" * 65, ""))
def test_a_patient_id_that_no_file_may_be_named_by_is_passed_over(tmp_path, study, caplog, patient):
    volume, _ = study.make_chest((4, 20, 20))
    study.write_ct(tmp_path, "P1", volume)
    for path in tmp_path.glob("*"):
        rewrite(path, lambda dataset: setattr(dataset, "PatientID", patient))
    assert dicom.scan(tmp_path) == []
    assert "4 DICOM files have unusable headers and were passed over (patient id" in caplog.text


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda item: item.pop("RescaleSlope"), "RescaleSlope is absent"),
        (lambda item: item.pop("RescaleIntercept"), "RescaleIntercept is absent"),
        (lambda item: setattr(item, "RescaleSlope", [1, 2]), "RescaleSlope holds 2 numbers; expected 1"),
        (lambda item: setattr(item, "RescaleSlope", 0), "RescaleSlope is 0; expected a positive number"),
        (lambda item: setattr(item, "RescaleType", "MGML"), "RescaleType is not HU"),
        (lambda item: item.pop("ImagePositionPatient"), "ImagePositionPatient is absent; expected 3 numbers"),
        (lambda item: setattr(item, "PixelSpacing", [0, 1]), "pixel spacing"),
        (lambda item: setattr(item, "ImagePositionPatient", [0, 0, 1e9]), "1e\\+09 mm away"),
        (lambda item: item.pop("PixelData"), "PixelData is absent"),
        (lambda item: setattr(item, "NumberOfFrames", 10**9), "voxels; expected at most 536870912"),
        (lambda item: (setattr(item, "Rows", 60000), setattr(item, "Columns", 60000)), "60000 x 60000 pixels"),
    ],
)
def test_slices_that_cannot_be_used_say_why(tmp_path, study, files_config, change, said):
    volume, _ = study.make_chest((4, 20, 20))
    study.write_ct(tmp_path, "P1", volume)
    for path in tmp_path.glob("*"):
        rewrite(path, change)
    with pytest.raises(InputError, match=f"^CT series: none of 4 slices can be read \\(.*{said}"):
        read(tmp_path, files_config)


def test_rescale_slope_and_missing_acquisition(tmp_path, study, files_config):
    volume = np.full((4, 8, 8), 100, np.int16)
    study.write_ct(tmp_path, "P1", volume, RescaleSlope=2, RescaleIntercept=-1000, RescaleType="US")

    def forget(dataset):
        del dataset.KVP, dataset.Manufacturer
        dataset.SliceThickness, dataset.ConvolutionKernel = "", None

    for path in tmp_path.glob("*"):
        rewrite(path, forget)
    scan = read(tmp_path, files_config)
    assert (scan.volume_hu == 2 * 1124 - 1000).all()
    assert (scan.acquisition["kernel"], scan.acquisition["manufacturer"]) == ("unknown", "unknown")
    assert np.isnan([scan.acquisition["kvp"], scan.acquisition["slice_thickness_mm"]]).all()


def test_padding_read_without_its_sign_becomes_air(tmp_path, study, files_config):
    volume = np.full((4, 8, 8), 40, np.int16)
    volume[:, :2] = -2000 - 1024  # Stored as -2000, which is 63536 without a sign.
    study.write_ct(tmp_path, "P1", volume, PixelRepresentation=0, PixelPaddingValue=63536)
    scan = read(tmp_path, files_config)
    assert (scan.volume_hu[:, :2] == -1000).all() and (scan.volume_hu[:, 2:] == 40).all()


@pytest.mark.parametrize("syntax", (pydicom.uid.RLELossless, pydicom.uid.JPEGLSLossless))
def test_compressed_slices_are_read(tmp_path, study, files_config, syntax):
    volume, _ = study.make_chest((4, 20, 20))
    study.write_ct(tmp_path, "P1", volume)
    for path in tmp_path.glob("*"):
        rewrite(path, lambda dataset: dataset.compress(syntax, generate_instance_uid=False))
    assert np.array_equal(read(tmp_path, files_config).volume_hu, volume)


def test_a_compression_without_decoder_is_named(tmp_path, study, files_config):
    volume, _ = study.make_chest((4, 20, 20))
    study.write_ct(tmp_path, "P1", volume)

    def pretend(dataset):
        dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML

    for path in tmp_path.glob("*"):
        rewrite(path, pretend)
    with pytest.raises(InputError, match="compressed as MPEG2 .*, which no installed decoder reads"):
        read(tmp_path, files_config)


def test_enhanced_multiframe_ct(tmp_path, study, files_config):
    volume, _ = study.make_chest((6, 20, 20))
    datasets = study.write_ct(tmp_path / "single", "P1", volume, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
    for dataset in datasets:
        dataset.ConvolutionKernel = "B45f"
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        datasets[::-1], pydicom.uid.generate_uid(), 2, pydicom.uid.generate_uid(), 1
    )
    (tmp_path / "multi").mkdir()
    enhanced.save_as(tmp_path / "multi" / "1.dcm")
    scan = read(tmp_path / "multi", files_config)
    assert np.array_equal(scan.volume_hu, volume) and scan.warnings == ()
    assert np.allclose(scan.grid.origin_mm, [-60, -50, -100]) and scan.grid.spacing_mm.tolist() == [2, 2, 2]
    assert scan.acquisition["slice_thickness_mm"] == 2.0


def lean(study, folder, degrees=20.0):
    """A chest seen on planes that drift along the rows, as those of a leaning gantry; its CT series and SEG."""
    volume, mask = study.make_chest((12, 40, 40), nodule_center=(6, 20, 12), nodule_mm=8.0)
    drift_mm = 2.0 * np.arange(12) * np.tan(np.radians(degrees))
    pairs = list(zip(volume, mask, drift_mm / 2.0, strict=True))
    seen = [ndimage.shift(plane, (-pixels, 0), order=1, cval=-1000) for plane, _, pixels in pairs]
    drawn = [ndimage.shift(plane * 1.0, (-pixels, 0), order=1) >= 0.5 for _, plane, pixels in pairs]
    datasets = study.write_ct(folder / "ct", "P1", np.stack(seen))
    for dataset, mm in zip(datasets, drift_mm, strict=True):
        dataset.ImagePositionPatient = [-60.0, round(float(mm) - 50.0, 4), dataset.ImagePositionPatient[2]]
        dataset.save_as(dataset.filename, enforce_file_format=True)
    return mask, drawn, study.write_seg(folder / "s.dcm", datasets, [np.stack(drawn)])


def test_gantry_tilt_of_ct_and_segmentation(tmp_path, study, files_config):
    mask, drawn, path = lean(study, tmp_path)
    scan = read(tmp_path / "ct", files_config)
    assert scan.warnings == ("gantry tilt of 20.0 degrees undone by shifting the slices",)
    assert scan.volume_hu.shape[1] == 40 + 5  # 8 mm of drift beyond the first matrix stay in view.
    segmentation = dicom.read_segmentation(path, "Neoplasm")
    nodule = placed(segmentation, scan)
    assert nodule.sum() == pytest.approx(np.sum(drawn), rel=0.01)
    assert scan.volume_hu[nodule].mean() > -60  # Tissue of 30 HU, blurred at its rim.
    overlap = 2 * (nodule[:, :40] & mask).sum() / (nodule.sum() + mask.sum())
    assert overlap > 0.9


def test_the_kernel_of_the_segmentation_is_used(tmp_path, study, files_config):
    volume, mask = study.make_chest((8, 30, 30), nodule_center=(4, 15, 10))
    frame = pydicom.uid.generate_uid()
    study.write_ct(tmp_path / "a", "P1", volume, FrameOfReferenceUID=frame, ConvolutionKernel="BONE")
    drawn_on = study.write_ct(tmp_path / "b", "P1", volume, FrameOfReferenceUID=frame, ConvolutionKernel="STANDARD")
    candidates = {}
    for header in dicom.scan(tmp_path):
        candidates.setdefault(header.series, []).append(header)
    segmentation = dicom.read_segmentation(study.write_seg(tmp_path / "s.dcm", drawn_on, [mask]), "Neoplasm")
    uid, _ = dicom.choose_series(segmentation, candidates)
    assert dicom.read_ct(candidates[uid], (), files_config).acquisition["kernel"] == "STANDARD"
    with pytest.raises(InputError, match="refers to none of the 0 CT series"):
        dicom.choose_series(segmentation, {})
    both = dataclasses.replace(segmentation, instances=frozenset(h.instance for s in candidates.values() for h in s))
    assert dicom.choose_series(both, candidates)[1] == (
        "the segmentation refers to slices of 2 CT series, that with the most was used",
    )


def test_the_segment_is_chosen_by_number(tmp_path, study):
    volume, mask = study.make_chest((6, 20, 20), nodule_center=(3, 10, 6))
    datasets = study.write_ct(tmp_path / "ct", "P1", volume)
    path = study.write_seg(tmp_path / "s.dcm", datasets, [volume > 0, mask], ("Body", "Nodule"))
    assert dicom.read_segmentation(path, "2").mask.sum() == mask.sum()
    assert dicom.read_segmentation(path, "1").mask.sum() == (volume > 0).sum()


def make_fractional(dataset):
    """Each voxel of the mask at 40 % in the first half of its columns and at 50 % in the rest."""
    frames = dataset.pixel_array.astype(np.uint8)
    half = frames.shape[2] // 2
    frames[:, :, :half] *= 80
    frames[:, :, half:] *= 100
    dataset.SegmentationType, dataset.SegmentationFractionalType = "FRACTIONAL", "OCCUPANCY"
    dataset.MaximumFractionalValue = 200
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = frames.tobytes()
    dataset["PixelData"].VR = "OB"


@pytest.mark.parametrize("refused", (False, True))
def test_fractional_segmentation(tmp_path, study, files_config, refused):
    volume, mask = study.make_chest((6, 20, 20), nodule_center=(3, 10, 10))
    path = study.write_seg(tmp_path / "s.dcm", study.write_ct(tmp_path / "ct", "P1", volume), [mask])
    for change in [make_fractional, *([drop_derivations] if refused else [])]:
        rewrite(path, change)
    segmentation = dicom.read_segmentation(path, "Neoplasm")
    wanted = mask & (np.arange(20) >= 10)
    assert np.array_equal(placed(segmentation, read(tmp_path / "ct", files_config)), wanted)
    assert any("fractional segmentation" in warning for warning in segmentation.warnings)
    assert any("highdicom refused it" in warning for warning in segmentation.warnings) == refused


def write_one_slice(study, folder, **measures):
    """A CT of 5 mm slices, its mask in one of them, and the SEG of that with other pixel measures."""
    volume, mask = study.make_chest((8, 30, 30), (5.0, 2.0, 2.0), nodule_center=(4, 15, 10))
    mask[:4] = mask[5:] = False
    datasets = study.write_ct(folder / "ct", "P1", volume, (5.0, 2.0, 2.0))

    def change(dataset):
        (shared,) = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
        del shared.SpacingBetweenSlices, shared.SliceThickness
        for name, value in measures.items():
            setattr(shared, name, value)

    return mask, rewrite(study.write_seg(folder / "s.dcm", datasets, [mask], omit_empty=True), change)


@pytest.mark.parametrize("measures", ({}, {"SliceThickness": None}, {"SliceThickness": 0, "SpacingBetweenSlices": 0}))
def test_one_slice_without_thickness_keeps_its_area_and_is_told(tmp_path, study, files_config, measures):
    mask, path = write_one_slice(study, tmp_path, **measures)
    segmentation = dicom.read_segmentation(path, "Neoplasm")
    assert geometry.UNTOLD in segmentation.warnings
    assert np.array_equal(placed(segmentation, read(tmp_path / "ct", files_config)), mask)
    headers = dicom.scan(tmp_path / "ct")
    nameless = dataclasses.replace(segmentation, series=frozenset(), instances=frozenset())
    assert dicom.choose_series(nameless, {"CT": headers})[0] == "CT"


@pytest.mark.parametrize("measures", ({"SliceThickness": 5}, {"SliceThickness": 2, "SpacingBetweenSlices": 5}))
def test_one_slice_has_the_distance_that_it_tells(tmp_path, study, files_config, measures):
    mask, path = write_one_slice(study, tmp_path, **measures)
    segmentation = dicom.read_segmentation(path, "Neoplasm")
    assert segmentation.grid.spacing_mm[0] == 5 and geometry.UNTOLD not in segmentation.warnings
    assert np.array_equal(placed(segmentation, read(tmp_path / "ct", files_config)), mask)


def spread_frames(dataset):
    dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = [0, 0, 1e8]


def turn_frame(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.PlaneOrientationSequence = shared.PlaneOrientationSequence
    del shared.PlaneOrientationSequence
    group.PlaneOrientationSequence = [pydicom.Dataset()]
    group.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, -1]


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda item: item.pop("SegmentSequence"), "SegmentSequence is absent; expected a DICOM SEG"),
        (lambda item: setattr(item, "NumberOfFrames", 10**9), "voxels; expected at most"),
        (spread_frames, "voxels; expected at most"),
        (turn_frame, "different orientation"),
        (lambda item: item.PerFrameFunctionalGroupsSequence.pop(), "6 frames but 5 frame descriptions"),
    ],
)
def test_segmentations_that_cannot_be_used_say_why(tmp_path, study, change, said):
    volume, mask = study.make_chest((6, 20, 20), nodule_center=(3, 10, 6))
    path = study.write_seg(tmp_path / "s.dcm", study.write_ct(tmp_path / "ct", "P1", volume), [mask])
    with pytest.raises(InputError, match=f"^segmentation: .*{said}"):
        dicom.read_segmentation(rewrite(path, change), "Neoplasm")


def test_nothing_of_the_patient_is_told(tmp_path, study, files_config):
    """All that leaves the readers, errors included, where name and date stand in each tag that may take them."""
    volume, mask = study.make_chest((6, 20, 20), nodule_center=(3, 10, 6))
    datasets = study.write_ct(tmp_path / study.date / "ct", "P1", volume, PatientComments=study.name)
    path = study.write_seg(tmp_path / study.date / "s.dcm", datasets, [mask])
    rewrite(path, lambda dataset: setattr(dataset, "ContentCreatorName", study.name))
    headers = dicom.scan(tmp_path / study.date / "ct")
    told = [repr(dicom.read_ct(headers, (), files_config)), repr(dicom.read_segmentation(path, "Neoplasm"))]
    told += [repr(dataclasses.replace(header, path=None)) for header in headers]
    for tag in (0x00280030, 0x00281053, 0x00200032):  # PixelSpacing, RescaleSlope, ImagePositionPatient
        for dataset in datasets:
            element = dataset[tag]
            dataset[tag] = pydicom.DataElement(tag, "LO", f"{study.name} {study.date}")
            dataset.save_as(dataset.filename, enforce_file_format=True)
            dataset[tag] = element
        with pytest.raises(InputError, match="could not convert string to float: \\(hidden\\)") as caught:
            dicom.read_ct(headers, (), files_config)
        told.append(str(caught.value))
    for text in told:
        assert study.name not in text and "Secret" not in text and study.date not in text
