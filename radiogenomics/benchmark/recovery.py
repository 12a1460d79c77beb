"""The recovery suite: every route scored against planted truth, on the same patients, over phantoms.

Phantoms differ in the number of patients, the strength of the links and the seed. What is finished is used again, so
that a suite that was stopped goes on where it was.
"""

import contextlib
import itertools
import logging
import time
from typing import NamedTuple

import numpy as np

from radiogenomics import outputs, provenance
from radiogenomics.analysis import baseline, localisation, map_files, mapping, metagenes, recovery, statistics
from radiogenomics.benchmark import calibration, recovery_tables, training_runs
from radiogenomics.data import phantom_regions
from radiogenomics.errors import InputError

PATIENTS = (60, 300)  # beside those of the configuration, at its effect
EFFECTS = (0.0, 0.3, 0.5, 0.7)  # beside that of the configuration, with its patients
NODULES = 12  # that the regions are averaged over
POOL = 260  # patients of the null phantom ...
COHORTS = 200  # ... null cohorts drawn from it for each frozen map ...
PERMUTATIONS = 59  # ... and permutations of each; enough for a test at 5 %, whose level they do not change
DISTANCE_PERMUTATIONS = 99  # too few for q-values: distance correlation only ranks here, which takes minutes as it is
FEW = {"map.metagenes": 2}  # for maps whose metagenes are not looked at


class Route(NamedTuple):
    """One way to rank genes for a feature."""

    name: str
    map: str  # which of the maps
    variable: str
    tested: bool  # whether the map's q belong to it


ROUTES = (
    Route("generator: score", "generator", "score", True),
    Route("generator: |association|", "generator", "association", False),
    Route("generator: strength", "generator", "strength", False),
    Route("generator: |raw gradient|", "generator", "sensitivity", False),
    Route("classical: gene-wise Spearman", "spearman", "score", True),
    Route("classical: partial Spearman", "partial", "score", True),
    Route("classical: distance correlation", "distance", "score", False),
    Route("classical: three-step", "spearman", "three_step_score", False),
)
CLASSICAL = {  # map: (statistic, changes of the configuration)
    "spearman": ("spearman", {}),
    "partial": ("partial_spearman", FEW),
    "distance": ("distance", FEW | {"map.permutations": DISTANCE_PERMUTATIONS}),
    "spearman, unadjusted": ("spearman", FEW | {"genes.adjust": ()}),
}
SIGNED = ("association", "sensitivity")  # variables that rank by their size
UNTESTED = ("power", "hits", "false_discoveries", "false_share", "sign_accuracy")
VOXELWISE = {"classical: voxel-wise Spearman": "spearman", "classical: voxel-wise distance correlation": "distance"}


def run_suite(config, out, seeds=3, patients=PATIENTS, effects=EFFECTS):
    """Simulates phantoms, maps them by every route, and writes tables, `recovery.json` and `recovery.png` into `out`.

    Args:
      config: the configuration of the central phantom.
      out: folder for the tables, the phantoms and their runs.
      seeds: phantoms of every kind.
      patients: numbers of patients beside the configuration's, at its effect.
      effects: effects beside the configuration's, with its patients.

    Returns:
      The table of targets, what was measured and whether it was reached.

    Raises:
      InputError: without planted truth in the configuration, for links with effects of their own, or fewer than one
        seed.
    """
    _check(config, seeds)
    kinds = dict.fromkeys(
        [(config.phantom.patients, config.phantom.effect)]
        + [(number, config.phantom.effect) for number in patients]
        + [(config.phantom.patients, effect) for effect in effects]
    )
    central = next(iter(kinds))
    with training_runs.compiled_once(out / "compiled"):
        regions = _regions(config, out / "regions.npz")
        scored = [
            {"patients": kind[0], "effect": kind[1], "seed": seed}
            | finish_phantom(config, out, kind, seed, regions, central)
            for seed, kind in itertools.product(range(seeds), kinds)
        ]
    return recovery_tables.write_tables(out, scored, central, ROUTES, provenance.describe(config, None))


def _check(config, seeds):
    if config.data.source != "phantom":
        raise InputError(f"data.source: '{config.data.source}'; the recovery suite needs a phantom's planted truth.")
    if any("effect" in link for link in config.phantom.links):
        raise InputError("phantom.links: a link with an effect of its own; the recovery suite sets that of all links.")
    if seeds < 1:
        raise InputError(f"--seeds: {seeds}; expected at least 1.")


def _regions(config, path):
    """{factor: true change of the pixels}, computed once; phantoms of all kinds share it."""
    if not path.exists():
        changes = phantom_regions.factor_changes(config, NODULES)
        with outputs.new_file(path) as aside:
            np.savez(aside, **changes)
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def vary_phantom(config, kind, seed):
    """The configuration of one phantom; `kind` is (patients, effect)."""
    # A fold's seed is the run's plus its number, so that phantoms must not be neighbours.
    changes = {"phantom.patients": kind[0], "phantom.effect": kind[1], "seed": config.seed + seed * config.data.folds}
    return training_runs.vary(config, changes)


