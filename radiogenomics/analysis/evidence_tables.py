"""The variables of a map from what generators say about each patient: means, errors, evidence."""

import numpy as np
import xarray

from radiogenomics.analysis import detection, gene_permutation, regions, statistics


def test_quantities(run, tested, chosen, outcomes):
    """`Evidence` [genes, F] of each version of the outcomes [C, patients, F]: see `gene_permutation.test_genes`.

    `chosen` is the slice of the tested gradients' image quantities that the outcomes are of.
    """
    folds = [fold._replace(gradient=fold.gradient[:, chosen]) for fold in tested]
    return gene_permutation.test_genes(
        folds, outcomes, _permuted_groups(run), run.config.map.permutations, run.config.seed
    )


def _permuted_groups(run):
    """Row arrays of the cohort's patients whose genes change places: those that were held out together."""
    groups = [fold.held_out for fold in run.folds]
    rest = np.setdiff1d(np.arange(len(run.cohort.patients)), np.concatenate(groups))  # trained on, of another cohort
    return [*groups, rest] if len(rest) else groups


def gene_table(sensitivity, summary, seeds, evidence, positions):
    """Gene x feature variables.

    Args:
      sensitivity: [I, G] of `gene_effects.mean_sensitivity`.
      summary: `gene_effects.GeneSummary`; the first of its quantities are the features.
      seeds: [I, G] squared errors of the trainings' seeds (`patient_effects.seed_errors`).
      evidence: `Evidence` [G, F] on the features.
      positions: positions of each fold's patients.
    """
    count = evidence.score.shape[1]
    table = {
        "sensitivity": sensitivity[:count].T, "association": summary.mean[:count].T,
        "strength": summary.strength[:count].T, "heterogeneity": summary.heterogeneity[:count].T,
        "se": np.sqrt(summary.variance + seeds)[:count].T,
    } | _named("", evidence)
    limit = detection.describe_limit(evidence.largest, [len(rows) for rows in positions])
    return _dataset(table, ("gene", "feature")).assign_attrs(limit)


def metagene_table(run, effects, seeds, tested, real, resampled):
    """Metagene x feature variables; what is tested is the derivative times the patient's metagene, as for genes.

    Args:
      run: a `Run`; reads `map` and `seed` of its config.
      effects, seeds: of `patient_effects.average_effects`.
      tested: see `patient_effects.metagene_folds`.
      real: [patients, F] real features less what the covariates explain.
      resampled: [bootstraps, patients] of `statistics.bootstrap_weights`.
    """
    (evidence,) = test_quantities(run, tested, slice(real.shape[1]), real[None])
    table = {
        "metagene_effect": effects.metagene_effect.mean(axis=0).T,
        "metagene_effect_se": _standard_error(effects.metagene_effect, resampled, seeds["metagene_effect"]).T,
    } | _named("metagene_effect_", evidence)
    return _dataset(table, ("metagene", "feature"))


def region_table(run, effects, summary, seeds, tested, real, positions, resampled):
    """Gene x region and metagene x region variables, and whether the genes control each region's attenuation.

    Two families of tests, one over genes and regions, one over metagenes and regions; `seeds` are the squared errors of
    both, `tested` the folds of both, `real` regional means [patients, R] less what the covariates explain, the rest is
    as in `gene_table` and `metagene_table`.
    """
    count, settings = real.shape[1], run.config.map
    along = effects.metagene_associated[:, -count:]
    table = xarray.Dataset()
    for dim, prefix, mean, error, folds in (
        ("gene", "region_", summary.mean[-count:], np.sqrt(summary.variance + seeds[0])[-count:], tested[0]),
        ("metagene", "metagene_region_", along.mean(axis=0), _standard_error(along, resampled, seeds[1][-count:]),
         tested[1]),
    ):
        (evidence,) = test_quantities(run, folds, slice(-count, None), real[None])
        values = {f"{prefix}association": mean.T, f"{prefix}se": error.T} | _named(prefix, evidence)
        table.update(_dataset(values, (dim, "region")))
    gate = statistics.permutation_evidence(
        effects.region_hu[:, :, None], real, positions, settings.permutations, run.config.seed
    )
    holm = statistics.holm(gate.p[0])
    table["region_gate_r"], table["region_gate_p"] = ("region", gate.score[0]), ("region", holm)
    table["region_supported"] = ("region", holm < 0.05)
    table["region_value"] = (("patient", "region"), real.astype(np.float32), {"units": "HU"})
    return table.assign_coords(
        region=list(regions.REGIONS), region_definition=("region", [regions.DEFINITIONS[n] for n in regions.REGIONS])
    )


def _named(prefix, evidence):
    """{"score", "p", "q", "p_max"} under their names in the map."""
    return {
        f"{prefix}score": evidence.score, f"{prefix}p": evidence.p,
        f"{prefix}q": statistics.benjamini_hochberg(evidence.p), f"{prefix}p_max": evidence.p_max,
    }


def _standard_error(values, resampled, seeds):
    """Standard error [I, ...] of the mean of values [patients, I, ...]: patients resampled, and the trainings' seeds.

    The two are added in squares. What patient and seed do together is in both, so that the error is, if anything, a
    little too large.
    """
    return np.sqrt(statistics.bootstrap_variance(resampled, values) + seeds)


def _dataset(table, dims):
    return xarray.Dataset({name: (dims, values.astype(np.float32)) for name, values in table.items()})
