"""The retrained audit: would a generator trained on genes and images that do not belong together show links as strong?

    audit_run(load_run(DIR), permutations=19)      # DIR/audit.json

A map's p-values hold its generators fixed and permute patients (design 5.6). The audit repeats the whole of one fold,
gene transform, response surface and training included, on permuted pairings. It is too costly to be the source of p.
"""

import dataclasses
import logging
import shutil

import numpy as np
import pandas as pd

from radiogenomics import outputs
from radiogenomics.analysis import features, gene_effects, statistics, synthesis
from radiogenomics.analysis.gene_permutation import test_genes
from radiogenomics.analysis.patient_effects import component_gradients
from radiogenomics.analysis.run import Fold
from radiogenomics.data import transform as gene_transform
from radiogenomics.errors import InputError
from radiogenomics.train import folds, loop
from radiogenomics.train.trainer import make_trainer

FAMILY_WISE = 0.05
STATED = {
    "null": "given the strata, the patients' genes are exchangeable among patients, training and held-out ones apart; "
    "unit: the patient; a generator is trained on every permutation",
    "statistic": "largest studentised correlation over genes of the association times the patient's gene with the real "
    "feature, over held-out patients",
}


def audit_run(run, permutations=19, fold=0):
    """Trains one fold anew on permuted pairings and compares what a map would find; writes and returns audit.json.

    Patients keep images and covariates, and get the genes of another patient of the same stratum: the same levels of
    the categorical covariates in `genes.adjust`. What is done is kept below the run's folder `audit` and not repeated,
    so that an audit may be stopped, or continued with more permutations.

    Args:
      run: a `Run`.
      permutations: how many trainings; 19 are the fewest that reach p = 0.05.
      fold: number of the fold.

    Returns:
      {"fold", "held_out", "permutations", "strata", "null", "statistic", "features": {name: {"largest", "null", "p"}},
      "all": the same over all features, "family_wise_errors": in how many permutations the map's own test called a pair
      at family-wise p < 0.05, "false_hits": pairs with q < `map.fdr` in each}.

    Raises:
      InputError: for fewer than one permutation, no such fold, or strata within which nobody can be exchanged.
    """
    if permutations < 1:
        raise InputError(f"permutations: {permutations}; expected at least 1.")
    if not 0 <= fold < len(run.folds):
        raise InputError(f"fold: {fold}; expected 0 to {len(run.folds) - 1}.")
    names, trained = features.feature_list(run.config), run.folds[fold]
    cells, strata = exchangeable_cells(run, trained)
    judge = _make_judge(run, names)
    observed, folder = judge(trained), run.workdir / "audit" / trained.name
    retrain, null = _make_retraining(run, trained, cells, folder / "training"), []
    for number in range(permutations):
        path = folder / f"permutation_{number:03d}.json"
        if not path.exists():
            logging.info("audit: permutation %d of %d", number + 1, permutations)
            outputs.write_json(path, judge(retrain(number)))
            shutil.rmtree(folder / "training")
        null.append(outputs.read_json(path))
    result = {"fold": fold, "held_out": len(trained.held_out), "permutations": permutations, "strata": strata}
    result |= STATED | summarise_audit(names, observed, null)
    outputs.write_json(run.workdir / "audit.json", result)
    return result


def exchangeable_cells(run, fold):
    """(row arrays within which genes may change places, names of the covariates that make the strata)."""
    table = run.cohort.covariates
    strata = [name for name in run.config.genes.adjust if not pd.api.types.is_numeric_dtype(table[name])]
    labels = table[strata].astype(str).agg("|".join, axis=1).to_numpy() if strata else np.full(len(table), "")
    sides = (fold.training, fold.held_out)
    cells = [rows[labels[rows] == level] for rows in sides for level in np.unique(labels[rows])]
    if max(map(len, cells)) < 2:
        raise InputError(f"genes.adjust: every patient is alone in a stratum of {', '.join(strata)}; expected pairs.")
    return cells, strata


