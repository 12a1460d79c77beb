"""The generator suite: ours, the published one and what needs no training, on the same patients, folds and patches.

Every rival makes nodules of the same held-out patients in the same backgrounds, and answers the same questions.
"""

import logging
import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.analysis import (
    control,
    crops,
    direct,
    evaluation,
    features,
    gate,
    intervals,
    likeness,
    rivals,
    synthesis,
)
from radiogenomics.benchmark import training_runs
from radiogenomics.data import window

# Architecture, objective and hyper-parameters of Xu et al. (PMLR 121:857, 2020), as in configs/paper.py.
PUBLISHED = {
    "model.architecture": "published", "model.fusion": "own",
    "model.double_tanh": True, "model.style_after_gate": True,
    "model.code_size": 128, "model.encoder_hidden": 512, "model.noise_size": 10,
    "genes.front_end": "none",
    "train.objective": "published", "train.match_weight": 10.0, "train.image_weight": 8.0, "train.pair_weight": 1.0,
    "train.background_weight": 100.0, "train.beta1": 0.5, "train.beta2": 0.999, "train.clip_norm": 0.0,
    "train.rate_schedule": "constant", "train.component_noise": 0.0, "train.mix_share": 0.0,
    "model.width": 32, "model.discriminator_width": 64,
    "train.generator_rate": 1e-4, "train.discriminator_rate": 1e-4,
    "train.ema_half_life_images": 16 * math.log(0.5) / math.log(0.999),
}
# What smaller patches and hundreds of steps instead of 116,500 ask for.
PUBLISHED_SIZE = 128
BUDGET = {
    "model.width": 8, "model.discriminator_width": 16,
    "train.generator_rate": 4e-4, "train.discriminator_rate": 4e-4, "train.ema_half_life_images": 2000.0,
}
REPAIRED = {"model.double_tanh": False, "model.style_after_gate": False}
MOST_SCALES = 4  # halvings of the patch, as published

TRAINED = {  # rival: what differs from the published method; None for the given configuration itself
    "default": None,
    "published": {},
    "published, repaired": REPAIRED,
}
UNTRAINED = {
    "nearest training patient": rivals.paste_nearest,
    "no-op": rivals.no_op,
    "copy of a training nodule": rivals.copy_training,
}
SPACES = ("radiomic", "random", "trained")
BACKGROUND_MARGIN_MM = 3.0  # of the nodule, within which a soft mask may still blend
COSTS = ("parameters", "seconds_per_step", "training_seconds")


class Measured(NamedTuple):
    """One number of a rival; NaN where there is no interval, no test or nothing to compare with."""

    measure: str
    value: float
    low: float = np.nan  # 95 %, patients resampled within folds
    high: float = np.nan
    p: float = np.nan
    reference: float = np.nan  # gate: best direct predictor; retrieval: chance; realism and masks: real patients


def run_suite(config, out, cohort=None):
    """Trains and scores every rival; writes `generator.csv` and `generator.json` into `out`.

    Runs in `out` that are finished are used again. Returns the table of measures by rivals as text.

    Args:
      config: the configuration of the rival "default"; its `train.steps` is every rival's budget.
      out: folder for the tables, the runs and a phantom's cohort.
      cohort: folder of a prepared cohort; needed where the configuration describes no phantom.

    Raises:
      InputError: where config, cohort and what is in `out` do not belong together.
    """
    with training_runs.compiled_once(out / "compiled"):
        cohort = training_runs.open_cohort(config, out, cohort)
        runs = {}
        for name, changes in TRAINED.items():
            logging.info("rival: %s", name)
            varied = training_runs.vary(config, {} if changes is None else published_method(config, changes))
            runs[name] = training_runs.train_run(varied, cohort, out / training_runs.folder_name(name))
        rows = score_rivals(runs, out)
    frame = pd.DataFrame(rows)
    with outputs.new_file(out / "generator.csv") as aside:
        frame.to_csv(aside, index=False, float_format="%.5g")
    settings = {name: run.config.to_dict() for name, run in runs.items()}
    described = provenance.describe(config, cohort.fingerprint)
    outputs.write_json(out / "generator.json", {"rows": rows, "settings": settings} | described)
    return tabulate(frame)


def published_method(config, changes):
    """Changes of `config` that make it the published method, and `changes` on top.

    On patches smaller than the published ones its networks are reduced. The patch is halved MOST_SCALES times, or as
    often as leaves whole voxels, two at least.
    """
    size = config.data.size
    budget = BUDGET if size < PUBLISHED_SIZE else {}
    fitting = [count for count in range(1, MOST_SCALES + 1) if size % 2**count == 0 and size >= 2 ** (count + 1)]
    # Where nothing fits, the generator itself says so.
    return PUBLISHED | budget | {"model.scales": max(fitting, default=MOST_SCALES)} | changes


def score_rivals(runs, out):
    """Rows {"rival", and the fields of `Measured`} of all rivals.

    Args:
      runs: {rival: `Run`} on one cohort, with the rival "default" among them.
      out: folder for `direct.json`, the predictions of the direct predictors.
    """
    reference = runs["default"]
    names = features.feature_list(reference.config)
    samples = {name: evaluation.sample_held_out(run, names) for name, run in runs.items()}
    samples |= {name: make(reference, names) for name, make in UNTRAINED.items()}
    predictions = training_runs.predict_once(out / "direct.json", reference, names)
    alike = likeness.score_likeness(reference, names, samples)
    rows = []
    for name, made in samples.items():
        measured = measure_control(reference, control.score_control(reference, names, made, predictions), predictions)
        measured += measure_likeness({part: scores[name] for part, scores in alike.items()})
        measured += measure_background(reference, made)
        if name in runs:
            measured += measure_cost(runs[name])
        rows += [{"rival": name} | row._asdict() for row in measured]
    return rows


