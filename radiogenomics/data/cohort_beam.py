"""Preparation on Apache Beam, for collections that outgrow one machine: the work and the builder are the same.

Workers read the source folder and write finished patients beside the output, so both must be on storage that all of
them see. Beam comes with the extra [beam] and is imported only when it is asked for.
"""

import dataclasses
import functools
import importlib
import logging

import numpy as np

from radiogenomics.data import cohort, images, parts
from radiogenomics.errors import InputError


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """How `cohort.write_cohort` builds its tables through Beam."""

    options: object  # apache_beam.options.pipeline_options.PipelineOptions
    paths: dict  # patient -> file of the finished patient

    def examples(self, table, patients):
        """Transform that yields (number, example) of one of `cohort.TABLES`; images are read by the workers."""
        beam = _import_beam("apache_beam")
        if table == "patients":
            return beam.Create([(number, row) for number, row in enumerate(_rows(table, patients))])
        counts = [sum(1 for _ in cohort.example_rows(table, patient)) for patient in patients]
        firsts = np.cumsum([0, *counts[:-1]]).tolist()
        items = [
            (first, patient.patient, patient.spacing_mm, self.paths[patient.patient])
            for first, patient in zip(firsts, patients, strict=True)
        ]
        return beam.Create(items) | beam.Reshuffle() | beam.FlatMap(functools.partial(_read_examples, table))


def make_options(flags, workers):
    """Beam's options from command-line flags of its own such as '--runner=FlinkRunner'.

    Without any, the direct runner works in `workers` processes of this machine. InputError where Beam is missing.
    """
    # It narrates every stage at the level at which we tell a user what happened.
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    local = ["--runner=FnApiRunner", f"--direct_num_workers={workers}"]
    local += ["--direct_running_mode=multi_processing"] if workers > 1 else []
    return _import_beam("apache_beam.options.pipeline_options").PipelineOptions(list(flags) or local)


def finish_jobs(jobs, options):
    """Reads the patients of `parts.Job`s and writes their files, each on any of Beam's workers."""
    beam = _import_beam("apache_beam")
    with beam.Pipeline(options=options) as pipeline:
        # Without the reshuffle Beam may fuse all patients into the one worker that lists them.
        _ = pipeline | beam.Create(list(jobs)) | beam.Reshuffle() | beam.Map(parts.finish_job)


def _rows(table, patients):
    return (row for patient in patients for row in cohort.example_rows(table, patient))


def _read_examples(table, item):
    first, name, spacing_mm, path = item
    found = parts.load_part(path)
    if found is None:
        raise OSError(f"{path.name}: the file of a finished patient is gone or damaged; start the preparation again.")
    patient = cohort.Patient(
        patient=name,
        **{array: found[1][array] for array in images.ARRAYS},
        spacing_mm=spacing_mm,
        expression=np.zeros(0, np.float32),
        covariates={},
        measurements={},
    )
    yield from enumerate(cohort.example_rows(table, patient), start=first)


def _import_beam(module):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"--engine=beam: Apache Beam is not installed ({error}); install the extra radiogenomics[beam]."
        ) from error
