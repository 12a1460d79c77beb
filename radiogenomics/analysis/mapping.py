"""The radiogenomic map of a run: which gene moves which image feature, by how much, where and how surely (design 5).

    dataset = radiogenomic_map(run)              # everybody, all genes, the features of the config
    dataset["association"].sel(gene="EGFR")
    dataset, predictions = map_with_predictions(run)    # and what it was tested with, for gene sets

Beside the variables of design 4.4, all [gene, feature]:

| variable | meaning |
|---|---|
| `score_unadjusted`, `p_unadjusted` | evidence with the real features as measured; the genes stay residualised |
| `score_range_low`, `score_range_high` | smallest and largest score when one site or sequencing batch is left out |

Where in the nodule, for the regions core, rim and margin (`regions`), mean attenuation in HU:

| variable | meaning |
|---|---|
| `region_association`, `_se`, `_score`, `_p`, `_q`, `_p_max` | [gene, region], as for features |
| `metagene_region_association`, `_se`, ... | [metagene, region], the same of metagenes |
| `region_gate_r`, `region_gate_p`, `region_supported` | [region], do genes control it on held-out patients (Holm)? |

Attributes: `family_wise_threshold`, the score that 5 % of permutations exceed in size somewhere in the table, and
`smallest_certifiable_correlation`, which passes it with 80 % power; `training_seeds` and `standard_error`, what the
standard errors cover.
"""

import difflib
import logging
from typing import NamedTuple

import numpy as np

from radiogenomics import provenance
from radiogenomics.analysis import (
    confounders,
    evidence_tables,
    gene_effects,
    metagenes,
    patient_effects,
    regions,
    statistics,
    transfer,
)
from radiogenomics.analysis import features as feature_values
from radiogenomics.data import transform as gene_transform
from radiogenomics.errors import InputError
from radiogenomics.radiomics import describe_feature, resolve
from radiogenomics.train import rundir

UNITS = {
    "sensitivity": "feature unit per gene SD", "association": "feature unit per gene SD",
    "metagene_effect": "feature unit, from -1 to +1 SD", "pixel_effect": "HU per SD",
    "pixel_mask_effect": "mask per SD", "p": "within-fold permutation of patients' genes, sizes pooled over genes",
    "metagene_stability": "mean best-match Jaccard index over bootstraps of patients",
    "region_association": "HU per gene SD", "metagene_region_association": "HU per metagene SD",
    "region_p": "within-fold permutation of patients' genes, sizes pooled over genes",
}


class Predictions(NamedTuple):
    """What a map's evidence on genes compares, patient by patient; patients are in the map's order."""

    real: np.ndarray  # [patients, F] real features less what the covariates explain, NaN where unknown
    folds: list  # of row arrays: who was held out together
    genes: tuple  # [G] symbols
    features: tuple  # [F]
    supported: np.ndarray  # [F] the gate's verdict
    mapped: list  # of `gene_effects.MappedFold`, what the genes' effects and p-values were made from

    def predicted(self, feature):
        """[patients, G]: association with the feature of that number, times the patient's gene."""
        one = [fold._replace(gradient=fold.gradient[:, [feature]]) for fold in self.mapped]
        return gene_effects.predict(one)[:, 0]


def radiogenomic_map(
    run, cohort=None, features=None, genes=None, adjust=None, patients=None, gate=None, weights=None, more_runs=()
):
    """Computes the map on held-out patients.

        radiogenomic_map(run, features=["mean_hu", "elongation"], genes=["EGFR", "KRAS"], adjust=["site"])

    Args:
      run: a `Run`.
      cohort: the `Cohort` to map, by default the one that it was trained on. Another one is mapped as a whole by the
        generator trained on everybody (`transfer.carry_over`), and needs a gate of its own.
      features: feature names; those of the config by default.
      genes: symbols to report; all by default. p_max and q are over these genes.
      adjust: covariates whose effect is taken off the real features; `genes.adjust` of the config by default. The genes
        stay free of what training adjusted them for.
      patients: ids to map; all by default. Evidence (score, p, q) is over these patients.
      gate: the "gate" table of the run's evaluation.json; without it nothing is stamped as supported.
      weights: metagene weights [G, M] over all genes; those of `map.metagene_method` by default.
      more_runs: further trainings of the same configuration and cohort with other seeds. The map is then the mean over
        trainings, and standard errors include what the seed of a training changes.

    Returns:
      An `xarray.Dataset` with the variables of design 4.4 and those of this module.

    Raises:
      InputError: for an unknown patient, gene, feature or covariate, another cohort that does not fit, `more_runs`
        that differ in more than the seed, or fewer than three mapped patients in every fold.
    """
    return map_with_predictions(run, cohort, features, genes, adjust, patients, gate, weights, more_runs)[0]


