"""A run carried over to another cohort, all of whose patients are new to it: validation from outside.

    radiogenomic_map(run, load_cohort("other"))
"""

import dataclasses

import numpy as np
import pandas as pd

from radiogenomics.data.cohort import Patches
from radiogenomics.errors import InputError
from radiogenomics.train import rundir

TRAINED = " (trained on)"  # after the ids of the run's own patients, which another cohort may use as well


def carry_over(run, cohort):
    """The `Run` with the patients of another cohort held out, all in one fold, by the generator trained on everybody.

    Everything fitted stays as fitted on the run's patients. A site or batch that they do not have counts as their
    reference level, so that differences between the new cohort's own sites are not adjusted for.

    Args:
      run: a `Run` that has `fold_all` (`train.train_on_all`).
      cohort: a `Cohort` with patches of the run's size and at least the run's genes.

    Returns:
      A `Run` whose cohort holds both, the run's patients first, under ids that end in `TRAINED`.

    Raises:
      InputError: without `fold_all`, for other patches, or where a gene of the run is missing.
    """
    if run.whole is None:
        raise InputError(
            f"{run.workdir}: has no fold trained on everybody, which patients of another cohort are mapped by; "
            "expected a run with train.train_on_all=True."
        )
    rundir.check_cohort(run.config, cohort)
    joined, count = join_cohorts(run.cohort, cohort), len(run.cohort.patients)
    transform = run.whole.transform
    genes = transform.standardise(joined.expression, joined.covariates)
    fold = dataclasses.replace(
        run.whole, genes=genes, components=transform.components(genes), training=np.arange(count),
        held_out=np.arange(count, len(joined.patients)),
    )
    return dataclasses.replace(run, cohort=joined, folds=(fold,), whole=fold)


def join_cohorts(own, other):
    """The `Cohort` of both, with the first one's genes; folder, fingerprint and truth are the second one's."""
    position = {gene: column for column, gene in enumerate(other.genes)}
    missing = [gene for gene in own.genes if gene not in position]
    if missing:
        raise InputError(
            f"{other.directory / 'genes.txt'}: gene '{missing[0]}' of the run is missing ({len(missing)} of "
            f"{len(own.genes)}); expected all of them."
        )
    expression = other.expression[:, [position[gene] for gene in own.genes]]
    names = (*(f"{name}{TRAINED}" for name in own.patients), *other.patients)
    return dataclasses.replace(
        other, patients=names, genes=own.genes, expression=np.concatenate([own.expression, expression]),
        covariates=_join_tables(own.covariates, other.covariates, names),
        measurements=_join_tables(own.measurements, other.measurements, names),
        nodules=_join_patches(own.nodules, other.nodules, len(own.patients)),
        backgrounds=_join_patches(own.backgrounds, other.backgrounds, len(own.patients)), folds=(),
    )


def _join_tables(own, other, names):
    """Rows of both; a column that one of them lacks is unknown there."""
    joined = pd.concat([own, other])
    text = [name for name in joined if not pd.api.types.is_numeric_dtype(joined[name])]
    return joined.fillna(dict.fromkeys(text, "unknown")).set_axis(pd.Index(names, name="patient"))


def _join_patches(own, other, offset):
    masks = None if own.mask is None else np.concatenate([own.mask, other.mask])
    return Patches(
        np.concatenate([own.image_hu, other.image_hu]), masks,
        np.concatenate([own.patient, other.patient + offset]).astype(np.int32),
        np.concatenate([own.slice, other.slice]),
    )
