"""One fold while it trains: opened where it stopped, its files at hand."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax

from radiogenomics.data import pipeline
from radiogenomics.train import checkpoint, folds, hosts, sharding, writers
from radiogenomics.train.samples import write_sample_grid
from radiogenomics.train.state import TrainState, install_response
from radiogenomics.train.steps import TrainingArrays


class OpenFold(NamedTuple):
    """A fold that trains."""

    name: str
    directory: pathlib.Path
    start: TrainState  # where training goes on
    arrays: TrainingArrays  # on the host
    batches: Iterator  # see pipeline.index_batches
    key: jax.Array  # of all randomness on the device
    unlogged: dict  # metrics since the last line of metrics.jsonl, see checkpoint.save
    write_metrics: Callable  # see writers.open_metrics


@contextlib.contextmanager
def open_fold(trainer, name, directory, seed):
    """Yields the `OpenFold` of a folder, at its last checkpoint or, with a first sample grid, at the beginning."""
    config, cohort = trainer.config, trainer.cohort
    rows = folds.training_rows(cohort, name)
    transform = folds.stored_transform(
        directory / "transform", trainer.transforms[name], [cohort.patients[row] for row in rows]
    )
    arrays = folds.training_arrays(cohort, rows, transform, trainer.features)
    batches = pipeline.index_batches(cohort, rows, config.train.batch_size, seed)
    key = sharding.place_key(seed, trainer.mesh)
    state, unlogged = checkpoint.restore(directory / "checkpoints", trainer.create(key), batches)
    if int(state.step) == 0:
        if "response" in state.generator:  # A checkpoint holds the fitted one.
            fitted = folds.fit_response(config, cohort, rows, transform, trainer.features)
            state = install_response(state, sharding.place(hosts.agree(fitted), sharding.replicated(trainer.mesh)))
        write_sample_grid(trainer, name, directory, arrays, state)
    with writers.open_metrics(directory, int(state.step)) as write_metrics:
        yield OpenFold(name, directory, state, arrays, batches, key, unlogged, write_metrics)
