"""Evaluation of a run on held-out patients: gene control, realism, masks, memorisation."""

import logging
from typing import NamedTuple

import numpy as np
import tqdm

from radiogenomics import outputs
from radiogenomics.analysis import direct, features, gate, memorisation, realism, synthesis
from radiogenomics.analysis.statistics import cross_fitted_correlation
from radiogenomics.data import window
from radiogenomics.radiomics import exact_table, resolve

HU_SAMPLE = 20_000  # voxels a side for the intensity distance


class PatientSample(NamedTuple):
    """Synthesised nodules of one held-out patient, D draws."""

    row: int
    image_hu: np.ndarray  # [D, *S]
    mask: np.ndarray  # [D, *S] bool
    features: np.ndarray  # [D, F] exact, NaN where undefined
    background_error_hu: float  # largest change outside the mask


def evaluate(run):
    """Evaluates a `Run` and writes `evaluation.json` into its folder; returns what it wrote (design 4.4, 4.5)."""
    names = features.feature_list(run.config)
    folds = [fold.held_out for fold in run.folds]
    real = features.real_features(run.cohort, names).to_numpy()
    adjusted = features.adjust_features(run, real)
    samples = sample_held_out(run, names)
    synthetic = np.full(real.shape, np.nan)
    for sample in samples:
        synthetic[sample.row] = features.mean_of_known(sample.features)
    logging.info("evaluation: gate and direct predictors of %d features", len(names))
    result = {
        "patients": list(run.cohort.patients),
        "folds": [[run.cohort.patients[row] for row in rows] for rows in folds],
        "gate": gate_table(run, names, folds, real, adjusted, synthetic),
        "values": {"features": list(names), "real": real, "adjusted": adjusted, "synthetic": synthetic},
        "retrieval": gate.retrieval(
            adjusted, synthetic, folds, min(run.config.evaluate.permutations, 999), run.config.seed
        ),
        "realism": score_realism(run, names, samples),
        "mask": score_masks(run, samples),
        "memorisation": audit_memorisation(run, samples),
        "background_max_abs_error_hu": max(sample.background_error_hu for sample in samples),
    }
    outputs.write_json(run.workdir / "evaluation.json", result)
    return outputs.read_json(run.workdir / "evaluation.json")


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
    mask = soft_mask >= 0.5
    values, _ = exact_table(image_hu, mask, run.cohort.spacing_mm, names, [run.cohort.patients[row]] * len(mask))
    outside = soft_mask == 0
    return PatientSample(row, image_hu, mask, values, float(np.abs(image_hu - background_hu)[outside].max(initial=0)))


def gate_table(run, names, folds, real, adjusted, synthetic):
    """{feature: {"r", "r_low", ..., "supported"}} of design 4.4, on covariate-adjusted features."""
    settings, seed = run.config.evaluate, run.config.seed
    table = gate.score_gate(adjusted, synthetic, folds, settings.permutations, settings.bootstraps, seed)
    table["r_unadjusted"] = cross_fitted_correlation(synthetic, real, folds)
    table["r_best_direct"], table["best_direct"], table["r_direct"] = direct.best_direct(
        run, real, adjusted, folds, seed
    )
    table["ceiling"] = _ceilings(run.cohort, names, adjusted, folds)
    trained = resolve(run.config.train.radiomic_features, run.config.data.ndim)
    table["in_loss"] = [name in trained for name in names]
    return {name: {key: values[column] for key, values in table.items()} for column, name in enumerate(names)}


def _ceilings(cohort, names, adjusted, folds):
    """Correlation of each feature with the planted gene-driven signal behind it; NaN without a planted link."""
    ceilings = np.full(len(names), np.nan)
    for link in (cohort.truth or {}).get("links", ()):
        if link["feature"] in names:
            column = names.index(link["feature"])
            signal = np.array([cohort.truth["signals"][patient][link["factor"]] for patient in cohort.patients])
            ceilings[column] = abs(cross_fitted_correlation(signal, adjusted[:, column], folds))
    return ceilings


def score_realism(run, names, samples):
    """Distances between synthesised and real nodules; synthesised ones come from genes their fold never saw."""
    real, _ = features.real_patches(run.cohort, names)
    owners = np.concatenate([[sample.row] * len(sample.features) for sample in samples])
    values = np.concatenate([sample.features for sample in samples])
    generator = np.random.default_rng(run.config.seed)
    real_hu = run.cohort.nodules.image_hu[run.cohort.nodules.mask > 0]
    synthetic_hu = np.concatenate([sample.image_hu[sample.mask] for sample in samples])
    return {
        "radiomic": realism.radiomic_distance(
            real, run.cohort.nodules.patient, values, owners, min(run.config.evaluate.bootstraps, 200), run.config.seed
        ),
        "hu_wasserstein": realism.hu_distance(
            generator.choice(real_hu, HU_SAMPLE), generator.choice(synthetic_hu, HU_SAMPLE)
        ) if len(synthetic_hu) else None,
        "sd_between_patients": {
            name: {"real": between_real, "synthetic": between_synthetic}
            for name, between_real, between_synthetic in zip(
                names,
                _between(real, run.cohort.nodules.patient),
                _between(values, owners),
                strict=True,
            )
        },
    }


def _between(values, owners):
    """SD [F] over patients of the patients' means."""
    means = np.array([features.mean_of_known(values[owners == owner]) for owner in np.unique(owners)])
    return np.nanstd(means, axis=0)


def score_masks(run, samples):
    """How synthesised masks agree with an independent segmentation of the image, beside real masks with theirs."""
    synthetic = [
        realism.mask_agreement(image, mask)
        for sample in samples
        for image, mask in zip(sample.image_hu, sample.mask, strict=True)
    ]
    nodules = run.cohort.nodules
    real = [realism.mask_agreement(image, mask > 0) for image, mask in zip(nodules.image_hu, nodules.mask, strict=True)]
    return {
        "dice_synthetic": float(np.mean(synthetic)),
        "dice_real": float(np.mean(real)),
        "empty_share": float(np.mean([not mask.any() for sample in samples for mask in sample.mask])),
        "area_share_synthetic": float(np.mean([sample.mask.mean() for sample in samples])),
        "area_share_real": float(nodules.mask.mean()),
    }


def audit_memorisation(run, samples):
    """The audit of each fold's held-out patients against its training patients, averaged over folds."""
    nodules = run.cohort.nodules
    vectors = memorisation.nodule_vectors(nodules.image_hu, nodules.mask > 0)
    by_row = {sample.row: memorisation.nodule_vectors(sample.image_hu, sample.mask) for sample in samples}
    audits = [
        memorisation.audit(
            np.concatenate([by_row[row] for row in fold.held_out]),
            vectors[np.isin(nodules.patient, fold.held_out)],
            vectors[np.isin(nodules.patient, fold.training)],
        )
        for fold in run.folds
    ]
    return {key: float(np.mean([audit[key] for audit in audits])) for key in audits[0]}