def _make_judge(run, names):
    """A function of a `Fold` that returns what its map finds on the held-out patients; compiled once."""
    gradient = component_gradients(run, names, with_regions=True)  # as the map takes them
    settings = run.config.map
    measured = features.real_features(run.cohort, names).to_numpy()

    def judge(fold):
        rows = fold.held_out
        draws = synthesis.make_draws(run, fold, settings.backgrounds, settings.noises)
        by_component = gradient(fold, rows, draws)[:, : len(names)]
        real, together = features.adjust_by_fold(run, fold, measured, rows), [np.arange(len(rows))]
        mapped = gene_effects.MappedFold(by_component, fold.components, fold.genes, fold.training, rows)
        sides = [rows, np.setdiff1d(np.arange(len(fold.genes)), rows)]
        (evidence,) = test_genes([mapped], real[None], sides, settings.permutations, run.config.seed)
        studentised = statistics.studentised_scores(gene_effects.predict([mapped]), real, together)
        return {
            "largest": studentised.max(axis=0), "family_wise": int((evidence.p_max < FAMILY_WISE).sum()),
            "hits": int((statistics.benjamini_hochberg(evidence.p) < settings.fdr).sum()),
        }

    return judge


def _make_retraining(run, trained, cells, folder):
    """A function of a permutation's number that returns the `Fold` trained on it; compiles with the first."""
    config = run.config.copy_and_resolve_references()
    config.train.replicas = 1
    trainers = []

    def retrain(number):
        trainers[:] = trainers or [make_trainer(config, run.cohort)]
        order = statistics.within_fold_permutations(cells, 1, [config.seed, number])[0]
        cohort = dataclasses.replace(run.cohort, expression=run.cohort.expression[order])
        transform = gene_transform.fit_transform(
            cohort.expression[trained.training], cohort.covariates.iloc[trained.training], cohort.genes, config
        )
        trainer = dataclasses.replace(trainers[0], cohort=cohort, transforms={trained.name: transform})
        workdir = folder / f"permutation_{number:03d}"
        (state,) = loop.train_folds(trainer, [trained.name], workdir)
        transform = folds.stored_transform(workdir / trained.name / "transform", transform, None)
        genes = transform.standardise(cohort.expression, cohort.covariates)
        return Fold(
            name=trained.name, transform=transform, variables=state.ema, genes=genes,
            components=transform.components(genes), training=trained.training, held_out=trained.held_out,
        )

    return retrain


def summarise_audit(names, observed, null):
    """The fields of audit.json that compare {"largest" [F], "family_wise", "hits"} of the run and each permutation."""
    largest = np.array([row["largest"] for row in null])  # [B, F]
    columns = dict(zip(names, zip(observed["largest"], largest.T, strict=True), strict=True))
    columns["all"] = (np.max(observed["largest"]), largest.max(axis=1))
    compared = {
        name: {"largest": float(value), "null": values.tolist(),
               "p": float((1 + (values >= value - 1e-6).sum()) / (1 + len(values)))}
        for name, (value, values) in columns.items()
    }
    return {
        "all": compared.pop("all"), "features": compared,
        "family_wise_errors": sum(row["family_wise"] > 0 for row in null), "false_hits": [row["hits"] for row in null],
    }


def tell(result):
    """What an audit found, in two sentences, from the content of audit.json."""
    count, overall = result["permutations"], result["all"]
    reached = sum(value >= overall["largest"] - 1e-6 for value in overall["null"])
    beyond = [name for name, row in result["features"].items() if max(row["null"]) < row["largest"] - 1e-6]
    strata = f" within strata of {', '.join(result['strata'])}" if result["strata"] else ""
    return (
        f"Trained anew {count} times on fold {result['fold']} with genes and images paired at random{strata}, a "
        f"generator reaches the run's largest studentised score ({overall['largest']:.2f}, {result['held_out']} "
        f"held-out patients) in {reached} (p {overall['p']:.2g}); that of a feature is never reached for: "
        f"{', '.join(beyond) or 'none'}. The map's own test calls a pair at family-wise p < {FAMILY_WISE:g} in "
        f"{result['family_wise_errors']} of {count}; its level allows {FAMILY_WISE * count:.1f}."
    )
