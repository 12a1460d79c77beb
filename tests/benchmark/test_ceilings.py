"""Measured ceilings: plausible, and the compiler's count of work is that of the arithmetic."""

import jax
import jax.numpy as jnp
import pytest

from radiogenomics.benchmark import ceilings


def test_a_matrix_product_counts_its_multiplications_and_additions():
    compiled = jax.jit(lambda left, right: left @ right).lower(jnp.ones((64, 32)), jnp.ones((32, 16))).compile()
    operations, moved = ceilings.count_work(compiled)
    assert operations == pytest.approx(2 * 64 * 32 * 16, rel=0.01)
    assert moved >= 4 * (64 * 32 + 32 * 16 + 64 * 16)


def test_ceilings_come_from_size_and_the_fastest_call(monkeypatch):
    monkeypatch.setattr(ceilings, "MATRIX_SIDE", {"cpu": 8})
    monkeypatch.setattr(ceilings, "COPIED_MB", 1)
    asked = []
    monkeypatch.setattr(ceilings, "best_seconds", lambda function, *given: asked.append(function(*given)) or 0.5)
    assert ceilings.matmul_ceiling("float32") == 2 * 8**3 / 0.5
    assert ceilings.memory_ceiling() == 2 * 2**20 / 0.5
    assert asked[0].shape == (8, 8) and float(asked[1][0]) == 2.0


def test_the_fastest_call_is_positive():
    assert ceilings.best_seconds(lambda: jnp.ones(3)) > 0.0