def map_with_predictions(
    run, cohort=None, features=None, genes=None, adjust=None, patients=None, gate=None, weights=None, more_runs=()
):
    """The map and the `Predictions` behind its scores; arguments and errors as `radiogenomic_map`."""
    runs = [run, *more_runs]
    check_trainings(runs)
    names, columns = feature_names(run, features), gene_columns(run.cohort.genes, genes)
    groups = choose_metagenes(run, weights)
    if cohort is not None and cohort.fingerprint != run.cohort.fingerprint:
        run, *_ = runs = [transfer.carry_over(one, cohort) for one in runs]
    count, folds_of = len(names), [_mapped_rows(one, patients) for one in runs]
    folds = folds_of[0]
    rows = np.concatenate([mapped for _, mapped in folds])
    positions = statistics.number_patients([len(mapped) for _, mapped in folds])
    measured = feature_values.real_features(run.cohort, names).to_numpy()
    measured = np.concatenate([measured, regions.real_region_means(run)], axis=1)
    real = feature_values.adjust_features(run, measured, adjust)[rows]
    each = [
        patient_effects.measure_effects(one, names, held_out, groups.weights)
        for one, held_out in zip(runs, folds_of, strict=True)
    ]
    effects, seeds = patient_effects.average_effects(each)
    mapped = patient_effects.mapped_folds(folds_of, effects.gradient, columns)
    evidence, unadjusted = evidence_tables.test_quantities(
        run, mapped, slice(count), np.stack([real[:, :count], measured[rows, :count]])
    )
    left_out = confounders.find_groups(run.cohort.covariates.iloc[rows], positions)
    resampled = statistics.bootstrap_weights(positions, run.config.map.bootstraps, run.config.seed)
    summary = gene_effects.summarise(mapped, real[:, :count], [kept for _, kept in left_out], resampled)
    sensitivity, by_seed = _average_genes(folds_of, each, columns)
    dataset = evidence_tables.gene_table(sensitivity, summary, by_seed, evidence, positions)
    dataset.update(confounders.confounder_table(unadjusted, summary, left_out))
    by_metagene = patient_effects.metagene_folds(folds_of, mapped, groups.weights)
    dataset.update(evidence_tables.metagene_table(run, effects, seeds, by_metagene, real[:, :count], resampled))
    dataset.update(evidence_tables.region_table(
        run, effects, summary, (by_seed, seeds["metagene_associated"]), (mapped, by_metagene), real[:, count:],
        positions, resampled,
    ))
    _describe(run, dataset, effects, groups, columns, real[:, :count])
    _stamp(dataset, names, gate)
    dataset = _label(runs, dataset, names, columns, rows, groups, adjust)
    predictions = Predictions(
        real[:, :count], positions, tuple(map(str, dataset["gene"].values)), names, dataset["supported"].values,
        [fold._replace(gradient=fold.gradient[:, :count]) for fold in mapped],
    )
    return dataset, predictions


def _average_genes(folds_of, each, columns):
    """(mean sensitivity [I, G] over patients and trainings, squared errors [I, G] of the trainings' seeds)."""
    pairs = list(zip(folds_of, (one.gradient for one in each), strict=True))
    sensitivity = np.mean([gene_effects.mean_sensitivity(*pair, columns) for pair in pairs], axis=0)
    means = (patient_effects.mapped_folds([folds], gradient, columns) for folds, gradient in pairs)
    return sensitivity, patient_effects.seed_errors([gene_effects.mean_association(one) for one in means])


def check_trainings(runs):
    """InputError unless the runs are trainings of one configuration on one cohort that differ in their seeds alone."""
    first, seeds = runs[0], []
    for other in runs:
        seeds.append(other.config.seed)
        if other.cohort.fingerprint != first.cohort.fingerprint:
            raise InputError(f"{other.workdir}: was trained on another cohort than {first.workdir}; expected the same.")
        key = rundir.first_difference(*map(rundir.run_settings, (first.config, other.config)), ignored=("seed",))
        if key:
            raise InputError(f"{other.workdir}: differs from {first.workdir} in {key}; expected another seed alone.")
    repeated = [seed for place, seed in enumerate(seeds) if seed in seeds[:place]]
    if repeated:
        raise InputError(f"runs: seed {repeated[0]} is there twice; expected trainings with different seeds.")


