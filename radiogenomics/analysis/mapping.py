"""The radiogenomic map of a run: which gene moves which image feature, by how much, where and how surely (design 5).

    dataset = radiogenomic_map(run)              # everybody, all genes, the features of the config
    dataset["association"].sel(gene="EGFR")
    dataset, predictions = map_with_predictions(run)    # and what it was tested with, for gene sets

Beside the variables of design 4.4, all [gene, feature]:

| variable | meaning |
|---|---|
| `score_unadjusted`, `p_unadjusted` | evidence with the real features as measured; the genes stay residualised |
| `score_range_low`, `score_range_high` | smallest and largest score when one site or sequencing batch is left out |

Attributes: `family_wise_threshold`, the score that 5 % of permutations exceed somewhere in the table, and
`smallest_certifiable_correlation`, which passes it with 80 % power.
"""

import difflib
import json
import logging
from typing import NamedTuple

import numpy as np
import tqdm
import xarray

from radiogenomics import provenance
from radiogenomics.analysis import (
    association,
    confounders,
    detection,
    features,
    gene_permutation,
    jacobian,
    metagenes,
    statistics,
    synthesis,
)
from radiogenomics.data import transform as gene_transform
from radiogenomics.errors import InputError
from radiogenomics.radiomics import describe_feature, resolve


class Predictions(NamedTuple):
    """What a map's evidence on genes compares, patient by patient; patients are in the map's order."""

    predicted: np.ndarray  # [patients, F, G] association times the patient's gene
    real: np.ndarray  # [patients, F] real features less what the covariates explain, NaN where unknown
    folds: list  # of row arrays: who was held out together
    genes: tuple  # [G] symbols
    features: tuple  # [F]
    supported: np.ndarray  # [F] the gate's verdict
    tested: list  # of `gene_permutation.TestedFold`, what the genes' p-values were made from


def radiogenomic_map(run, gate=None, patients=None, genes=None, feature_list=None, weights=None):
    """Computes the map on held-out patients.

    Args:
      run: a `Run`.
      gate: the "gate" table of its evaluation.json; without it nothing is stamped as supported.
      patients: ids to map; all by default. Evidence (score, p, q) is over these patients.
      genes: symbols to report; all by default. p_max and q are over these genes.
      feature_list: feature names; those of the config by default.
      weights: metagene weights [G, M] over all genes; those of `map.metagene_method` by default.

    Returns:
      An `xarray.Dataset` with the variables of design 4.4.

    Raises:
      InputError: for an unknown patient, gene or feature, or fewer than three mapped patients in every fold.
    """
    return map_with_predictions(run, gate, patients, genes, feature_list, weights)[0]


def map_with_predictions(run, gate=None, patients=None, genes=None, feature_list=None, weights=None):
    """The map and the `Predictions` behind its scores; arguments and errors as `radiogenomic_map`.

    Predictions take 4 bytes per patient, feature and gene: 24 MB for 130 patients, 9 features and 5,172 genes.
    """
    names = tuple(resolve(feature_list or run.config.map.features, run.config.data.ndim))
    columns = gene_columns(run.cohort.genes, genes)
    folds = _mapped_rows(run, patients)
    rows = np.concatenate([mapped for _, mapped in folds])
    positions = np.split(np.arange(len(rows)), np.cumsum([len(mapped) for _, mapped in folds])[:-1])
    groups = choose_metagenes(run, weights)
    measured = features.real_features(run.cohort, names).to_numpy()
    real = features.adjust_features(run, measured)[rows]
    # Made once for all folds, so that they compile once.
    gradient = jacobian.feature_sensitivity(synthesis.mean_features(run, names))
    measure = synthesis.measured_images(run, names)
    parts = [_map_fold(run, fold, mapped, groups.weights, columns, gradient, measure) for fold, mapped in folds]
    by_gene, (effects,) = (_stack(parts, key) for key in ("gene", "effect"))
    tested = _tested(folds, parts, [fold.genes[:, columns] for fold, _ in folds])
    evidence, unadjusted = _test(run, tested, np.stack([real, measured[rows]]))
    dataset = _gene_table(run, by_gene, evidence, positions)
    dataset.update(confounders.confounder_table(run, unadjusted, by_gene[2], real, rows, positions))
    by_scores = _tested(folds, parts, [association.metagene_scores(fold, groups.weights) for fold, _ in folds])
    dataset.update(_metagene_table(run, effects, _test(run, by_scores, real[None])[0], positions))
    dataset["metagene_loading"] = (("gene", "metagene"), groups.weights[columns])
    dataset["metagene_stability"] = ("metagene", groups.stability.astype(np.float32))
    dataset["pixel_effect"], dataset["pixel_mask_effect"] = _pixel_maps(parts)
    dataset["feature_value"] = (("patient", "feature"), real.astype(np.float32))
    _stamp(dataset, names, gate)
    dataset = _label(run, dataset, names, columns, rows, groups)
    symbols, supported = tuple(map(str, dataset["gene"].values)), dataset["supported"].values
    return dataset, Predictions(by_gene[2], real, positions, symbols, names, supported, tested)


