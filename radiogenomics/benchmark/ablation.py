"""The ablation suite: what each part of the method is worth, over seeds.

A phantom is simulated anew for it, in two folds, with so many patients that a fold trains on as many as the given
configuration's folds do: two trainings a run instead of five, and more patients held out by them.
"""

import itertools
import logging
from typing import NamedTuple

import numpy as np
import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.analysis import control, evaluation, features, likeness, mapping, recovery
from radiogenomics.benchmark import training_runs
from radiogenomics.benchmark.generator import REPAIRED, mean_ratio, published_method
from radiogenomics.errors import InputError
from radiogenomics.radiomics import resolve


class Variant(NamedTuple):
    """One row of the table."""

    name: str
    question: str
    changes: dict  # {"section.field": value} of the given configuration
    published: bool = False  # whether `changes` are of the published method instead


VARIANTS = (
    # name, question, what differs from the given configuration
    Variant("default", "the given configuration", {}),
    Variant(
        "no adversary", "what do both adversarial losses add to the feature loss?",
        {"train.adversarial_weight": 0.0, "train.match_weight": 0.0},
    ),
    Variant("no gene match", "what does the discriminator's match with the genes add?", {"train.match_weight": 0.0}),
    Variant("no feature loss", "what can adversarial losses learn alone?", {"train.radiomic_weight": 0.0}),
    Variant("no mixed patients", "what do patients mixed from two add?", {"train.mix_share": 0.0}),
    Variant("no gene noise", "what does noise on the genes add?", {"train.component_noise": 0.0}),
    Variant("plain principal components", "must components be rotated to modules?", {"genes.front_end": "pca"}),
    Variant(
        "no front end", "do all genes to the encoder do as well?",
        {"genes.front_end": "none", "model.response": False},
    ),
    Variant("no response surface", "what does it add to the learned code?", {"model.response": False}),
    Variant("no outline", "may the mask start as a ball?", {"model.outline": False}),
    Variant("no grain", "what does white noise offered as texture add?", {"model.grain": 0}),
    Variant("genes at one scale", "must genes enter at every scale?", {"model.gene_scales": 1}),
    Variant("MC-GAN's fusion", "is the fusion of Park et al. 2018 as good?", {"model.fusion": "mcgan"}),
    Variant("bfloat16", "are convolutions in half precision as good?", {"model.dtype": "bfloat16"}),
    Variant("published, repaired", "the published method, two faults mended", REPAIRED, published=True),
)
SPACES = ("radiomic", "random")  # in which likeness is measured; a third would train a network for each run
# Means over patients are wanted here, not intervals and tests of single runs: few draws and resamples do.
MEASURED = {
    "evaluate.backgrounds": 2, "evaluate.noises": 8, "evaluate.permutations": 99, "evaluate.bootstraps": 20,
    "map.backgrounds": 2, "map.noises": 1, "map.metagenes": 2, "map.permutations": 99, "map.bootstraps": 20,
}


def run_suite(config, out, cohort=None, seeds=3, variants=VARIANTS):
    """Trains every variant with every seed; writes `ablation_runs.csv`, `ablation.csv` and `ablation.json` into `out`.

    What is in `out` and finished is used again. Returns the table: mean and SD over seeds as text, a row per variant.

    Args:
      config: the configuration that variants differ from.
      out: folder for the tables, the runs and the phantom.
      cohort: folder of a prepared cohort, with all its folds; needed where the configuration describes no phantom.
      seeds: runs of each variant.
      variants: tuple of `Variant`.

    Raises:
      InputError: for fewer than one seed, or where config, cohort and what is in `out` do not belong together.
    """
    if seeds < 1:
        raise InputError(f"--seeds: {seeds}; expected at least 1.")
    config = training_runs.vary(config, MEASURED)
    with training_runs.compiled_once(out / "compiled"):
        if cohort is None:
            config = split_in_two(config)
        cohort = training_runs.open_cohort(config, out, cohort)
        rows = [
            {"variant": variant.name, "seed": seed} | finish_variant(config, cohort, variant, seed, out)
            for seed, variant in itertools.product(range(seeds), variants)
        ]
    frame = pd.DataFrame(rows).sort_values(["variant", "seed"], key=_order(variants))
    summary = summarise(frame)
    _write_tables(out, frame, summary, variants, provenance.describe(config, cohort.fingerprint))
    return tabulate(summary)


def split_in_two(config):
    """The configuration of a phantom in two folds, each training on as many patients as a fold of the given one."""
    if config.data.source != "phantom":
        return config
    folds = config.data.folds
    training = round(config.phantom.patients * (folds - 1) / folds)
    return training_runs.vary(config, {"data.folds": 2, "phantom.patients": 2 * training})


def vary_by(config, variant, seed, folds):
    """The configuration of one run; `folds` is the cohort's number of folds."""
    changes = published_method(config, variant.changes) if variant.published else variant.changes
    # A fold's seed is the run's plus its number, so that runs must not be neighbours.
    return training_runs.vary(config, changes | {"seed": config.seed + seed * folds})


