"""Finished patients kept on disk while a cohort is being made, so that a run that was stopped goes on where it was.

One file a patient, written atomically: arrays and JSON in an npz, without pickle. Its name is a digest of all that the
result depends on; what has changed in the meantime is therefore not found, and made again.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import zipfile

import numpy as np

from radiogenomics import outputs
from radiogenomics.data import images

VERSION = "1"  # raised when `images.read_patient` gives something else for the same files
# All of the configuration, beside `seed`, that `images.read_patient` reads: what else changes reads nobody again.
SETTINGS = {
    "data": ("ndim", "size", "extent_mm", "slices_per_patient", "backgrounds_per_patient"),
    "files": (
        "segment_label", "min_diameter_mm", "padding_hu", "max_missing_slices", "max_interpolated_share",
        "volume_tolerance", "lung_hu", "lung_spacing_mm", "min_lung_ml", "nodule_margin_mm", "min_boundary_mm",
        "max_boundary_mm", "background_separation_mm",
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Job:
    """A patient to be read, and the file for the result."""

    task: images.Task
    path: pathlib.Path


def plan_jobs(tasks, folder, source):
    """A `Job` for each task, with its file in `folder`; `source` is the folder that file names are relative to."""
    return [Job(task, pathlib.Path(folder) / f"{_digest(task, source)}.npz") for task in tasks]


def _digest(task, source):
    """SHA-256 over the code version, the settings, and names, sizes and modification times of the patient's files."""
    settings = {section: {key: task.config[section][key] for key in keys} for section, keys in SETTINGS.items()}
    files = []
    for path in task.paths:
        facts = path.stat()
        files.append([os.path.relpath(path, source), facts.st_size, facts.st_mtime_ns])
    told = [VERSION, task.config.seed, settings, task.patient, task.has_expression, sorted(files)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def finish_job(job):
    """Reads a patient and writes its file."""
    row, found = images.read_patient(job.task)
    told = {"row": row, "kept": found is not None}
    arrays = {}
    if found is not None:
        told |= {"acquisition": found["acquisition"], "measurements": found["measurements"]}
        arrays = {name: found[name] for name in images.ARRAYS}
    text = json.dumps(told, default=_plain).encode()
    with outputs.new_file(job.path) as aside:
        np.savez(aside, told=np.frombuffer(text, np.uint8), **arrays)


def load_part(path):
    """(row, images) as `images.read_patient` returned them; None where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            told = json.loads(stored["told"].tobytes())
            if not told["kept"]:
                return told["row"], None
            arrays = {name: stored[name] for name in images.ARRAYS}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return told["row"], arrays | {"acquisition": told["acquisition"], "measurements": told["measurements"]}


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in a quality row; expected text, numbers and lists of them")
