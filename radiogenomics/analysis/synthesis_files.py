"""Synthesised nodules as files: PNG for the eye, NIfTI with spacing for other software."""

import logging
import re

import numpy as np
import SimpleITK

from radiogenomics import outputs, provenance
from radiogenomics.analysis import explore
from radiogenomics.data import window
from radiogenomics.train import writers

NAME = "{patient}_{draw:02d}"


def write_synthesis(run, patients, out, file_format, backgrounds, noises):
    """Writes one image and one mask per patient and draw, and `provenance.json`, into a new folder.

    Args:
      run: a `Run`.
      patients: ids of the cohort.
      out: folder to make.
      file_format: "png" (image and mask side by side, the run's HU window) or "nifti" (HU int16, mask uint8, mm).
      backgrounds, noises: how many of each are combined.
    """
    dataset = explore.synthesise(run, patients, backgrounds=backgrounds, noises=noises)
    write = {"png": _write_png, "nifti": _write_nifti}[file_format]
    names = name_patients(patients)
    with outputs.new_directory(out) as aside:
        asked = {"patients": names, "backgrounds": backgrounds, "noises": noises}
        outputs.write_json(
            aside / "provenance.json", asked | provenance.describe(run.config, run.cohort.fingerprint)
        )
        for patient in dataset["patient"].values:
            one = dataset.sel(patient=patient)
            for draw in range(dataset.sizes["draw"]):
                stem = NAME.format(patient=names[str(patient)], draw=draw)
                write(run, aside, stem, one["image_hu"].values[draw], one["mask"].values[draw] >= 0.5)
    logging.info("%s: %d nodules of %d patients", out, dataset.sizes["draw"] * len(patients), len(patients))


def name_patients(patients):
    """{patient id: its name in file names}, all different.

    An id comes from a file; it must not choose where its pictures go, nor replace another patient's.
    """
    names = {}
    for patient in map(str, patients):
        name = re.sub(r"[^A-Za-z0-9._-]", "_", patient)
        while name in [given for other, given in names.items() if other != patient]:
            name += "_"
        names[patient] = name
    return names


def _write_png(run, folder, stem, image_hu, mask):
    shown = (np.asarray(window.scale_hu(image_hu, run.config.data.window_hu)) + 1.0) / 2.0
    writers.write_samples(folder / f"{stem}.png", [np.stack([shown, mask.astype(float)])])


def _write_nifti(run, folder, stem, image_hu, mask):
    for name, array in (("image", np.round(image_hu).astype(np.int16)), ("mask", mask.astype(np.uint8))):
        volume = array if array.ndim == 3 else array[None]
        image = SimpleITK.GetImageFromArray(volume)
        image.SetSpacing((run.cohort.spacing_mm,) * 3)
        SimpleITK.WriteImage(image, str(folder / f"{stem}_{name}.nii.gz"))
