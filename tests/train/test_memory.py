"""Peak memory: what a compiled call says it needs, and what the process used."""

import functools

import jax
import jax.numpy as jnp

from radiogenomics.train import memory


def test_prediction_counts_arguments_results_and_what_lies_between():
    size = 2**16
    values = jnp.ones((256, 256))
    function = jax.jit(lambda values: values @ values @ values)
    donating = jax.jit(lambda values: values * 2.0, donate_argnums=0)
    assert memory.predict_peak(function, values) >= 3 * 4 * size
    assert 4 * size <= memory.predict_peak(donating, values) < 1.5 * 4 * size


def test_measurement_grows_with_what_is_used():
    before, owner = memory.measure_peak()
    held = functools.reduce(jnp.add, [jnp.full(2**25, float(number)) for number in range(4)]).block_until_ready()
    after, _ = memory.measure_peak()
    assert 10 * memory.MEGABYTE < before <= after < 2**40 and held.size == 2**25
    assert owner.startswith("this process") or jax.default_backend() != "cpu"
