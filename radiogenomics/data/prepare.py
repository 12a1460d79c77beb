"""From a source (phantom or files) to a cohort folder."""

import json
import logging
import pathlib

import pandas as pd
import tqdm

from radiogenomics import outputs
from radiogenomics.data import cohort, files, phantom, split
from radiogenomics.errors import InputError


def prepare(config, out, source=None):
    """Writes the cohort folder `out`; one already made with the same settings is left as it is.

    Args:
      config: configuration; `data.source` is "phantom" or "files".
      out: path of the folder to make.
      source: folder of downloaded files, for `data.source` "files".

    Raises:
      InputError: for a source that does not fit, no usable patient, or a folder made with other settings.
    """
    out, source = pathlib.Path(out), pathlib.Path(source).resolve() if source else None
    wanted = {"config": json.loads(config.to_json()), "source": str(source) if source else None}
    if (out / "config.json").exists():
        if outputs.read_json(out / "config.json") != json.loads(json.dumps(wanted)):
            raise InputError(f"{out}: holds a cohort made with other settings; choose another --out.")
        logging.info("%s: already made with these settings", out)
        return
    collected = _collect(config, source)
    cohort.write_cohort(out, collected, _folds(collected.patients, config), wanted)
    kept = sum(row["kept"] for row in collected.qc)
    logging.info("%s: %d of %d patients kept; see qc.html", out, kept, len(collected.qc))


def _folds(patients, config):
    """Stratified folds; none of nobody, which `write_cohort` refuses with the reasons."""
    if not patients:
        return []
    covariates = pd.DataFrame(
        [patient.covariates for patient in patients], index=[patient.patient for patient in patients]
    )
    return split.make_folds(covariates, config.data.stratify, config.data.folds, config.seed)


def _collect(config, source):
    if config.data.source == "phantom":
        return phantom.simulate(config, progress=_progress)
    if config.data.source == "files":
        if source is None:
            raise InputError("--source: not given; data.source 'files' needs the folder of downloaded files.")
        return files.collect(config, source, progress=_progress)
    raise InputError(f"data.source: '{config.data.source}'; expected 'phantom' or 'files'.")


def _progress(patients):
    return tqdm.tqdm(patients, desc="patients", unit="patient", disable=None)