def gene_columns(known, genes):
    """Column numbers of gene symbols (all for None); InputError names an unknown one and its nearest relatives."""
    if genes is None:
        return np.arange(len(known))
    position = {gene: column for column, gene in enumerate(known)}
    for gene in genes:
        if gene not in position:
            near = ", ".join(difflib.get_close_matches(gene, known, 3)) or "none"
            raise InputError(f"genes: '{gene}' is not among the run's {len(known)} genes; nearest symbols: {near}.")
    return np.array([position[gene] for gene in genes], int)


def choose_metagenes(run, weights=None):
    """The `Metagenes` given as such or as weights [G, M], those of the cohort by default; InputError for a shape that
    does not fit the genes."""
    if weights is None:
        return cohort_metagenes(run)
    named = isinstance(weights, metagenes.Metagenes)
    values, count = np.asarray(weights.weights if named else weights), len(run.cohort.genes)
    if values.ndim != 2 or len(values) != count:
        raise InputError(f"weights: shape {values.shape}; expected ({count}, metagenes).")
    return weights if named else metagenes.name_metagenes(values)


def cohort_metagenes(run):
    """`Metagenes` of everybody's expression: no image is looked at, so no fold is needed."""
    cohort = run.cohort
    _, standardised = gene_transform.standardise_everybody(
        cohort.expression, cohort.covariates, cohort.genes, run.config
    )
    return metagenes.find_metagenes(standardised, cohort.genes, run.config)


def _mapped_rows(run, patients):
    """[(fold, held-out rows to map)]; a fold with fewer than three of the patients can show no correlation."""
    wanted = run.cohort.indices(patients) if patients is not None else np.arange(len(run.cohort.patients))
    folds = [(fold, fold.held_out[np.isin(fold.held_out, wanted)]) for fold in run.folds]
    used = [(fold, rows) for fold, rows in folds if len(rows) >= 3]
    if not used:
        raise InputError(f"patients: {len(wanted)} given, at most two in any fold; a map needs three or more.")
    left_out = len(wanted) - sum(len(rows) for _, rows in used)
    if left_out:
        logging.warning("map: %d patients left out; fewer than three of those asked for in their fold", left_out)
    return used


def _map_fold(run, fold, rows, weights, columns, gradient, measure):
    """Per-patient quantities of one fold's held-out patients: arrays [patients, F, ...] keyed by what they hold."""
    draws = synthesis.make_draws(run, fold, run.config.map.backgrounds, run.config.map.noises)
    # One compiled call a patient: on a CPU a compiled loop over patients is several times slower.
    by_component = np.stack([gradient(fold.variables, fold.components[row], draws) for row in rows])
    associated = association.gene_association(by_component, fold)[..., columns]
    effects, image, mask = perturb_metagenes(fold, rows, weights, draws, measure)
    return {
        "gene": (
            association.gene_sensitivity(by_component, fold)[..., columns],
            associated,
            associated * fold.genes[rows][:, None, columns],
        ),
        "gradient": by_component,
        "effect": (effects,),
        "pixel": (image, mask, len(rows)),
    }


def perturb_metagenes(fold, rows, weights, draws, measure):
    """Moves each metagene from -1 to +1 SD with what moves with it; same backgrounds, same noises (design 5.4).

    `measure` is `synthesis.measured_images`.

    Returns:
      Effects [patients, F, M] in feature units over the two SDs, and the mean change per SD of the image [M, *S] in HU
      and of the mask [M, *S].
    """
    direction = association.metagene_direction(fold, weights)  # [K, M]
    scores = association.metagene_scores(fold, weights)[rows]  # [patients, M]
    effects, image, mask = [], 0.0, 0.0
    for row, start in zip(tqdm.tqdm(rows, desc=f"{fold.name} metagenes", disable=None), scores, strict=True):
        low, high = (
            synthesis.measure_in_groups(measure, fold, fold.components[row] + ((end - start) * direction).T, draws)
            for end in (-1.0, 1.0)
        )
        effects.append((high[0] - low[0]).T)
        image = image + (high[1] - low[1]) / (2.0 * len(rows))
        mask = mask + (high[2] - low[2]) / (2.0 * len(rows))
    return np.stack(effects), image, mask


def _stack(parts, key):
    return [np.concatenate(arrays) for arrays in zip(*(part[key] for part in parts), strict=True)]


