"""Small synthetic studies: a chest of a few slices with a nodule, as CT series and DICOM SEG."""

import importlib.util
import pathlib
import types

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

PATIENT_NAME = "Secret^Name"
SECRET_DATE = "19940813"


def make_chest(shape=(20, 60, 60), spacing_mm=(2.0, 2.0, 2.0), nodule_center=(10, 30, 20), nodule_mm=6.0):
    """A body with two lungs full of vessels and a ball of a nodule in the left part; HU int16 and mask."""
    slices, rows, columns = np.indices(shape)
    generator = np.random.default_rng(0)
    middle = shape[1] / 2
    lungs = np.zeros(shape, bool)
    for center in (shape[2] * 0.3, shape[2] * 0.7):
        inside = ((rows - middle) / (shape[1] * 0.4)) ** 2 + ((columns - center) / (shape[2] * 0.18)) ** 2
        lungs |= inside < 1
    body = ((rows - middle) / (shape[1] * 0.48)) ** 2 + ((columns - shape[2] / 2) / (shape[2] * 0.48)) ** 2 < 1
    volume = np.where(body, 40.0, -1000.0)
    vessels = generator.random(shape) < 0.2
    volume[lungs] = np.where(vessels[lungs], -500.0, -860.0)
    offsets = [(axis - center) * step for axis, center, step in zip(
        (slices, rows, columns), nodule_center, spacing_mm, strict=True)]
    mask = np.sqrt(sum(offset**2 for offset in offsets)) <= nodule_mm
    volume[mask] = 30.0
    return np.round(volume + generator.normal(0, 8, shape)).astype(np.int16), mask


def write_ct(folder, patient, volume_hu, spacing_mm=(2.0, 2.0, 2.0), origin_mm=(-60.0, -50.0, -100.0), **tags):
    """Writes one slice a file, the names in no order; returns the datasets in the order of the volume."""
    folder.mkdir(parents=True, exist_ok=True)
    series, frame = pydicom.uid.generate_uid(), tags.pop("FrameOfReferenceUID", pydicom.uid.generate_uid())
    study = pydicom.uid.generate_uid()
    names = np.random.default_rng(len(volume_hu)).permutation(len(volume_hu))
    datasets = []
    for number, plane in enumerate(volume_hu):
        dataset = _slice(patient, plane, number, spacing_mm, origin_mm, tags)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
        dataset.save_as(folder / f"1-{names[number]:03d}.dcm", enforce_file_format=True)
        dataset.filename = folder / f"1-{names[number]:03d}.dcm"
        datasets.append(dataset)
    return datasets


def _slice(patient, plane, number, spacing_mm, origin_mm, tags):
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = pydicom.uid.CTImageStorage, pydicom.uid.generate_uid()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientID, dataset.PatientName = patient, PATIENT_NAME
    dataset.PatientBirthDate, dataset.PatientSex = "", ""
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber, dataset.StudyID = SECRET_DATE, "", "", ""
    dataset.ReferringPhysicianName, dataset.Modality, dataset.SeriesNumber = "", "CT", 1
    dataset.InstanceNumber, dataset.PositionReferenceIndicator = number + 1, ""
    dataset.Manufacturer, dataset.ConvolutionKernel, dataset.KVP = "ACME", ["B45f", "3"], 120
    dataset.SliceThickness, dataset.PixelSpacing = spacing_mm[0], list(spacing_mm[1:])
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [origin_mm[0], origin_mm[1], origin_mm[2] + number * spacing_mm[0]]
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = (plane.astype(np.int32) + 1024).astype(np.int16).tobytes()
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    return dataset


def write_seg(path, datasets, masks, labels=("Neoplasm",), omit_empty=False):
    """Writes a DICOM SEG of one or more masks drawn on a CT series."""
    path.parent.mkdir(parents=True, exist_ok=True)
    algorithm = {"segmented_property_category": codes.SCT.MorphologicallyAbnormalStructure,
                 "segmented_property_type": codes.SCT.Neoplasm,
                 "algorithm_type": highdicom.seg.SegmentAlgorithmTypeValues.MANUAL}
    segmentation = highdicom.seg.Segmentation(
        source_images=datasets,
        pixel_array=np.stack(masks, axis=-1).astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            highdicom.seg.SegmentDescription(segment_number=number, segment_label=label, **algorithm)
            for number, label in enumerate(labels, start=1)
        ],
        series_instance_uid=pydicom.uid.generate_uid(), series_number=1000,
        sop_instance_uid=pydicom.uid.generate_uid(), instance_number=1,
        manufacturer="test", manufacturer_model_name="test", software_versions="1", device_serial_number="1",
        omit_empty_frames=omit_empty,
    )
    segmentation.save_as(path)
    return path


@pytest.fixture
def study():
    """The writers of synthetic studies."""
    return types.SimpleNamespace(
        make_chest=make_chest, write_ct=write_ct, write_seg=write_seg, name=PATIENT_NAME, date=SECRET_DATE
    )


@pytest.fixture
def files_config():
    """The files configuration with small patches."""
    path = pathlib.Path(__file__).parents[2] / "configs" / "nsclc.py"
    spec = importlib.util.spec_from_file_location("nsclc_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.data.extent_mm, config.data.size = 24.0, 16
    config.data.backgrounds_per_patient = 3
    config.files.min_lung_ml = 5.0
    config.files.batch_permutations = 99
    return config