def measure_control(run, controlled, predictions):
    """`Measured` gate of every feature, mean ratio to the best direct predictor and retrieval."""
    found = controlled["retrieval"]
    return [
        *(
            Measured(f"gate r, {feature}", row["r"], row["r_low"], row["r_high"], row["p"], row["r_best_direct"])
            for feature, row in controlled["gate"].items()
        ),
        Measured("ratio to best direct, mean", *mean_ratio(run, controlled, predictions), reference=1.0),
        *(
            Measured(
                f"retrieval R@{within}", found[f"r_at_{within}"], p=found[f"p_at_{within}"],
                reference=found[f"chance_at_{within}"],
            )
            for within in (1, 5)
        ),
    ]


def mean_ratio(run, controlled, predictions):
    """Mean over features of the gate's r divided by the best direct predictor's: (mean, low, high).

    Features with a planted linear link; without planted truth all features.
    """
    summary = controlled["gate_summary"]
    if summary is not None:
        return tuple(summary[f"linear_mean_ratio{end}"] for end in ("", "_low", "_high"))
    values, folds = controlled["values"], [fold.held_out for fold in run.folds]
    best = direct.best_direct(predictions, values["adjusted"], folds)
    ratios = gate.score_ratios(
        values["adjusted"], values["synthetic"], best.predicted, folds, np.ones(len(values["features"]), bool),
        run.config.evaluate.bootstraps, run.config.seed,
    )
    return ratios["mean"], ratios["mean_low"], ratios["mean_high"]


def measure_likeness(scores):
    """`Measured` realism, masks and memorisation from one rival's parts of `likeness.score_likeness`."""
    realism, mask, memorisation = scores["realism"], scores["mask"], scores["memorisation"]
    measured = []
    for key, label in (("kid", "KID"), ("density", "density"), ("coverage", "coverage")):
        floor = "floor" if key == "kid" else f"{key}_floor"
        measured += [
            Measured(f"{label}, {space}", *_bounded(realism[space], key), reference=realism[space][floor])
            for space in SPACES
        ]
    for key, label in (("frechet", "Frechet distance"), ("hu_wasserstein", "HU distance")):
        measured.append(Measured(label, *(realism[key][name] for name in ("value", "low", "high")),
                                 reference=realism[key]["floor"]))
    return [
        *measured,
        Measured("mask, Dice", *_bounded(mask, "dice"), reference=mask["dice_real"]),
        Measured("memorisation, copies", memorisation["copies"]),
        Measured("memorisation, membership AUC", *_bounded(memorisation, "membership_auc"), reference=0.5),
    ]


def _bounded(scores, key):
    return scores[key], scores[f"{key}_low"], scores[f"{key}_high"]


def measure_background(run, samples):
    """`Measured` changes of the background in HU.

    The largest where the soft mask is 0, which says nothing of a mask that never is; and the patients' mean of the
    absolute change farther than BACKGROUND_MARGIN_MM from the mask cut at 0.5.
    """
    settings, margin = run.config.evaluate, int(np.ceil(BACKGROUND_MARGIN_MM / run.cohort.spacing_mm))
    draws = {fold.name: synthesis.make_draws(run, fold, settings.backgrounds, settings.noises) for fold in run.folds}
    changes = np.full(len(run.cohort.patients), np.nan)
    for sample in samples:
        given = draws[run.fold_of(sample.row).name].background[..., 0]
        apart = np.abs(sample.image_hu - window.to_hu(given, run.config.data.window_hu))
        outside = ~crops.dilate(sample.mask, margin)
        changes[sample.row] = apart[outside].mean() if outside.any() else np.nan
    weights = intervals.patient_weights([fold.held_out for fold in run.folds], settings.bootstraps, run.config.seed)
    mean = intervals.summarise(intervals.mean_of_known(changes, weights), (0.0, np.inf))
    return [
        Measured("background, largest error (HU)", max(sample.background_error_hu for sample in samples)),
        Measured("background, mean change (HU)", *mean, reference=0.0),
    ]


def measure_cost(run):
    """`Measured` size of a run's generator and time of its training."""
    costs = {"parameters": training_runs.count_parameters(run)} | training_runs.training_cost(run.workdir)
    return [Measured(name.replace("_", " "), costs[name]) for name in COSTS]


def tabulate(frame):
    """Measures by rivals, in their order, as text: value, interval and p; empty where a rival has no such number."""
    cells = frame.assign(cell=[_write_cell(row) for row in frame.itertuples()])
    wide = cells.pivot(index="measure", columns="rival", values="cell")
    return wide.reindex(index=frame.measure.unique(), columns=frame.rival.unique()).fillna("")


def _write_cell(row):
    if not np.isfinite(row.value):
        return "-"
    interval = f" ({row.low:.3g} to {row.high:.3g})" if np.isfinite(row.low) else ""
    return f"{row.value:.3g}{interval}" + (f" p={row.p:.2g}" if np.isfinite(row.p) else "")