def finish_phantom(config, out, kind, seed, regions, central):
    """{"links", "discoveries", "localisation", "null", "seconds"} of one phantom, from its `scores.json` or measured.

    The null is measured on phantoms of the kind `central`, and there, for the first seed, a generator without
    adjustment is trained too.
    """
    folder = out / "phantoms" / f"patients_{kind[0]}_effect_{kind[1]:g}" / f"seed_{seed}"
    varied = vary_phantom(config, kind, seed)
    cohort = training_runs.open_cohort(varied, folder)
    training_runs.check_run(varied, cohort, folder / "run")
    if not (folder / "scores.json").exists():
        logging.info("phantom: %d patients, effect %g, seed %d", *kind, seed)
        scores, run, predictions = score_phantom(varied, cohort, folder, regions)
        if kind == central:
            pool = calibration.null_pool(config, out / "null_pool", POOL)
            scores["null"] = calibration.null_errors(run, predictions.mapped, *pool, COHORTS, PERMUTATIONS)
            if seed == 0:
                scores["discoveries"].append(_unadjusted_generator(varied, cohort, folder))
        outputs.write_json(folder / "scores.json", scores)
    return outputs.read_json(folder / "scores.json")


def score_phantom(config, cohort, folder, regions):
    """(scores, `Run`, `mapping.Predictions`) of one phantom: trained, mapped by every route, and scored."""
    seconds = {}
    with _timed(seconds, "train"):
        run = training_runs.train_run(config, cohort, folder / "run")
    with _timed(seconds, "map"):
        groups = _driver_weights(cohort)
        dataset, predictions = mapping.map_with_predictions(run, weights=groups.weights)
    map_files.write_dataset(folder / "map.nc", dataset)
    maps = {"generator": dataset} | _classical_maps(config, cohort, seconds)
    with _timed(seconds, "localisation"):
        located = _locate(run, groups, regions)
    fdr, truth = config.map.fdr, cohort.truth
    scores = {
        "links": [row for route in ROUTES for row in _score_route(maps[route.map], truth, route, fdr)],
        "discoveries": [
            {"map": name} | recovery.count_discoveries(maps[name], truth, fdr)
            for name in ("generator", "spearman", "partial", "spearman, unadjusted")
        ] + [_unadjusted_features(dataset, truth, fdr)],
        "localisation": located, "null": None, "seconds": seconds,
    }
    return scores, run, predictions


@contextlib.contextmanager
def _timed(seconds, name):
    """Keeps under `name` the seconds that a block took."""
    began = time.monotonic()
    yield
    seconds[name] = time.monotonic() - began


def _driver_weights(cohort):
    """`Metagenes` that average each planted module that drives a factor: where they act is known."""
    drivers = sorted({module for link in cohort.truth["links"] for module in link["modules"]})
    members = np.array([[gene in cohort.truth["modules"][name] for name in drivers] for gene in cohort.genes])
    return metagenes.Metagenes(tuple(drivers), metagenes.average_members(members), np.full(len(drivers), np.nan))


def _classical_maps(config, cohort, seconds):
    tables, maps = baseline.tables_of_cohort(cohort, config), {}
    for name, (statistic, changes) in CLASSICAL.items():
        with _timed(seconds, name):
            maps[name] = baseline.classical_map(tables, training_runs.vary(config, changes), statistic)
    return maps


def _score_route(dataset, truth, route, fdr):
    """Rows {"route", and the fields of `recovery.score_recovery`}; what belongs to another route's test is None."""
    signed = route.variable in SIGNED
    ranked = dataset.assign({route.variable: abs(dataset[route.variable])}) if signed else dataset
    links = recovery.score_recovery(ranked, truth, route.variable, fdr)["links"]
    untested = {} if route.tested else dict.fromkeys(UNTESTED)
    return [{"route": route.name} | link | untested for link in links]


def _unadjusted_features(dataset, truth, fdr):
    """Discoveries with the real features as measured; the generator's genes stay adjusted."""
    q = statistics.benjamini_hochberg(dataset["p_unadjusted"].values)
    counted = recovery.count_discoveries(dataset.assign(q=(("gene", "feature"), q)), truth, fdr)
    unknown = dict.fromkeys(("certain", "certain_false", "batch_certain"))  # of the adjusted features' test
    return {"map": "generator, features unadjusted"} | counted | unknown


def _unadjusted_generator(config, cohort, folder):
    """Discoveries of a generator for which neither genes nor features were adjusted."""
    run = training_runs.train_run(training_runs.vary(config, {"genes.adjust": ()}), cohort, folder / "run_unadjusted")
    dataset = mapping.radiogenomic_map(run, weights=_driver_weights(cohort).weights)
    return {"map": "generator, unadjusted"} | recovery.count_discoveries(dataset, cohort.truth, config.map.fdr)


def _locate(run, groups, regions):
    """Rows {"route", "factor", "kind", "average_precision", "auroc", "base_rate"}: a link's modules against its region.

    Of a link with two modules, the mean over both.
    """
    maps = {"generator: pixel strength": localisation.pixel_strength(run, groups.weights)}
    for name, statistic in VOXELWISE.items():
        maps[name] = localisation.voxelwise(run.cohort, groups.weights, run.config, statistic)
    return [
        {"route": name, "factor": link["factor"], "kind": link["kind"]}
        | _mean_localisation([found[groups.names.index(module)] for module in link["modules"]], regions[link["factor"]])
        for (name, found), link in itertools.product(maps.items(), run.cohort.truth["links"])
    ]


def _mean_localisation(effects, change):
    scores = [localisation.score_localisation(effect, change) for effect in effects]
    return {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}
