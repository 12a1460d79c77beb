"""What the folds of a run share, made and compiled once."""

import dataclasses
import functools

import jax
import numpy as np

from radiogenomics.train import folds, hosts, memory, sharding, steps
from radiogenomics.train.state import create_state, make_players


@dataclasses.dataclass(frozen=True)
class Trainer:
    """What the folds of a run share, compiled once, and the gene transform of each."""

    config: object
    cohort: object
    players: object
    replicas: int  # folds side by side
    mesh: object
    run_steps: object  # see steps.compile_steps
    predict_memory: object  # bytes that a call of run_steps takes, see memory.predict_peak; the same arguments
    create: object  # key -> the initial TrainState of a fold, on every device, see compile_creation
    stack: object  # list of trees -> one with a replica axis, see sharding.compile_stack
    unstack: object  # its inverse
    sample: object  # (variables, background, components, noise) -> Synthesis
    features: np.ndarray  # [N, F] of the real patches
    transforms: dict  # fold name -> GeneTransform fitted on its training patients


def make_trainer(config, cohort):
    """Networks, mesh, compiled functions and gene transforms for a cohort; InputError where the config does not fit."""
    players = make_players(config)
    replicas = sharding.count_replicas(config.train.replicas, len(folds.fold_names(config, cohort)))
    mesh = sharding.make_mesh(config.train.batch_size, replicas, config.train.accumulate)
    transforms = folds.fit_folds(config, cohort)
    component_count = next(iter(transforms.values())).component_count
    stack, unstack = sharding.compile_stack(mesh)
    run_steps = steps.compile_steps(config, players, mesh)
    return Trainer(
        config=config,
        cohort=cohort,
        players=players,
        replicas=replicas,
        mesh=mesh,
        run_steps=run_steps,
        predict_memory=functools.partial(memory.predict_peak, run_steps),
        create=compile_creation(config, players, component_count, mesh),
        stack=stack,
        unstack=unstack,
        sample=jax.jit(players.generator.apply),
        features=folds.patch_features(config, cohort),
        transforms=transforms,
    )


def compile_creation(config, players, component_count, mesh):
    """`key -> TrainState` on every device of the mesh.

    Compiled once a run, for one device whatever the mesh, and in haste: optimised, it takes 20 s to compile and 0.1 s
    to run.
    """
    create = jax.jit(
        functools.partial(create_state, config, players, component_count),
        compiler_options={"xla_backend_optimization_level": 0},
    )

    def place_created(key):
        created = jax.device_get(create(sharding.own_copy(key)))
        return sharding.place(hosts.agree(created), sharding.replicated(mesh))

    return place_created
