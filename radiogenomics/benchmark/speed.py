"""The speed suite: ratios measured in one run against a named rival, and absolute figures of this machine."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.analysis import jacobian
from radiogenomics.benchmark import feature_speed
from radiogenomics.benchmark.timing import time_calls
from radiogenomics.models.generator import make_generator
from radiogenomics.train import sharding, steps
from radiogenomics.train.state import create_state, make_players

GENES = 5172
RIVAL_COLUMNS = 32  # forward-mode rivals are timed on some columns and extrapolated, and so are reverse-mode ones
REPEATS = 3


def run_suite(config, out):
    """Times the Jacobian engine, the training step and image features; writes `speed.csv` and `speed.json`.

    Weights are random: speed does not depend on them. Returns the table.
    """
    rows = time_jacobian(config) + time_training(config) + feature_speed.time_features()
    table = pd.DataFrame(rows)
    with outputs.new_file(out / "speed.csv") as aside:
        table.to_csv(aside, index=False, float_format="%.4g")
    outputs.write_json(out / "speed.json", {"rows": rows} | provenance.describe(config, None))
    return table.set_index("what")


def _component_count(config):
    return GENES if config.genes.front_end == "none" else config.genes.components


def time_jacobian(config):
    """Seconds for one patient's image-by-gene Jacobian: factored, batched jacfwd and jacrev (both extrapolated)."""
    generator, shape = make_generator(config), (1, *(config.data.size,) * config.data.ndim, 1)
    background, noise = jnp.zeros(shape), jnp.zeros((1, config.model.noise_size))
    count = _component_count(config)
    loadings = jax.random.normal(jax.random.key(1), (GENES, count)) / jnp.sqrt(GENES)
    params = generator.init(jax.random.key(0), background, jnp.zeros((1, count)), noise)
    genes = jax.random.normal(jax.random.key(2), (GENES,))

    def encode(params, component):
        return generator.apply(params, component[None], method="encode")[0]

    def decode(params, code):
        return generator.apply(params, background, code[None], noise, method="decode").image[0, ..., 0]

    def image(params, genes):
        return decode(params, encode(params, genes @ loadings))

    @jax.jit
    def factored(params, genes):
        by_code, by_component = jacobian.code_factors(
            lambda code: decode(params, code), lambda component: encode(params, component), genes @ loadings
        )
        return by_code, by_component @ loadings.T

    @jax.jit
    def forward(params, genes):
        directions = jnp.eye(GENES)[:RIVAL_COLUMNS]
        return jax.vmap(lambda v: jax.jvp(lambda g: image(params, g), (genes,), (v,))[1])(directions)

    @jax.jit
    def reverse(params, genes):
        value, pull = jax.vjp(lambda g: image(params, g), genes)
        rows = jnp.eye(value.size)[:RIVAL_COLUMNS].reshape(RIVAL_COLUMNS, *value.shape)
        return jax.vmap(lambda row: pull(row)[0])(rows)

    by_code, by_gene = factored(params, genes)
    exact = forward(params, genes)
    columns = jnp.moveaxis(by_code @ by_gene[:, :RIVAL_COLUMNS], -1, 0)
    error = float(jnp.linalg.norm(columns - exact) / jnp.linalg.norm(exact))
    ours = _seconds(factored, params, genes)
    plain_forward = _seconds(forward, params, genes) * GENES / RIVAL_COLUMNS
    plain_reverse = _seconds(reverse, params, genes) * np.prod(shape) / RIVAL_COLUMNS
    return [
        {"what": "Jacobian, factored (s a patient)", "value": ours, "note": f"relative error {error:.1e}"},
        {"what": "Jacobian, jacfwd (s, extrapolated)", "value": plain_forward, "note": f"{plain_forward / ours:.0f}x"},
        {"what": "Jacobian, jacrev (s, extrapolated)", "value": plain_reverse, "note": f"{plain_reverse / ours:.0f}x"},
    ]


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


def _seconds(function, *arguments):
    """Median seconds of a compiled function."""

    def call():
        jax.block_until_ready(function(*arguments))

    call()
    return float(np.median(time_calls(call, repeats=REPEATS)))