def feature_names(run, features):
    """Names of the features asked for, those of the config for None; InputError for an unknown one, or none."""
    features = [features] if isinstance(features, str) else features
    names = tuple(resolve(run.config.map.features if features is None else features, run.config.data.ndim))
    if not names:
        raise InputError("features: none given; expected at least one name.")
    return names


def gene_columns(known, genes):
    """Column numbers of gene symbols (all for None).

    InputError where there is none, one is named twice, or one is unknown, which is told with its nearest relatives.
    """
    if genes is None:
        return np.arange(len(known))
    genes = [genes] if isinstance(genes, str) else list(genes)
    if not genes:
        raise InputError("genes: none given; expected at least one symbol.")
    position = {gene: column for column, gene in enumerate(known)}
    for place, gene in enumerate(genes):
        if gene in genes[:place]:
            raise InputError(f"genes: '{gene}' is named twice; expected each symbol once.")
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
    if not np.isfinite(values).all():
        gene, metagene = np.argwhere(~np.isfinite(values))[0]
        raise InputError(
            f"weights: {values[gene, metagene]} for gene '{run.cohort.genes[gene]}' in metagene {metagene + 1}; "
            "expected finite numbers."
        )
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
    everybody = np.concatenate([fold.held_out for fold in run.folds])
    wanted = run.cohort.indices(patients) if patients is not None else everybody
    folds = [(fold, fold.held_out[np.isin(fold.held_out, wanted)]) for fold in run.folds]
    used = [(fold, rows) for fold, rows in folds if len(rows) >= 3]
    if not used:
        raise InputError(f"patients: {len(wanted)} given, at most two in any fold; a map needs three or more.")
    left_out = len(wanted) - sum(len(rows) for _, rows in used)
    if left_out:
        logging.warning("map: %d patients left out; fewer than three of those asked for in their fold", left_out)
    return used


def _describe(run, dataset, effects, groups, columns, real):
    """Adds metagenes, pixel maps and the real features."""
    axes = ("metagene", *"zyx"[-run.config.data.ndim :])
    dataset["metagene_loading"] = (("gene", "metagene"), groups.weights[columns])
    dataset["metagene_stability"] = ("metagene", groups.stability.astype(np.float32))
    dataset["pixel_effect"] = (axes, effects.image.astype(np.float32))
    dataset["pixel_mask_effect"] = (axes, effects.mask.astype(np.float32))
    dataset["feature_value"] = (("patient", "feature"), real.astype(np.float32))


def _stamp(dataset, names, gate):
    """Adds the gate's verdict per feature; without a gate nothing is supported."""
    rows = [(gate or {}).get(name, {}) for name in names]
    dataset["gate_r"] = ("feature", np.array([row.get("r", np.nan) for row in rows], float))
    dataset["gate_p"] = ("feature", np.array([row.get("p_holm", np.nan) for row in rows], float))
    dataset["supported"] = ("feature", np.array([bool(row.get("supported", False)) for row in rows]))


def _label(runs, dataset, names, columns, rows, groups, adjust):
    """Coordinates, units and provenance."""
    run = runs[0]
    dataset = dataset.assign_coords(
        gene=[run.cohort.genes[column] for column in columns],
        feature=list(names),
        metagene=list(groups.names),
        patient=[run.cohort.patients[row] for row in rows],
        unit=("feature", [describe_feature(name).unit for name in names]),
        ibsi=("feature", [describe_feature(name).ibsi for name in names]),
    )
    for name, unit in UNITS.items():
        dataset[name].attrs["units"] = unit
    adjusted = run.config.genes.adjust if adjust is None else adjust
    dataset.attrs |= {
        "title": "radiogenomic map",
        "route": "generator",
        "adjusted_for": ", ".join(adjusted),
        "training_seeds": ", ".join(str(one.config.seed) for one in runs),
        "standard_error": "patients resampled within folds"
        + (f", and {len(runs)} trainings with different seeds" if len(runs) > 1 else "; one training seed"),
    } | provenance.attributes(run.config, run.cohort.fingerprint)
    logging.info("map: %d genes x %d features on %d held-out patients", len(columns), len(names), len(rows))
    return dataset
