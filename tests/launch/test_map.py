"""The map through its launcher: patients spread over eight devices, and several trainings together."""

import json
import shutil

import numpy as np
import pytest

from radiogenomics.analysis import map_files
from radiogenomics.reports import map_tables


@pytest.fixture(scope="module")
def on_eight(launch, mapped, workdir, tmp_path_factory):
    """(folder, outcome) of a copy of the run that was mapped on eight devices."""
    folder = tmp_path_factory.mktemp("eight") / "run"
    shutil.copytree(workdir, folder, ignore=shutil.ignore_patterns("*.nc", "*.csv"))
    outcome = launch(
        "map", f"--workdir={folder}", environment={"XLA_FLAGS": "--xla_force_host_platform_device_count=8"},
    )
    return folder, outcome


def test_eight_devices_equal_one(on_eight, mapped, workdir):
    folder, outcome = on_eight
    assert outcome.code == 0, outcome.stderr
    read = map_files.read_map(folder)
    assert set(read) == set(mapped)
    for name in ("sensitivity", "association", "strength", "metagene_effect", "pixel_effect", "pixel_mask_effect",
                 "region_association", "metagene_region_association"):
        scale = np.abs(mapped[name]).max()
        np.testing.assert_allclose(read[name], mapped[name], atol=1e-4 * float(scale) + 1e-6, err_msg=name)
    np.testing.assert_allclose(read["score"], mapped["score"], atol=1e-3)
    curves = map_files.read_dose_response(folder)
    np.testing.assert_allclose(curves["mean"], map_files.read_dose_response(workdir)["mean"], rtol=1e-3, atol=1e-2)
    assert len(json.loads(read.attrs["environment"])["devices"]) == 8


def test_the_limit_of_detection_is_printed(on_eight):
    told = map_tables.describe_detection(map_files.read_map(on_eight[0]))
    assert "24 patients" in told and told in on_eight[1].stdout


def test_the_same_seed_twice_is_told(launch, workdir, mapped):
    outcome = launch("map", f"--workdir={workdir}", f"--more_runs={workdir}")
    assert outcome.code == 1 and "seed 0 is there twice" in outcome.stderr and "Traceback" not in outcome.stderr
