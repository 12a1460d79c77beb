"""The recovery suite: every route scored against a phantom's planted truth, on the same patients."""

import time

import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.analysis import baseline_files, evaluation, map_files, recovery
from radiogenomics.analysis.run import load_run
from radiogenomics.data import prepare
from radiogenomics.data.cohort import load_cohort
from radiogenomics.errors import InputError
from radiogenomics.train import loop

ROUTES = (  # name, folder, variable that ranks genes
    ("generator: score", "run", "score"),
    ("generator: |association|", "run", "association"),
    ("generator: strength", "run", "strength"),
    ("generator: |raw gradient|", "run", "sensitivity"),
    ("classical: gene-wise Spearman", "baseline", "score"),
    ("classical: three-step", "baseline", "three_step_score"),
)


def run_suite(config, out):
    """Simulates a phantom, maps it by every route, and writes `recovery.csv` and `recovery.json` into `out`.

    What is already in `out` with the same settings is used again. Returns the table, one row per route and link.
    """
    if config.data.source != "phantom":
        raise InputError(f"data.source: '{config.data.source}'; the recovery suite needs a phantom's planted truth.")
    seconds = _make_maps(config, out)
    cohort = load_cohort(out / "cohort")
    rows = [
        {"route": name} | link
        for name, folder, variable in ROUTES
        for link in _score(map_files.read_map(out / folder), cohort.truth, variable, config.map.fdr)
    ]
    table = pd.DataFrame(rows)
    with outputs.new_file(out / "recovery.csv") as aside:
        table.to_csv(aside, index=False, float_format="%.4g")
    described = provenance.describe(config, cohort.fingerprint)
    outputs.write_json(out / "recovery.json", {"seconds": seconds, "rows": rows} | described)
    return table.pivot(index="route", columns="factor", values="average_precision").assign(
        mean=lambda wide: wide.mean(axis=1)
    )


def _make_maps(config, out):
    """Cohort, run, evaluation and both maps below `out`; seconds that each took in this call."""
    prepare.prepare(config, out / "cohort")
    jobs = {
        "train": lambda: loop.train(config, load_cohort(out / "cohort"), out / "run"),
        "evaluate": lambda: evaluation.evaluate(load_run(out / "run")),
        "map": lambda: map_files.map_run(load_run(out / "run")),
        "baseline": lambda: baseline_files.map_cohort(
            out / "cohort", out / "baseline", config, predictors=False
        ),
    }
    seconds = {}
    for name, job in jobs.items():
        began = time.monotonic()
        job()
        seconds[name] = time.monotonic() - began
    return seconds


def _score(dataset, truth, variable, fdr):
    ranked = dataset.assign({variable: abs(dataset[variable])}) if variable != "score" else dataset
    return recovery.score_recovery(ranked, truth, variable, fdr)["links"]
