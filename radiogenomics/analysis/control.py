"""Do the genes control the nodule? Gate, retrieval, variance shares and diversity of anybody's samples (design 5.5)."""

import logging

import numpy as np

from radiogenomics.analysis import direct, features, gate, sensitivity
from radiogenomics.analysis.statistics import cross_fitted_correlation
from radiogenomics.models.response import expect_features
from radiogenomics.radiomics import resolve


def score_control(run, names, samples, predictions=None):
    """The parts of evaluation.json that ask what controls the synthesised features.

    Args:
      run: a `Run`.
      names: features of the samples.
      samples: a list of `PatientSample`, by the generator or a rival; patients without one count as unknown.
      predictions: what `direct.predict_directly` gives, where it is at hand; it does not depend on the samples.

    Returns:
      {"gate", "gate_summary", "retrieval", "values", "sensitivity", "diversity"} of design 4.4. Sensitivity and
      diversity are NaN where the draws are not those of `synthesis.make_draws`, backgrounds by noises.
    """
    settings, seed = run.config.evaluate, run.config.seed
    folds = [fold.held_out for fold in run.folds]
    patches, _ = features.real_patches(run.cohort, names)
    real = features.patient_means(run.cohort, patches, names).to_numpy()
    adjusted = features.adjust_features(run, real)
    synthetic = np.full(real.shape, np.nan)
    for sample in samples:
        synthetic[sample.row] = features.mean_of_known(sample.features)
    if predictions is None:
        logging.info("evaluation: direct predictors of %d features", len(names))
        predictions = direct.predict_directly(run, real, seed)
    table, summary = score_features(run, names, real, adjusted, synthetic, predictions)
    draws = _cross_draws(run, samples)
    return {
        "gate": table,
        "gate_summary": summary,
        "retrieval": gate.retrieval(adjusted, synthetic, folds, min(settings.permutations, 999), seed),
        "values": {"features": list(names), "real": real, "adjusted": adjusted, "synthetic": synthetic},
        "sensitivity": _by_feature(names, sensitivity.share_variance(draws, folds)),
        "diversity": _by_feature(names, sensitivity.measure_diversity(draws, patches, run.cohort.nodules.patient)),
    }


def score_features(run, names, real, adjusted, synthetic, predictions):
    """("gate", "gate_summary") of design 4.4, on covariate-adjusted features.

    Args:
      run: a `Run`.
      names: [F].
      real, adjusted, synthetic: [patients, F].
      predictions: {method: [patients, F]} of the direct predictors.
    """
    settings, seed = run.config.evaluate, run.config.seed
    folds = [fold.held_out for fold in run.folds]
    best = direct.best_direct(predictions, adjusted, folds)
    kinds = {link["feature"]: link["kind"] for link in (run.cohort.truth or {}).get("links", ())}
    links = [kinds.get(name) for name in names]
    ratios = gate.score_ratios(
        adjusted, synthetic, best.predicted, folds, np.array([kind == "linear" for kind in links]),
        settings.bootstraps, seed,
    )
    mean = {name: ratios.pop(name) for name in ("mean", "mean_low", "mean_high")}
    table = gate.score_gate(adjusted, synthetic, folds, settings.permutations, settings.bootstraps, seed)
    table |= ratios | {
        "r_unadjusted": cross_fitted_correlation(synthetic, real, folds),
        "r_best_direct": best.r,
        "best_direct": best.method,
        "r_direct": best.r_by_method,
        "r_response": correlate_response(run, names, adjusted, folds),
        "ceiling": find_ceilings(run.cohort, names, adjusted, folds),
        "link": links,
        "in_loss": np.isin(names, resolve(run.config.train.radiomic_features, run.config.data.ndim)),
    }
    table = _by_feature(names, table)
    return table, summarise_gate(table, mean) if kinds else None


def correlate_response(run, names, adjusted, folds):
    """Correlation [F] of features [patients, F] with what the code's response surface expects; NaN where it has none.

    What the networks were told about the genes, and what they lose or add in drawing it.
    """
    surfaced = list(resolve(run.config.train.radiomic_features, run.config.data.ndim))
    expected = np.full(adjusted.shape, np.nan)
    columns = [names.index(name) for name in surfaced if name in names]
    for fold in run.folds:
        if "response" in fold.variables:
            values = expect_features(fold.variables["response"]["encoder"]["surface"], fold.components[fold.held_out])
            kept = [surfaced.index(names[column]) for column in columns]
            expected[np.ix_(fold.held_out, columns)] = np.asarray(values)[:, kept]
    known = np.isfinite(expected).any(axis=0)
    return np.where(known, cross_fitted_correlation(expected, adjusted, folds), np.nan)


def find_ceilings(cohort, names, adjusted, folds):
    """Correlation [F] of each feature with the planted gene-driven signal behind it; NaN without a planted link."""
    ceilings = np.full(len(names), np.nan)
    for link in (cohort.truth or {}).get("links", ()):
        if link["feature"] in names:
            column = names.index(link["feature"])
            signal = np.array([cohort.truth["signals"][patient][link["factor"]] for patient in cohort.patients])
            ceilings[column] = abs(cross_fitted_correlation(signal, adjusted[:, column], folds))
    return ceilings


def summarise_gate(table, mean):
    """"gate_summary" of evaluation.json from its "gate" and the mean ratio of the linearly linked features.

    Args:
      table: {feature: row}.
      mean: {"mean", "mean_low", "mean_high"} of `gate.score_ratios`.
    """
    linear = {name: row["ratio"] for name, row in table.items() if row["link"] == "linear"}
    known = {name: ratio for name, ratio in linear.items() if np.isfinite(ratio)}
    worst = min(known, key=known.get) if known else None
    both = {name: {key: row[key] for key in ("r", "r_best_direct")} for name, row in table.items()}
    return {
        "linear_mean_ratio": mean["mean"],
        "linear_mean_ratio_low": mean["mean_low"],
        "linear_mean_ratio_high": mean["mean_high"],
        "linear_worst_ratio": known.get(worst),
        "linear_worst_feature": worst,
        "nonlinear": {name: both[name] for name, row in table.items() if row["link"] in ("u", "interaction")},
        "unseen": {name: both[name] for name, row in table.items() if not row["in_loss"]},
    }


def _cross_draws(run, samples):
    """Features [patients, B, N, F]; a single unknown draw where the samples have another number of draws."""
    settings, patients = run.config.evaluate, len(run.cohort.patients)
    if all(len(sample.features) == settings.backgrounds * settings.noises for sample in samples):
        return sensitivity.cross_draws(samples, patients, settings.backgrounds, settings.noises)
    return np.full((patients, 1, 1, samples[0].features.shape[1]), np.nan)


def _by_feature(names, columns):
    """{feature: {key: value}} from {key: values of the features}."""
    return {name: {key: values[column] for key, values in columns.items()} for column, name in enumerate(names)}
