"""The classical route, as the field does it: cluster genes, measure features on real nodules, correlate.

Two maps come out of it in one dataset: gene-wise Spearman, and the three-step map in which a gene inherits the
correlation of its metagene. Same variables as the generator's map where they apply.
"""

import json
import logging
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray
from scipy import stats

from radiogenomics import provenance
from radiogenomics.analysis import detection, features, metagenes, statistics
from radiogenomics.data import covariates as covariate_models
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


def classical_map(tables, config):
    """Spearman map of genes and of metagenes (`metagenes.find_metagenes`) against image features.

    Genes and features are adjusted for `genes.adjust` first. Null: features are exchangeable among patients given the
    genes; unit: the patient; two-sided. `score` is |Spearman rho|, its sign is that of `association`. With many
    covariates for few patients (above one in ten, which is warned of) adjusted p-values come out somewhat too small.

    Args:
      tables: `Tables`.
      config: the configuration; reads `genes`, `map` and `seed`.

    Returns:
      An `xarray.Dataset` with the variables of design 4.4 that apply, and `three_step_score` [gene, feature]: what the
      gene's metagene has, or on average those that it is in.

    Raises:
      InputError: with fewer than ten patients, or a feature without variation.
    """
    check_tables(tables)
    transform, standardised = gene_transform.standardise_everybody(
        tables.expression.to_numpy(), tables.covariates, list(tables.expression.columns), config
    )
    columns = len(transform.covariates.average) - 1
    if 10 * columns > len(tables.expression):
        logging.warning(
            "%d covariate columns for %d patients: p-values come out too small", columns, len(tables.expression)
        )
    outcomes = _adjusted(tables, transform)
    sd = np.nanstd(outcomes, axis=0)
    by_gene = _evidence(standardised, outcomes, config)
    groups = metagenes.find_metagenes(standardised, list(tables.expression.columns), config)
    scores = standardised @ groups.weights
    by_metagene = _evidence(scores, outcomes, config)
    members = groups.weights > 0
    membership = np.abs(_correlations(standardised, scores)) * members / np.maximum(members.sum(1, keepdims=True), 1)
    dataset = xarray.Dataset(
        {
            "association": (("gene", "feature"), by_gene.score * sd),
            "score": (("gene", "feature"), np.abs(by_gene.score)),
            "p": (("gene", "feature"), by_gene.p),
            "q": (("gene", "feature"), statistics.benjamini_hochberg(by_gene.p)),
            "p_max": (("gene", "feature"), by_gene.p_max),
            # Genes of one metagene would all tie; their correlation with it orders them.
            "three_step_score": (("gene", "feature"), membership @ np.abs(by_metagene.score)),
            "metagene_effect": (("metagene", "feature"), 2.0 * by_metagene.score * sd),
            "metagene_effect_score": (("metagene", "feature"), np.abs(by_metagene.score)),
            "metagene_effect_p": (("metagene", "feature"), by_metagene.p),
            "metagene_effect_q": (("metagene", "feature"), statistics.benjamini_hochberg(by_metagene.p)),
            "metagene_effect_p_max": (("metagene", "feature"), by_metagene.p_max),
            "metagene_loading": (("gene", "metagene"), groups.weights),
            "metagene_stability": ("metagene", groups.stability),
            "feature_value": (("patient", "feature"), outcomes),
        }
    ).astype(np.float32)
    dataset.attrs = detection.describe_limit(by_gene.largest, [np.arange(len(outcomes))])
    return _label(dataset, tables, groups, config)


def check_tables(tables):
    """InputError for too few patients, or a feature that does not vary."""
    if len(tables.expression) < LEAST_PATIENTS:
        raise InputError(
            f"{len(tables.expression)} patients have both expression and features; expected at least {LEAST_PATIENTS}."
        )
    for name, values in tables.features.items():
        if not np.nanstd(values.to_numpy(float)) > 0:
            raise InputError(f"features: '{name}' is the same for every patient; expected a feature that varies.")


def _adjusted(tables, transform):
    """Features [patients, F] less what the covariates explain; missing values stay missing."""
    values = tables.features.to_numpy(float)
    design = transform.covariates.design(tables.covariates)
    known = np.where(np.isfinite(values), values, np.nanmean(values, axis=0))
    return covariate_models.remove_effects(design, covariate_models.fit_effects(design, known), values)


def _evidence(predictors, outcomes, config):
    """Spearman evidence [M, F] of predictors [patients, M] with outcomes [patients, F]; `score` is signed."""
    patients = [np.arange(len(outcomes))]
    ranks = stats.rankdata(predictors, axis=0).astype(np.float32)
    repeated = np.broadcast_to(ranks[:, None], (len(ranks), outcomes.shape[1], ranks.shape[1]))
    outcome_ranks = stats.rankdata(outcomes, axis=0, nan_policy="omit")
    return statistics.permutation_evidence(
        repeated, outcome_ranks, patients, config.map.permutations, config.seed, two_sided=True
    )


def _correlations(a, b):
    """Correlations [n, m] between the columns of [patients, n] and [patients, m]."""
    everybody = [np.arange(len(a))]
    return statistics.standardise_within(a, everybody).T @ statistics.standardise_within(b, everybody)


def _label(dataset, tables, groups, config):
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
    dataset["p"].attrs["units"] = "permutation of patients' features, two-sided"
    dataset.attrs |= {
        "title": "radiogenomic map",
        "route": "classical",
        "adjusted_for": ", ".join(config.genes.adjust),
        "environment": json.dumps(provenance.environment()),
    }
    return dataset


def _described(name):
    """Unit and IBSI code of a feature of ours; empty for a feature of the user's own table."""
    try:
        feature = describe_feature(name)
    except InputError:
        return "", ""
    return feature.unit, feature.ibsi
