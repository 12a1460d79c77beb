"""What a report is made from: the files that the other commands wrote."""

import dataclasses
import json
import pathlib
import re

import matplotlib.image
import pandas as pd
import xarray

from radiogenomics import outputs
from radiogenomics.analysis import map_files
from radiogenomics.data import cohort as cohorts
from radiogenomics.errors import InputError
from radiogenomics.train import rundir


@dataclasses.dataclass(frozen=True)
class ReportFiles:
    """What a report is made from."""

    workdir: pathlib.Path
    config: dict
    environment: dict
    evaluation: dict
    dataset: xarray.Dataset  # map.nc of the run
    metrics: dict  # fold -> DataFrame
    samples: dict  # fold -> the last sample grid [rows, columns] in 0..1
    cohort: cohorts.Cohort | None  # None where its folder is gone
    quality: dict | None  # qc.json
    baseline: xarray.Dataset | None
    dose_response: xarray.Dataset | None  # dose_response.nc, None where an older run has none
    gallery: xarray.Dataset | None  # gallery.nc, likewise
    gene_code: pd.DataFrame | None  # gene_code.csv, its patients in the evaluation's order
    enrichment: pd.DataFrame | None  # enrichment.csv
    audit: dict | None  # audit.json

    @property
    def truth(self):
        """Planted truth of a phantom, or None."""
        return self.cohort.truth if self.cohort else None

    @property
    def fdr(self):
        """q below which a gene counts as found."""
        return self.config["map"]["fdr"]


def read_files(workdir, baseline=None, cohort=None):
    """Reads everything a report shows.

    Args:
      workdir: run folder with evaluation.json and map.nc.
      baseline: folder of a classical map, if one is to stand beside.
      cohort: the cohort's folder where it has moved; by default the one recorded, and if that is gone the report does
        without.

    Raises:
      InputError: where a needed file is missing or damaged, or the cohort is another one.
    """
    workdir = pathlib.Path(workdir)
    for name in ("config.json", "environment.json"):
        if not (workdir / name).is_file():
            raise InputError(f"{workdir}: not a run folder (no {name} in it); make one with launch/train.py.")
    environment = outputs.read_json(workdir / "environment.json")
    found = _read_cohort(workdir, cohort, environment.get("cohort"))
    quality = found.directory / "qc.json" if found else None
    folds = sorted(path for path in workdir.glob("fold_*") if re.fullmatch(r"fold_\d+", path.name))
    folds.sort(key=lambda path: int(path.name.removeprefix("fold_")))
    evaluation = _read_evaluation(workdir / "evaluation.json")
    metrics = {path.name: _read_metrics(path / "metrics.jsonl") for path in folds}
    samples = {path.name: _read_last_sample(path / "samples") for path in folds}
    return ReportFiles(
        workdir=workdir,
        config=outputs.read_json(workdir / "config.json"),
        environment=environment,
        evaluation=evaluation,
        dataset=_read_map(workdir),
        metrics={name: frame for name, frame in metrics.items() if frame is not None},
        samples={name: grid for name, grid in samples.items() if grid is not None},
        cohort=found,
        quality=outputs.read_json(quality) if quality and quality.is_file() else None,
        baseline=map_files.read_map(pathlib.Path(baseline)) if baseline else None,
        dose_response=map_files.read_dose_response(workdir),
        gallery=map_files.read_gallery(workdir),
        gene_code=_read_gene_code(workdir / "gene_code.csv", evaluation),
        enrichment=_read_enrichment(workdir / "enrichment.csv"),
        audit=outputs.read_json(workdir / "audit.json") if (workdir / "audit.json").is_file() else None,
    )


def _read_cohort(workdir, given, recorded):
    """The cohort in the folder given or recorded; None where none is given and the recorded one is gone."""
    if given is None and not (recorded and (pathlib.Path(recorded) / "split.json").is_file()):
        return None
    cohort = cohorts.load_cohort(given or recorded)
    rundir.check_same_cohort(workdir, cohort)
    return cohort


def _read_evaluation(path):
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with launch/evaluate.py.")
    evaluation = outputs.read_json(path)
    missing = [name for name in ("patients", "folds", "gate") if name not in evaluation]
    if missing:
        raise InputError(f"{path}: has no field '{missing[0]}'; write it again with launch/evaluate.py.")
    return evaluation


def _read_gene_code(path, evaluation):
    """Columns code_000... by patient, in the evaluation's order; None where an older run has none."""
    if not (path.is_file() and evaluation.get("gene_code")):
        return None
    table = pd.read_csv(path, dtype={"patient": str})
    codes = [name for name in table if str(name).startswith("code_")]
    if "patient" not in table or not codes:
        raise InputError(f"{path}: has no columns 'patient' and 'code_000'; write it again with launch/evaluate.py.")
    table = table.set_index("patient")[codes]
    if not table.index.is_unique or set(table.index) != set(evaluation["patients"]):
        raise InputError(f"{path}: its patients are not those of evaluation.json; write both again with "
                         "launch/evaluate.py.")
    return table.loc[evaluation["patients"]]


def _read_enrichment(path):
    """The table of gene sets; None where no sets were given."""
    if not path.is_file():
        return None
    try:
        table = pd.read_csv(path, dtype={"set": str, "leading_genes": str}, keep_default_na=False)
    except ValueError as error:
        raise InputError(f"{path}: not a readable table ({str(error).splitlines()[0]}).") from error
    missing = [name for name in ("set", "feature", "size", "q", "leading_genes", "supported") if name not in table]
    if missing:
        raise InputError(f"{path}: has no column '{missing[0]}'; write it again with launch/map.py --gene_sets.")
    return table


def _read_map(workdir):
    if not (workdir / "map.nc").is_file():
        raise InputError(f"{workdir / 'map.nc'}: no such file; write it with launch/map.py.")
    return map_files.read_map(workdir)


def _read_metrics(path):
    """A DataFrame of metrics.jsonl, or None where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    try:
        return pd.DataFrame([json.loads(line) for line in lines]) if lines else None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not lines of JSON ({error}).") from error


def _read_last_sample(directory):
    """The grid [rows, columns] of the latest step, or None where there is none."""
    paths = sorted(directory.glob("step_*.png"), key=lambda path: path.name)
    if not paths:
        return None
    try:
        picture = matplotlib.image.imread(paths[-1])
    except (OSError, SyntaxError) as error:  # a damaged PNG is a SyntaxError to the reader of images
        raise InputError(f"{paths[-1]}: not a readable image ({error}).") from error
    return picture if picture.ndim == 2 else picture[..., 0]
