"""Evaluation of a run on held-out patients: gene control, realism, masks, memorisation."""

import tqdm

from radiogenomics import outputs, provenance
from radiogenomics.analysis import control, features, gene_code, likeness, rivals, synthesis
from radiogenomics.analysis.samples import measure_sample
from radiogenomics.data import window


def evaluate(run):
    """Evaluates a `Run` and writes evaluation.json and gene_code.csv into its folder.

    Returns the content of evaluation.json (design 4.4).
    """
    names = features.feature_list(run.config)
    samples = sample_held_out(run, names)
    candidates = {"generator": samples, "no-op": rivals.no_op(run, names), "copy": rivals.copy_training(run, names)}
    controlled = control.score_control(run, names, samples)
    result = {
        "patients": list(run.cohort.patients),
        "folds": [[run.cohort.patients[row] for row in fold.held_out] for fold in run.folds],
        "background_max_abs_error_hu": max(sample.background_error_hu for sample in samples),
    } | controlled | likeness.score_likeness(run, names, candidates)
    result["gene_code"] = gene_code.score_gene_code(
        run, names, controlled["values"]["adjusted"], run.config.evaluate.permutations, run.config.seed
    )
    result["provenance"] = provenance.describe(run.config, run.cohort.fingerprint)
    outputs.write_json(run.workdir / "evaluation.json", result)
    return outputs.read_json(run.workdir / "evaluation.json")


def tell(result):
    """What an evaluation found, in a few lines for the terminal, from the content of evaluation.json."""
    supported = sum(row["supported"] for row in result["gate"].values())
    found = result["retrieval"]
    lines = [
        f"{supported} of {len(result['gate'])} features obey the genes of patients never seen (Holm p < 0.05); "
        f"the right patient comes first for {found['r_at_1']:.0%} (chance {found['chance_at_1']:.0%})"
    ]
    summary = result["gate_summary"] or {}
    if summary.get("linear_mean_ratio") is not None:
        lines.append(
            f"planted linear links: {summary['linear_mean_ratio']:.2f} of the best direct predictor's correlation on "
            f"average, least {summary['linear_worst_ratio']:.2f} for {summary['linear_worst_feature']}"
        )
    return lines


def sample_held_out(run, names):
    """A `PatientSample` of every patient, each from the fold that never saw it."""
    samples = []
    with tqdm.tqdm(total=len(run.cohort.patients), desc="synthesis", unit="patient", disable=None) as progress:
        for fold in run.folds:
            draws = synthesis.make_draws(run, fold, run.config.evaluate.backgrounds, run.config.evaluate.noises)
            for row in fold.held_out:
                samples.append(_sample_patient(run, fold, row, draws, names))
                progress.update()
    return samples


def _sample_patient(run, fold, row, draws, names):
    image_hu, soft_mask = synthesis.images_of(run, fold, fold.components[row], draws)
    background_hu = window.to_hu(draws.background[..., 0], run.config.data.window_hu)
    return measure_sample(run, names, row, image_hu, soft_mask, background_hu)
