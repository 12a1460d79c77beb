"""A trained run in memory: its cohort, its networks, and per fold the transform, the parameters and who was held out.

    run = load_run("runs/phantom")
    run.folds[0].held_out
"""

import dataclasses
import functools
import pathlib

import flax.linen as nn
import jax
import ml_collections
import numpy as np

from radiogenomics import outputs
from radiogenomics.data import cohort as cohorts
from radiogenomics.data import transform as gene_transform
from radiogenomics.errors import InputError
from radiogenomics.models.generator import make_generator
from radiogenomics.train import checkpoint, folds, rundir
from radiogenomics.train.state import create_state, make_players


@dataclasses.dataclass(frozen=True)
class Fold:
    """One trained fold; rows index the cohort's patients."""

    name: str
    transform: gene_transform.GeneTransform
    variables: dict  # of the generator, its parameters averaged over training
    genes: np.ndarray  # [patients, G] standardised by this fold's transform, everybody
    components: np.ndarray  # [patients, K]
    training: np.ndarray  # rows it was trained on
    held_out: np.ndarray  # rows it never saw; empty for fold_all


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run."""

    workdir: pathlib.Path
    config: ml_collections.ConfigDict
    cohort: cohorts.Cohort
    generator: nn.Module
    folds: tuple  # of Fold, the cross-fitted ones
    whole: Fold | None  # fold_all, where it was trained

    def fold_of(self, row):
        """The fold that never saw the patient in this row."""
        return next(fold for fold in self.folds if row in fold.held_out)


def load_run(workdir, cohort=None):
    """Loads a finished run.

    Args:
      workdir: run folder written by training.
      cohort: its `Cohort`, or its folder where it has moved; by default the folder it was trained from.

    Raises:
      InputError: where a part is missing, training is not finished, or the cohort is another one.
    """
    workdir = pathlib.Path(workdir)
    if not (workdir / "config.json").is_file():
        raise InputError(f"{workdir}: not a run folder (no config.json in it); make one with launch/train.py.")
    config = _read_config(workdir / "config.json")
    if not isinstance(cohort, cohorts.Cohort):
        recorded = outputs.read_json(workdir / "environment.json")["cohort"]
        cohort = cohorts.load_cohort(cohort or recorded)
    rundir.check_same_cohort(workdir, cohort)
    names = folds.fold_names(config, cohort)
    unfinished = [name for name in names if not (workdir / name / "TRAIN_DONE").exists()]
    if unfinished:
        raise InputError(f"{workdir / unfinished[0]}: not trained to the end; run launch/train.py again to finish it.")
    template = functools.cache(functools.partial(_template, config))
    loaded = [_load_fold(cohort, workdir / name, name, template, config.train.steps) for name in names]
    return Run(
        workdir=workdir,
        config=config,
        cohort=cohort,
        generator=make_generator(config),
        folds=tuple(fold for fold in loaded if fold.name != folds.ALL),
        whole=next((fold for fold in loaded if fold.name == folds.ALL), None),
    )


def _read_config(path):
    config = ml_collections.ConfigDict(outputs.read_json(path))
    try:
        rundir.check_settings(config)
    except InputError as error:
        raise InputError(f"{path}: written by another version of radiogenomics; train again ({error})") from error
    return config


def _template(config, component_count):
    """A train state of the right shapes, to read checkpoints into."""
    create = functools.partial(create_state, config, make_players(config), component_count)
    shapes = jax.eval_shape(create, jax.random.key(0))
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), shapes)


def _load_fold(cohort, directory, name, template, steps):
    transform = gene_transform.load_transform(directory / "transform")
    standardised = transform.standardise(cohort.expression, cohort.covariates)
    components = transform.components(standardised)
    state = checkpoint.load_state(directory / "checkpoints", template(components.shape[1]))
    if int(state.step) != steps:
        raise InputError(
            f"{directory / 'checkpoints'}: the latest checkpoint is of step {int(state.step)}, expected {steps}; "
            f"delete {directory / 'TRAIN_DONE'} and run launch/train.py again."
        )
    return Fold(
        name=name,
        transform=transform,
        variables=state.ema,
        genes=standardised,
        components=components,
        training=folds.training_rows(cohort, name),
        held_out=cohort.indices(folds.held_out_patients(cohort, name)),
    )
