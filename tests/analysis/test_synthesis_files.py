"""Synthesised nodules as files."""

import json
import re

import numpy as np
import pytest
import SimpleITK

from radiogenomics.analysis import explore, synthesis_files
from radiogenomics.errors import InputError


def test_nifti_keeps_hu_and_spacing(run, tmp_path):
    patient = run.cohort.patients[2]
    synthesis_files.write_synthesis(run, [patient], tmp_path / "out", "nifti", 1, 2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(f"{patient}_{draw:02d}_{kind}.nii.gz" for draw in (0, 1) for kind in ("image", "mask")), "provenance.json",
    ]
    told = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert told["cohort_fingerprint"] == run.cohort.fingerprint and told["config"]["seed"] == run.config.seed
    assert told["patients"] == {patient: patient} and told["environment"]["packages"]["jax"]
    image = SimpleITK.ReadImage(str(tmp_path / "out" / f"{patient}_00_image.nii.gz"))
    assert image.GetSpacing() == (2.0, 2.0, 2.0)
    expected = explore.synthesise(run, [patient], backgrounds=1, noises=2)["image_hu"].values[0, 0]
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image)[0], np.round(expected))


def test_names_of_hostile_patients_stay_in_the_folder_and_apart():
    names = synthesis_files.name_patients(["../../x", "..", "/etc/passwd", "a/b", "a_b", "a b", "a_b", "P 1\0"])
    assert len(set(names.values())) == len(names) == 7
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names.values())
    assert names["a_b"] == "a_b_" and names["../../x"] == ".._.._x"


def test_pictures_and_refusals(run, tmp_path):
    synthesis_files.write_synthesis(run, list(run.cohort.patients[:2]), tmp_path / "out", "png", 2, 1)
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    with pytest.raises(InputError, match="already exists"):
        synthesis_files.write_synthesis(run, list(run.cohort.patients[:1]), tmp_path / "out", "png", 1, 1)
    with pytest.raises(InputError, match="no patient 'nobody'"):
        synthesis_files.write_synthesis(run, ["nobody"], tmp_path / "other", "png", 1, 1)
    assert not (tmp_path / "other").exists()
