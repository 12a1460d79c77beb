"""The speed suite: ratios measured in one run against a named rival, and absolute figures of this machine."""

import time

import jax
import numpy as np
import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.benchmark import feature_speed, jacobian_speed
from radiogenomics.train import sharding, steps
from radiogenomics.train.state import create_state, make_players

GENES = 5172


def run_suite(config, out):
    """Times the Jacobian engine, the training step and image features; writes `speed.csv` and `speed.json`.

    Weights are random: speed does not depend on them. Returns the table.
    """
    rows = jacobian_speed.time_jacobians(config) + time_training(config) + feature_speed.time_features()
    table = pd.DataFrame(rows)
    with outputs.new_file(out / "speed.csv") as aside:
        table.to_csv(aside, index=False, float_format="%.4g")
    outputs.write_json(out / "speed.json", {"rows": rows} | provenance.describe(config, None))
    return table.set_index("what")


def _component_count(config):
    return GENES if config.genes.front_end == "none" else config.genes.components


def time_training(config):
    """Milliseconds a training step, and images a second, on synthetic arrays of 16 patients."""
    players, mesh = make_players(config), sharding.make_mesh(config.train.batch_size)
    count, shape = 16, (config.data.size,) * config.data.ndim
    generator = np.random.default_rng(0)
    components = _component_count(config)
    features = len(config.train.radiomic_features)
    patches = steps.Patches(
        nodule_hu=generator.integers(-900, 0, (count, *shape)).astype(np.int16),
        nodule_mask=generator.integers(0, 2, (count, *shape)).astype(np.uint8),
        background_hu=generator.integers(-900, -700, (count, *shape)).astype(np.int16),
    )
    scaled = steps.Scaled(
        components=generator.standard_normal((1, count, components), dtype=np.float32),
        targets=generator.standard_normal((1, count, features), dtype=np.float32),
        target_mean=np.zeros((1, features), np.float32),
        target_sd=np.ones((1, features), np.float32),
    )
    names = ("patient", "nodule", "background", "other")
    indices = {name: generator.integers(0, count, (1, 1, config.train.batch_size)).astype(np.int32) for name in names}
    arrays = sharding.place(steps.TrainingArrays(patches, scaled), sharding.replicated(mesh))
    indices = sharding.place(indices, sharding.over_batch(mesh))
    stack, _ = sharding.compile_stack(mesh)
    run_steps = steps.compile_steps(config, players, mesh)
    state, key = stack([create_state(config, players, components, jax.random.key(0))]), stack([jax.random.key(1)])
    began = time.monotonic()
    state, _ = jax.block_until_ready(run_steps(state, arrays, indices, key))
    compiled = time.monotonic() - began
    times = []
    for _ in range(10):
        began = time.monotonic()
        state, _ = jax.block_until_ready(run_steps(state, arrays, indices, key))
        times.append(time.monotonic() - began)
    second = float(np.median(times))
    return [
        {"what": "training step (ms)", "value": 1e3 * second, "note": f"batch {config.train.batch_size}"},
        {"what": "training (images/s)", "value": config.train.batch_size / second, "note": ""},
        {"what": "compilation of the step (s)", "value": compiled, "note": "first call"},
    ]
