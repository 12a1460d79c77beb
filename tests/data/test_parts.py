"""A finished patient is read back as it was, and found again only while nothing that made it has changed."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from radiogenomics.data import files, images, parts

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def task(tmp_path, study, files_config):
    volume, mask = study.make_chest((24, 80, 100), nodule_center=(12, 40, 30))
    study.write_seg(tmp_path / "seg.dcm", study.write_ct(tmp_path / "ct", "P1", volume), [mask])
    (tmp_path / "GSE103584_RNAseq.txt").write_text("gene\tP1\nA\t1.0\n")
    return files.make_plan(files_config, tmp_path).tasks[0]


def job_of(task, folder):
    return parts.plan_jobs([task], folder, task.headers[0].path.parents[1])[0]


def test_round_trip(task, tmp_path):
    job = job_of(task, tmp_path / "parts")
    parts.finish_job(job)
    row, found = parts.load_part(job.path)
    wanted_row, wanted = images.read_patient(task)
    assert row["kept"] and row == wanted_row
    np.testing.assert_equal(found, wanted)
    assert {name: found[name].dtype for name in images.ARRAYS} == {name: wanted[name].dtype for name in images.ARRAYS}


def test_a_dropped_patient_is_kept_too(task, tmp_path):
    job = job_of(dataclasses.replace(task, has_expression=False), tmp_path / "parts")
    parts.finish_job(job)
    row, found = parts.load_part(job.path)
    assert found is None and row["reason"] == "no expression profile in the expression table"


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.999])
def test_a_damaged_file_is_none(task, tmp_path, share):
    job = job_of(task, tmp_path / "parts")
    assert parts.load_part(job.path) is None
    parts.finish_job(job)
    data = job.path.read_bytes()
    job.path.write_bytes(data[: int(share * len(data))])
    assert parts.load_part(job.path) is None


def test_what_the_result_depends_on_names_the_file(task, tmp_path):
    first = job_of(task, tmp_path).path
    assert job_of(task, tmp_path).path == first
    others = {job_of(dataclasses.replace(task, has_expression=False), tmp_path).path}
    for section, key, value in (("data", "size", 20), ("files", "lung_hu", -500.0)):
        config = task.config.copy_and_resolve_references()
        config[section][key] = value
        others.add(job_of(dataclasses.replace(task, config=config), tmp_path).path)
    others.add(job_of(dataclasses.replace(task, headers=task.headers[1:]), tmp_path).path)
    facts = task.headers[0].path.stat()
    os.utime(task.headers[0].path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    others.add(job_of(task, tmp_path).path)
    assert len(others | {first}) == 6


def test_settings_of_training_do_not_matter(task, tmp_path):
    config = task.config.copy_and_resolve_references()
    config.train.steps += 1
    assert job_of(dataclasses.replace(task, config=config), tmp_path) == dataclasses.replace(
        job_of(task, tmp_path), task=dataclasses.replace(task, config=config)
    )


@pytest.mark.parametrize("module", ["radiogenomics.data.parts", "radiogenomics.data.prepare"])
def test_workers_start_without_jax(module):
    """A worker imports `parts`, and what the launcher imports."""
    script = f"import sys, {module}; print('jax' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
