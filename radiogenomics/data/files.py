"""Real files to a cohort: images, expression, clinical and semantic tables joined by patient id.

Three steps: `make_plan` scans headers and reads the tables, `images.read_patient` does the work of one patient, and
`assemble` joins. `collect` takes all three in this process; `prepare` spreads the second over processes or machines.
"""

import dataclasses
import logging
import pathlib

import numpy as np
import pandas as pd

from radiogenomics import settings
from radiogenomics.data import aim, batches, clinical, cohort, dicom, expression, images, volumes
from radiogenomics.errors import InputError

LEVEL_SMALLEST = 5  # samples of a level of a semantic feature


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is known before an image is read."""

    tasks: tuple  # of images.Task, in the order of patient ids
    table: expression.ExpressionTable
    clinical: pd.DataFrame | None  # covariates, indexed by patient
    semantics: pd.DataFrame  # semantic features, indexed by patient; empty without annotations


def collect(config, source, progress=None):
    """Collects all patients that have images under a folder, in this process.

    A patient whose files cannot be used is left out with the reason in its row of `qc`; the others go on.

    Args:
      config: the configuration; reads `seed`, `data`, `genes` and `files`.
      source: folder with the downloaded files, in any layout.
      progress: optional function that wraps the iterable of patients, such as a progress bar.

    Returns:
      cohort.Collected, see `assemble`.

    Raises:
      InputError: where the folder, the expression table or all images are missing.
    """
    plan = make_plan(config, source)
    results = [images.read_patient(task) for task in (plan.tasks if progress is None else progress(plan.tasks))]
    return assemble(plan, results, config)


def make_plan(config, source):
    """Scans the headers of all images under a folder (or reads `files.manifest`) and reads the tables.

    Args:
      config: the configuration; reads `files`.
      source: folder with the downloaded files, in any layout; the manifest's path is relative to it.

    Returns:
      Plan.

    Raises:
      InputError: where the folder, the expression table or all images are missing, or a table cannot be read.
    """
    source = pathlib.Path(source)
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; expected the downloaded files (--source).")
    headers, entries = _find_images(source, config)
    patients = sorted(headers.keys() | entries.keys())
    path = _find(source, config.files.expression, "expression")
    if path is None:
        raise InputError(f"{source}: no file '{config.files.expression}' (files.expression) under it.")
    table = expression.read_expression(path, patients)
    for warning in table.warnings:
        logging.warning("%s", warning)
    tasks = tuple(
        images.Task(name, tuple(headers.get(name, ())), entries.get(name), name in table.values.index, config)
        for name in patients
    )
    return Plan(tasks, table, _read_clinical(source, config), _read_semantics(source, config))


def _find_images(source, config):
    """({patient: [Header]}, {patient: Entry}), one of them empty."""
    if config.files.manifest:
        return {}, {entry.patient: entry for entry in volumes.read_manifest(source / config.files.manifest)}
    headers = {}
    for header in dicom.scan(source):
        headers.setdefault(header.patient, []).append(header)
    if not headers:
        raise InputError(f"{source}: holds no DICOM file; expected CT series and segmentations, or files.manifest.")
    return headers, {}


def _find(source, pattern, field):
    """The one file that matches the pattern of `files.FIELD`, None without any; of x.txt and x.txt.gz the first."""
    try:
        matches = sorted(source.rglob(pattern), reverse=True) if pattern else []
    except (NotImplementedError, ValueError) as error:
        raise InputError(
            f"files.{field}: '{pattern}'; expected a file name or pattern, relative to the source folder."
        ) from error
    found = {path.name.removesuffix(".gz"): path for path in matches}
    if len(found) > 1:
        raise InputError(f"{source}: '{pattern}' matches {', '.join(sorted(found))}; expected one file.")
    return next(iter(found.values()), None)


def _read_clinical(source, config):
    path = _find(source, config.files.clinical, "clinical")
    if path is None:
        logging.warning("no file '%s' (files.clinical): covariates are unknown", config.files.clinical)
        return None
    return clinical.read_clinical(path, config.files.patient_column)


def _read_semantics(source, config):
    """Semantic features of AIM files and, for patients without one, of the table."""
    found = aim.read_semantics(source)
    path = _find(source, config.files.semantics, "semantics")
    if path is None:
        return found
    table = aim.read_semantic_table(path)
    return pd.concat([found, table[~table.index.isin(found.index)]]) if len(found) else table


def assemble(plan, results, config):
    """Joins the tables to what the images gave.

    Genes are those detected in at least `config.genes.min_detection` of the kept patients. The sequencing batch is the
    clinical table's, else what the order of the samples tells.

    Args:
      plan: the Plan.
      results: what `images.read_patient` returned for each of its tasks, in their order.
      config: the configuration; reads `seed`, `data`, `genes` and `files`.

    Returns:
      cohort.Collected. Rows of `qc` are those of `images.read_patient` with has_semantic.

    Raises:
      InputError: where no gene is detected often enough.
    """
    rows = [row | {"has_semantic": row["patient"] in plan.semantics.index} for row, _ in results]
    found = {row["patient"]: images_of for row, images_of in results if images_of is not None}
    _warn_of_absurd_values(rows, plan.table)
    report = batches.find_batches(
        plan.table.values, _sample_covariates(plan, found), config.files.batch_permutations, config.seed
    )
    for finding in report.findings:
        logging.info("expression: %s", finding)
    genes = _choose_genes(plan.table.values.loc[list(found)], config)
    patients = [_join(name, images_of, genes, report, plan, config) for name, images_of in found.items()]
    return cohort.Collected(
        patients=patients,
        genes=genes,
        qc=rows,
        samples=_describe_samples(plan, report),
        findings=report.findings,
        explained=report.explained,
        expected={name.replace("_", " "): count for name, count in config.files.expected.items()} or None,
    )


def _sample_covariates(plan, found):
    """What a batch may hide behind, of all samples: clinical covariates, scanner and semantic features, where known."""
    scanners = pd.DataFrame.from_dict({name: images_of["acquisition"] for name, images_of in found.items()}, "index")
    tables = [table for table in (plan.clinical, scanners, plan.semantics) if table is not None]
    covariates = pd.concat([table[table.index.isin(plan.table.values.index)] for table in tables], axis=1)
    rare = [name for name in plan.semantics.columns if not _varies(covariates[name])]
    return covariates.drop(columns=rare)


def _varies(feature):
    """Whether two levels of a semantic feature are known in enough samples each to be worth a test."""
    levels = feature.dropna().astype(str)
    counts = levels[levels.str.casefold() != "unknown"].value_counts()
    return bool((counts >= LEVEL_SMALLEST).sum() > 1)


def _describe_samples(plan, report):
    """Quality of every sample of the table, its leading components, its batch and its site."""
    samples = expression.sample_quality(plan.table.values).join(report.components)
    samples["batch"] = report.labels.reindex(samples.index)
    sites = {name: clinical.covariates_of(plan.clinical, name)["site"] for name in samples.index}
    samples["site"] = pd.Series(sites)
    return samples


def _choose_genes(values, config):
    if not len(values):
        return list(values.columns)
    genes = values.columns[expression.detection(values) >= config.genes.min_detection]
    if not len(genes):
        raise InputError(f"genes.min_detection: no gene is detected in {config.genes.min_detection:g} of the patients.")
    return list(genes)


def _join(name, images_of, genes, report, plan, config):
    covariates = {"sequencing_batch": str(report.labels[name])}
    covariates |= clinical.covariates_of(plan.clinical, name) | images_of["acquisition"]
    if len(plan.semantics):
        known = plan.semantics.loc[name] if name in plan.semantics.index else {}
        covariates |= {column: str(known.get(column, "unknown")) for column in plan.semantics.columns}
    return cohort.Patient(
        patient=name,
        **{array: images_of[array] for array in images.ARRAYS},
        spacing_mm=settings.spacing_mm(config),
        expression=plan.table.values.loc[name, genes].to_numpy(np.float32),
        covariates=covariates,
        measurements=images_of["measurements"],
    )


def _warn_of_absurd_values(rows, table):
    flagged = dict(zip(table.values.index, expression.absurd(table.values), strict=True))
    for row in rows:
        genes = table.values.columns[flagged[row["patient"]]] if row["has_expression"] else []
        if len(genes):
            worst = table.values.loc[row["patient"], genes].idxmax()
            value = table.values.loc[row["patient"], worst]
            row["warnings"].append(f"{len(genes)} implausible expression values, the largest {worst} = {value:.3g}")
