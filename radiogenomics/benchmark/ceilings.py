"""What this machine can do at most, measured: a big matrix multiplication and a copy through memory."""

import jax
import jax.numpy as jnp

from radiogenomics.benchmark.timing import time_calls

MATRIX_SIDE = {"cpu": 2048}  # elsewhere ACCELERATOR_SIDE
ACCELERATOR_SIDE = 8192
COPIED_MB = 256  # many times the caches
REPEATS = 5


def matmul_ceiling(dtype):
    """Floating-point operations a second of a square matrix product of `dtype`; the fastest of several calls."""
    side = MATRIX_SIDE.get(jax.default_backend(), ACCELERATOR_SIDE)
    matrix = jnp.ones((side, side), dtype)
    return 2.0 * side**3 / best_seconds(jax.jit(lambda left, right: left @ right), matrix, matrix)


def memory_ceiling():
    """Bytes a second, read and written, of a copy of `COPIED_MB` that changes every number."""
    values = jnp.ones(COPIED_MB * 2**20 // 4)
    return 2.0 * values.nbytes / best_seconds(jax.jit(lambda source: source + 1.0), values)


def best_seconds(function, *arguments):
    """Seconds of the fastest of `REPEATS` calls after a first one: whatever else the machine does only adds."""

    def call():
        jax.block_until_ready(function(*arguments))

    call()
    return min(time_calls(call, repeats=REPEATS))


def count_work(compiled):
    """(floating-point operations, bytes read and written) of one call, from a compiled function's cost analysis."""
    costs = compiled.cost_analysis()
    return costs["flops"], costs["bytes accessed"]
