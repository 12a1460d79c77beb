import dataclasses

import numpy as np
import pydicom
import pytest

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
    assert scan.acquisition == {"kernel": "B45f/3", "manufacturer": "ACME", "slice_thickness_mm": 2.0, "kvp": 120.0}


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
