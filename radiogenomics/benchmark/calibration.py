"""How often a map errs where there is nothing to find: its test on cohorts whose images do not depend on the genes.

The folds of a trained run are kept as they are. Its patients keep their genes and covariates, and each gets the nodules
of a patient of a null phantom, who was scanned alike: of the same sequencing batch and site, because these move genes
and images both, so that only adjusting keeps them from being found. The gradients have not seen these nodules, while
the test allows for gradients that have (`gene_permutation`): fewer errors than its level are expected here.
"""

import numpy as np
from scipy import stats

from radiogenomics.analysis import features, gene_permutation, statistics
from radiogenomics.benchmark import training_runs
from radiogenomics.data import prepare
from radiogenomics.data.cohort import load_cohort

AT_ONCE = 50  # null cohorts; bounds the memory
LEVEL = 0.05
ALIKE = ("sequencing_batch", "site")
POOL_SEED = 7_919  # added to the configuration's, so that the pool shares no patient with its phantoms


def null_pool(config, folder, patients):
    """(features [patients, F], labels [patients]) of a phantom without any link, made below `folder`.

    A label names what `draw_null` draws alike.
    """
    changes = {"seed": config.seed + POOL_SEED, "phantom.effect": 0.0, "phantom.patients": patients}
    prepare.prepare(training_runs.vary(config, changes), folder)
    cohort = load_cohort(folder)
    return features.real_features(cohort, features.feature_list(config)).to_numpy(), label_patients(cohort)


def label_patients(cohort):
    """Sequencing batch and site of every patient in one label [patients]."""
    return cohort.covariates[list(ALIKE)].astype(str).agg("|".join, axis=1).to_numpy()


def draw_null(pool, labels, wanted, generator):
    """Features [patients, F] drawn from a pool [N, F] with `labels` [N] for patients with labels `wanted`.

    Nobody is drawn twice, unless the pool has fewer patients of a label than are wanted.
    """
    drawn = np.empty((len(wanted), pool.shape[1]))
    for label in np.unique(wanted):
        rows, own = np.flatnonzero(wanted == label), np.flatnonzero(labels == label)
        drawn[rows] = pool[generator.choice(own, len(rows), replace=len(own) < len(rows))]
    return drawn


def null_errors(run, mapped, pool, labels, cohorts, permutations):
    """How often the frozen map's test reports anything on null cohorts.

    Args:
      run: a `Run`.
      mapped: its `mapping.Predictions.mapped`, of all patients.
      pool: [N, F] features of null patients, those of the map in its order.
      labels: [N] of `label_patients`.
      cohorts: number of null cohorts.
      permutations: of each.

    Returns:
      {"cohorts", "permutations", "family_wise": {"errors", "rate", "low", "high"}, "fdr": {...}}: cohorts with a
      family-wise p <= 0.05 anywhere, and with a q < 0.05 anywhere; exact 95 % binomial interval.
    """
    generator, wanted = np.random.default_rng(run.config.seed), label_patients(run.cohort)
    order = np.concatenate([fold.held_out for fold in mapped])
    groups = [fold.held_out for fold in run.folds]
    certain, hits = [], []
    for begin in range(0, cohorts, AT_ONCE):
        drawn = [draw_null(pool, labels, wanted, generator) for _ in range(begin, min(begin + AT_ONCE, cohorts))]
        outcomes = np.stack([features.adjust_features(run, values)[order] for values in drawn])
        found = gene_permutation.test_genes(mapped, outcomes, groups, permutations, run.config.seed + begin)
        certain += [(evidence.p_max <= LEVEL).any() for evidence in found]
        hits += [(statistics.benjamini_hochberg(evidence.p) < LEVEL).any() for evidence in found]
    return {
        "cohorts": cohorts, "permutations": permutations,
        "family_wise": rate(int(np.sum(certain)), cohorts), "fdr": rate(int(np.sum(hits)), cohorts),
    }


def rate(errors, trials):
    """{"errors", "rate", "low", "high"} with the exact 95 % interval of Clopper and Pearson."""
    low, high = stats.binomtest(errors, trials).proportion_ci(0.95, method="exact")
    return {"errors": errors, "rate": errors / trials, "low": float(low), "high": float(high)}
