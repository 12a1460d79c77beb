"""The classical route, as the field does it: cluster genes, measure features on real nodules, correlate.

Two maps come out of it in one dataset: gene by gene, and the three-step map in which a gene inherits the
correlation of its metagene. Same variables as the generator's map where they apply.
"""

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray

from radiogenomics import provenance
from radiogenomics.analysis import dependence, detection, features, metagenes, statistics
from radiogenomics.data import transform as gene_transform
from radiogenomics.errors import InputError
from radiogenomics.radiomics import describe_feature

LEAST_PATIENTS = 10  # with both, for ranks to mean anything


class Tables(NamedTuple):
    """What the classical route needs: rows are patients in the same order everywhere."""

    expression: pd.DataFrame  # [patients, G] as published, NaN = not detected
    features: pd.DataFrame  # [patients, F]
    covariates: pd.DataFrame  # [patients, Q]


def tables_of_cohort(cohort, config):
    """The tables of a cohort, features measured exactly on its real nodules."""
    return Tables(
        pd.DataFrame(cohort.expression, index=list(cohort.patients), columns=list(cohort.genes)),
        features.real_features(cohort, features.feature_list(config)),
        cohort.covariates,
    )


def classical_map(tables, config, statistic="spearman"):
    """Map of genes and of metagenes (`metagenes.find_metagenes`) against image features, adjusted for `genes.adjust`.

    "spearman" and "distance" (`dependence`) act on genes and features less what the covariates explain of them; with
    many covariates for few patients (above one in ten, which is warned of) their adjusted p-values come out somewhat
    too small. "partial_spearman" frees ranks of the covariates instead, and its permutations too.
    `score` is |rho|, or the distance correlation; the sign of `association` is that of rho with all of them.

    Args:
      tables: `Tables`.
      config: the configuration; reads `genes`, `map` and `seed`.
      statistic: one of `dependence.STATISTICS`.

    Returns:
      An `xarray.Dataset` with the variables of design 4.4 that apply, and `three_step_score` [gene, feature]: what the
      gene's metagene has, or on average those that it is in.

    Raises:
      InputError: for an unknown statistic, fewer than ten patients, a feature without variation, or no gene.
    """
    check_tables(tables)
    if statistic not in dependence.STATISTICS:
        raise InputError(f"statistic: '{statistic}'; expected one of {', '.join(dependence.STATISTICS)}.")
    transform, standardised = _standardise(tables, config)
    design = transform.covariates.design(tables.covariates)
    if 10 * (design.shape[1] - 1) > len(design) and statistic != "partial_spearman":
        logging.warning("%d covariate columns for %d patients: p-values come out too small", design.shape[1] - 1,
                        len(design))
    outcomes = _adjusted(tables, design)
    groups = metagenes.find_metagenes(standardised, list(tables.expression.columns), config)
    predictors, targets = standardised, outcomes
    if statistic == "partial_spearman":
        plain = config.copy_and_resolve_references()
        plain.genes.adjust = ()
        predictors, targets = _standardise(tables, plain)[1], tables.features.to_numpy(float)
    by_gene, by_metagene = (
        dependence.STATISTICS[statistic](values, targets, design, config.map.permutations, config.seed)
        for values in (predictors, predictors @ groups.weights)
    )
    members = groups.weights > 0
    correlations = np.abs(_correlations(standardised, standardised @ groups.weights))
    membership = correlations * members / np.maximum(members.sum(axis=1, keepdims=True), 1)
    dataset = _dataset(by_gene, by_metagene, membership, groups, outcomes)
    if statistic != "distance":  # Its threshold is not one of a correlation.
        dataset.attrs = detection.describe_limit(by_gene.largest, [_free_patients(outcomes, design)])
    return _label(dataset, tables, groups, config, statistic)


def _free_patients(outcomes, design):
    """Patients that know the least known feature, less one for each covariate column."""
    return int(np.isfinite(outcomes).sum(axis=0).min()) - (design.shape[1] - 1)


