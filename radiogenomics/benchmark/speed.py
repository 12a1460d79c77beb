"""The speed suite: ratios measured in one run against a named rival, and absolute figures of this machine."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.analysis import jacobian
from radiogenomics.benchmark import feature_speed, growth, training_speed
from radiogenomics.benchmark.timing import time_calls
from radiogenomics.models.generator import make_generator

GENES = 5172
RIVAL_COLUMNS = 32  # forward-mode rivals are timed on some columns and extrapolated, and so are reverse-mode ones
REPEATS = 3


def run_suite(config, out):
    """Times the Jacobian engine, training, synthesis and image features; writes `speed.csv`, `speed.json` and, of the
    growth of a step's cost, `growth.png`.

    Weights are random: speed does not depend on them. Returns the table.
    """
    load = os.getloadavg()[0]
    rows = training_speed.time_training(config) + time_jacobian(config) + growth.time_growth(config, out)
    rows += feature_speed.time_features()
    table = pd.DataFrame(rows)
    with outputs.new_file(out / "speed.csv") as aside:
        table.to_csv(aside, index=False, float_format="%.4g")
    outputs.write_json(out / "speed.json", {"rows": rows, "load": load, "environment": provenance.environment()})
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


def _seconds(function, *arguments):
    """Median seconds of a compiled function."""

    def call():
        jax.block_until_ready(function(*arguments))

    call()
    return float(np.median(time_calls(call, repeats=REPEATS)))