def _tested(folds, parts, values):
    """`TestedFold`s; `values` are of every fold the genes, or scores of metagenes, of all patients of the cohort."""
    return [
        gene_permutation.TestedFold(part["gradient"], fold.components, genes, fold.training, rows)
        for (fold, rows), part, genes in zip(folds, parts, values, strict=True)
    ]


def _test(run, tested, outcomes):
    """`Evidence` of the `TestedFold`s for each version of the features [C, patients, F]."""
    groups = [fold.held_out for fold in run.folds]
    return gene_permutation.test_genes(tested, outcomes, groups, run.config.map.permutations, run.config.seed)


def _gene_table(run, by_gene, evidence, positions):
    """Gene x feature variables from per-patient arrays [patients, F, G]."""
    settings, seed = run.config.map, run.config.seed
    sensitivity, associated, _ = by_gene
    error = _bootstrap_error(associated, positions, settings.bootstraps, seed)
    table = {
        "sensitivity": sensitivity.mean(axis=0).T,
        "association": associated.mean(axis=0).T,
        "strength": np.sqrt(np.square(associated).mean(axis=0)).T,
        "heterogeneity": associated.std(axis=0).T,
        "se": error.T,
        "score": evidence.score,
        "p": evidence.p,
        "q": statistics.benjamini_hochberg(evidence.p),
        "p_max": evidence.p_max,
    }
    limit = detection.describe_limit(evidence.largest, [len(rows) for rows in positions])
    return _dataset(table, ("gene", "feature")).assign_attrs(limit)


def _metagene_table(run, effects, evidence, positions):
    """Metagene x feature variables; `metagene_p` tests the derivative times the patient's metagene as for genes."""
    settings, seed = run.config.map, run.config.seed
    table = {
        "metagene_effect": effects.mean(axis=0).T,
        "metagene_effect_se": _bootstrap_error(effects, positions, settings.bootstraps, seed).T,
        "metagene_effect_score": evidence.score,
        "metagene_effect_p": evidence.p,
        "metagene_effect_q": statistics.benjamini_hochberg(evidence.p),
        "metagene_effect_p_max": evidence.p_max,
    }
    return _dataset(table, ("metagene", "feature"))


def _dataset(table, dims):
    return xarray.Dataset({name: (dims, values.astype(np.float32)) for name, values in table.items()})


def _bootstrap_error(values, positions, bootstraps, seed):
    """Patient-bootstrap standard error [F, ...] of the mean of values [patients, F, ...]."""
    weights = statistics.bootstrap_weights(positions, bootstraps, seed)
    return np.stack([(weights @ values[:, feature]).std(axis=0) for feature in range(values.shape[1])])


def _pixel_maps(parts):
    count = np.array([part["pixel"][2] for part in parts])
    axes = ("metagene", *("zyx"[-(parts[0]["pixel"][0].ndim - 1):]))
    return [
        (axes, np.average([part["pixel"][index] for part in parts], axis=0, weights=count).astype(np.float32))
        for index in (0, 1)
    ]


def _stamp(dataset, names, gate):
    """Adds the gate's verdict per feature; without a gate nothing is supported."""
    rows = [(gate or {}).get(name, {}) for name in names]
    dataset["gate_r"] = ("feature", np.array([row.get("r", np.nan) for row in rows], float))
    dataset["gate_p"] = ("feature", np.array([row.get("p_holm", np.nan) for row in rows], float))
    dataset["supported"] = ("feature", np.array([bool(row.get("supported", False)) for row in rows]))


def _label(run, dataset, names, columns, rows, groups):
    """Coordinates, units and provenance."""
    dataset = dataset.assign_coords(
        gene=[run.cohort.genes[column] for column in columns],
        feature=list(names),
        metagene=list(groups.names),
        patient=[run.cohort.patients[row] for row in rows],
        unit=("feature", [describe_feature(name).unit for name in names]),
        ibsi=("feature", [describe_feature(name).ibsi for name in names]),
    )
    units = {
        "sensitivity": "feature unit per gene SD", "association": "feature unit per gene SD",
        "metagene_effect": "feature unit, from -1 to +1 SD", "pixel_effect": "HU per SD",
        "pixel_mask_effect": "mask per SD", "p": "within-fold permutation of patients' genes, pooled over genes",
        "metagene_stability": "mean best-match Jaccard index over bootstraps of patients",
    }
    for name, unit in units.items():
        dataset[name].attrs["units"] = unit
    dataset.attrs |= {
        "title": "radiogenomic map",
        "route": "generator",
        "cohort_fingerprint": run.cohort.fingerprint,
        "adjusted_for": ", ".join(run.config.genes.adjust),
        "environment": json.dumps(provenance.environment()),
    }
    logging.info("map: %d genes x %d features on %d held-out patients", len(columns), len(names), len(rows))
    return dataset