def _standardise(tables, config):
    return gene_transform.standardise_everybody(
        tables.expression.to_numpy(), tables.covariates, list(tables.expression.columns), config
    )


def _dataset(by_gene, by_metagene, membership, groups, outcomes):
    """The map's variables without names."""
    sd = np.nanstd(outcomes, axis=0)
    pair, group = ("gene", "feature"), ("metagene", "feature")
    return xarray.Dataset(
        {
            "association": (pair, by_gene.direction * sd),
            "score": (pair, by_gene.score),
            "p": (pair, by_gene.p),
            "q": (pair, statistics.benjamini_hochberg(by_gene.p)),
            "p_max": (pair, by_gene.p_max),
            # Genes of one metagene would all tie; their correlation with it orders them.
            "three_step_score": (pair, membership @ by_metagene.score),
            "metagene_effect": (group, 2.0 * by_metagene.direction * sd),
            "metagene_effect_score": (group, by_metagene.score),
            "metagene_effect_p": (group, by_metagene.p),
            "metagene_effect_q": (group, statistics.benjamini_hochberg(by_metagene.p)),
            "metagene_effect_p_max": (group, by_metagene.p_max),
            "metagene_loading": (("gene", "metagene"), groups.weights),
            "metagene_stability": ("metagene", groups.stability),
            "feature_value": (("patient", "feature"), outcomes),
        }
    ).astype(np.float32)


def check_tables(tables):
    """InputError for too few patients, no gene, or a feature that does not vary."""
    if len(tables.expression) < LEAST_PATIENTS:
        raise InputError(
            f"{len(tables.expression)} patients have both expression and features; expected at least {LEAST_PATIENTS}."
        )
    if tables.expression.columns.empty:
        raise InputError("expression: no gene is detected in enough patients (genes.min_detection); expected some.")
    for name, values in tables.features.items():
        if not np.nanstd(values.to_numpy(float)) > 0:
            raise InputError(f"features: '{name}' is the same for every patient; expected a feature that varies.")


def _adjusted(tables, design):
    """Features [patients, F] less what the design explains; missing values stay missing.

    One that the covariates explain altogether becomes zero: ranks would make something of its rounding errors.
    """
    values = tables.features.to_numpy(float)
    adjusted = features.adjust_rows(design, values, *[np.arange(len(values))] * 2)
    explained = np.nanstd(adjusted, axis=0) < 1e-6 * np.nanstd(values, axis=0)
    if explained.any():
        names = ", ".join(tables.features.columns[explained])
        logging.warning("features that the covariates explain altogether: %s", names)
    return np.where(explained & np.isfinite(adjusted), 0.0, adjusted)


def _correlations(a, b):
    """Correlations [n, m] between the columns of [patients, n] and [patients, m]."""
    everybody = [np.arange(len(a))]
    return statistics.standardise_within(a, everybody).T @ statistics.standardise_within(b, everybody)


def _label(dataset, tables, groups, config, statistic):
    names = list(tables.features.columns)
    described = [_described(name) for name in names]
    dataset = dataset.assign_coords(
        gene=list(tables.expression.columns),
        feature=names,
        metagene=list(groups.names),
        patient=[str(name) for name in tables.expression.index],
        unit=("feature", [unit for unit, _ in described]),
        ibsi=("feature", [code for _, code in described]),
    )
    dataset["association"].attrs["units"] = "feature unit per gene SD (rho times the feature's SD)"
    sides = "one-sided" if statistic == "distance" else "two-sided"
    dataset["p"].attrs["units"] = f"permutation of patients' features, {sides}"
    dataset.attrs |= {
        "title": "radiogenomic map",
        "route": "classical",
        "statistic": statistic,
        "adjusted_for": ", ".join(config.genes.adjust),
    } | provenance.attributes(config, "unknown")  # Arrays have none; who reads files writes it.
    return dataset


def _described(name):
    """Unit and IBSI code of a feature of ours; empty for a feature of the user's own table."""
    try:
        feature = describe_feature(name)
    except InputError:
        return "", ""
    return feature.unit, feature.ibsi
