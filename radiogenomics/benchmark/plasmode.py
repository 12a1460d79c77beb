"""The plasmode suite: recovery of links between real genes and real nodules, which were assigned to each other.

What a plasmode can show is bounded by its nodules: each is one patient, whatever the number of its patches.
"""

import itertools
import logging

import numpy as np
import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.analysis import baseline, baseline_files, features, map_files, mapping, metagenes, recovery
from radiogenomics.benchmark import training_runs
from radiogenomics.data import cohort as cohorts
from radiogenomics.data import plasmode, split
from radiogenomics.data import transform as gene_transform
from radiogenomics.errors import InputError

STRENGTHS = (0.0, 0.6, 0.9)
PROPERTIES = ("equivalent_diameter_mm", "mean_hu")  # one module for each
CLUSTERS = 20
SMALLEST = 15  # genes of a module that may drive a property
ROUTES = (  # name, map, variable
    ("generator: score", "generator", "score"),
    ("classical: gene-wise Spearman", "classical", "score"),
    ("classical: three-step", "classical", "three_step_score"),
)


def run_suite(config, directory, table, out, seeds=3, strengths=STRENGTHS):
    """Makes plasmodes, maps them by every route, and writes `plasmode.csv` and `plasmode.json` into `out`.

    Nothing is adjusted for: profiles were assigned whatever their batch, which so tells nothing of the images.

    Args:
      config: the configuration.
      directory: folder of a prepared cohort, whose nodules are taken.
      table: expression profiles, one a row, as published or as z-scores.
      out: folder for the tables, the plasmodes and their runs; what is finished is used again.
      seeds: assignments for each strength.
      strengths: correlations planted.

    Returns:
      The table: mean over seeds by strength, route and feature.

    Raises:
      InputError: where a part cannot be read, for fewer profiles than nodules, or fewer than one seed.
    """
    if seeds < 1:
        raise InputError(f"--seeds: {seeds}; expected at least 1.")
    config = training_runs.vary(config, {"genes.adjust": ()})
    cohort, profiles = cohorts.load_cohort(directory), read_profiles(table)
    properties = features.real_features(cohort, PROPERTIES)
    modules = real_modules(profiles, config)
    pairs, rows = list(zip(_coherent(profiles, modules), PROPERTIES, strict=True)), []
    with training_runs.compiled_once(out / "compiled"):
        for strength, seed in itertools.product(strengths, range(seeds)):
            folder = out / "plasmodes" / f"strength_{strength:g}" / f"seed_{seed}"
            links = [plasmode.Link(name, feature, strength) for name, feature in pairs]
            made = _open_plasmode(config, folder, seed, cohort, properties, profiles, modules, links)
            rows += finish_plasmode(config, made, folder, {"strength": strength, "seed": seed})
    return _write(out, pd.DataFrame(rows), provenance.describe(config, cohort.fingerprint))


def read_profiles(path):
    """DataFrame [profiles, genes] of a table with one profile a row; InputError for text or fewer than ten profiles."""
    table = baseline_files.read_table(path)
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        raise InputError(f"{path}: column '{text[0]}' holds text; expected expression values, one profile a row.")
    if len(table) < baseline.LEAST_PATIENTS:
        raise InputError(f"{path}: {len(table)} profiles; expected at least {baseline.LEAST_PATIENTS}.")
    return table.loc[:, table.notna().any()]


def real_modules(profiles, config):
    """{name: symbols} of clusters of genes over all profiles (k-means on correlation)."""
    values = plasmode.published(profiles)
    standardised = gene_transform.standardise_everybody(
        values.to_numpy(), pd.DataFrame(index=values.index), list(values.columns), config
    )[1]
    labels = metagenes.cluster_genes(standardised, CLUSTERS, "kmeans", config.seed)
    return {
        f"cluster {number + 1}": list(values.columns[labels == number]) for number in range(labels.max() + 1)
    }


def _coherent(profiles, modules):
    """Names of the modules whose genes follow their mean most closely, one for each of PROPERTIES."""
    scores = {}
    for name, genes in modules.items():
        if len(genes) >= SMALLEST:
            ranks = profiles[genes].rank()
            scores[name] = ranks.corrwith(ranks.mean(axis=1)).mean()
    if len(scores) < len(PROPERTIES):
        raise InputError(f"expression: {len(scores)} clusters of {SMALLEST} genes; expected {len(PROPERTIES)}.")
    return sorted(scores, key=scores.get, reverse=True)[: len(PROPERTIES)]


def _open_plasmode(config, folder, seed, cohort, properties, profiles, modules, links):
    """The plasmode `Cohort` below `folder`, written first where it is not there."""
    if not (folder / "cohort" / "split.json").exists():
        generator = np.random.default_rng([config.seed, seed])
        collected = plasmode.make_plasmode(cohort, properties, profiles, modules, links, generator)
        covariates = pd.DataFrame([patient.covariates for patient in collected.patients], index=list(cohort.patients))
        folds = split.make_folds(covariates, config.data.stratify, config.data.folds, config.seed)
        settings = {"config": config.to_dict(), "nodules_of": cohort.fingerprint}
        cohorts.write_cohort(folder / "cohort", collected, folds, settings)
    return cohorts.load_cohort(folder / "cohort")


def finish_plasmode(config, cohort, folder, labels):
    """Rows {labels, "route", what was planted, and the fields of `recovery.score_recovery`} of one plasmode."""
    training_runs.check_run(config, cohort, folder / "run")
    if not (folder / "scores.json").exists():
        logging.info("plasmode: %s", ", ".join(f"{name} {value:g}" for name, value in labels.items()))
        run = training_runs.train_run(config, cohort, folder / "run")
        maps = {"generator": mapping.radiogenomic_map(run),
                "classical": baseline.classical_map(baseline.tables_of_cohort(cohort, config), config)}
        map_files.write_dataset(folder / "map.nc", maps["generator"])
        outputs.write_json(folder / "scores.json", [
            {"route": name} | _bounds(cohort, maps[source], link) | link
            for name, source, variable in ROUTES
            for link in recovery.score_recovery(maps[source], cohort.truth, variable, config.map.fdr)["links"]
        ])
    return [labels | row for row in outputs.read_json(folder / "scores.json")]


def _bounds(cohort, dataset, link):
    """What the plasmode holds and can certify."""
    return {
        "patients": len(cohort.patients),
        "patches": len(cohort.nodules.image_hu),
        "achieved": cohort.truth["achieved"][link["feature"]],
        "smallest_certifiable_correlation": float(dataset.attrs["smallest_certifiable_correlation"]),
        "certain": int((dataset["p_max"].sel(feature=link["feature"]) < recovery.CERTAIN).sum()),
    }


def _write(out, frame, described):
    with outputs.new_file(out / "plasmode.csv") as aside:
        frame.to_csv(aside, index=False, float_format="%.4g")
    outputs.write_json(out / "plasmode.json", {"rows": frame.to_dict("records")} | described)
    shown = ["patients", "achieved", "average_precision", "auroc", "power", "false_share", "certain",
             "smallest_certifiable_correlation"]
    return frame.groupby(["strength", "feature", "route"], sort=False)[shown].mean()