def finish_variant(config, cohort, variant, seed, out):
    """{measure: value} of one run, from its `scores.json` where that is there, else trained and scored."""
    workdir = out / "runs" / training_runs.folder_name(variant.name) / f"seed_{seed}"
    varied = vary_by(config, variant, seed, len(cohort.folds))
    training_runs.check_run(varied, cohort, workdir)
    if not (workdir / "scores.json").exists():
        logging.info("variant: %s, seed %d", variant.name, seed)
        run = training_runs.train_run(varied, cohort, workdir)
        names = features.feature_list(config)
        predictions = training_runs.predict_once(out / "direct.json", run, names)
        in_loss = resolve(config.train.radiomic_features, config.data.ndim)
        outputs.write_json(workdir / "scores.json", score_run(run, names, predictions, in_loss))
    return outputs.read_json(workdir / "scores.json")


def score_run(run, names, predictions, in_loss):
    """{measure: value} of one run.

    Args:
      run: a `Run`.
      names: features.
      predictions: see `training_runs.predict_once`.
      in_loss: features that the given configuration trains on, whatever the variant does.
    """
    samples = evaluation.sample_held_out(run, names)
    controlled = control.score_control(run, names, samples, predictions)
    patches = likeness.gather_patches(run, names, {"generator": samples})
    realism = likeness.score_spaces(run, *patches, SPACES)
    scores = {"ratio to best direct": mean_ratio(run, controlled, predictions)[0]}
    scores |= summarise_control(controlled, in_loss)
    scores |= {f"KID, {space}": realism[space]["generator"]["kid"] for space in SPACES}
    if run.cohort.truth is not None:
        scores |= score_map(mapping.radiogenomic_map(run), run.cohort.truth)
    return scores | {"seconds per step": training_runs.training_cost(run.workdir)["seconds_per_step"]}


def summarise_control(controlled, in_loss):
    """{measure: value} of gate, retrieval and diversity from `control.score_control`.

    "gate r, linear" is the mean over features with a planted linear link, without planted truth over those `in_loss`;
    "unseen" are features that are not `in_loss`, however linked; "noise diversity" the mean over features of the SD
    over noises to that over a real patient's slices.
    """
    table = controlled["gate"]
    kinds = ("linear", "u", "interaction")
    linked = {kind: [name for name, row in table.items() if row["link"] == kind] for kind in kinds}
    linear = linked["linear"] or [name for name in table if name in in_loss]
    ratios = [row["ratio"] for row in controlled["diversity"].values()]
    return {
        "gate r, linear": _mean([table[name]["r"] for name in linear]),
        **{f"gate r, {name} ({kind})": table[name]["r"] for kind in ("u", "interaction") for name in linked[kind]},
        "gate r, unseen": _mean([row["r"] for name, row in table.items() if name not in in_loss]),
        "retrieval R@1": controlled["retrieval"]["r_at_1"],
        "noise diversity": _mean(ratios),
    }


def _mean(values):
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan


def score_map(dataset, truth):
    """{measure: value}: mean over the planted links of the average precision by evidence and by |association|."""
    rankings = {"AP, score": ("score", dataset),
                "AP, |association|": ("association", dataset.assign(association=abs(dataset["association"])))}
    return {
        label: recovery.score_recovery(ranked, truth, variable)["mean_average_precision"]
        for label, (variable, ranked) in rankings.items()
    }


def summarise(frame):
    """Mean and SD over seeds of every measure: columns (measure, "mean" | "sd"), a row per variant in the given order.

    The SD is the sample's, NaN with one seed.
    """
    measures = [name for name in frame if name not in ("variant", "seed")]
    groups = frame.astype(dict.fromkeys(measures, float)).groupby("variant", sort=False)[measures]
    return groups.agg(["mean", "std"]).rename(columns={"std": "sd"})


def tabulate(summary):
    """The summary as text, "mean ± SD"."""
    cells = {
        measure: [_write_cell(*pair) for pair in zip(summary[measure, "mean"], summary[measure, "sd"], strict=True)]
        for measure in summary.columns.get_level_values(0).unique()
    }
    return pd.DataFrame(cells, index=summary.index)


def _write_cell(mean, sd):
    if not np.isfinite(mean):
        return "-"
    return f"{mean:.3g}" + (f" ± {sd:.2g}" if np.isfinite(sd) else "")


def _order(variants):
    position = {variant.name: number for number, variant in enumerate(variants)}
    return lambda column: column.map(position) if column.name == "variant" else column


def _write_tables(out, frame, summary, variants, described):
    with outputs.new_file(out / "ablation_runs.csv") as aside:
        frame.to_csv(aside, index=False, float_format="%.5g")
    flat = summary.set_axis([f"{measure} ({kind})" for measure, kind in summary.columns], axis=1)
    questions = {variant.name: variant.question for variant in variants}
    flat.insert(0, "question", flat.index.map(questions))
    with outputs.new_file(out / "ablation.csv") as aside:
        flat.to_csv(aside, float_format="%.5g")
    outputs.write_json(
        out / "ablation.json",
        {
            "variants": [variant._asdict() for variant in variants],
            "measured": MEASURED,
            "rows": frame.to_dict("records"),
        } | described,
    )
