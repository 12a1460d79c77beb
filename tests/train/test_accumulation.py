"""A batch in parts: the average of what the parts give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.train import accumulation


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("parts", [1, 2, 6])
def test_parts_average_to_the_whole(monkeypatch, backend, parts):
    """Unrolled, and rolled as on accelerators; every example once, in whatever part."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    batch = {"x": jnp.arange(24.0).reshape(12, 2), "y": jnp.arange(12)}
    seen = jax.jit(
        lambda batch: accumulation.average(
            lambda part: (part["x"].mean(0), jnp.zeros(12).at[part["y"]].add(1.0), len(part["y"]) * jnp.ones(1)),
            batch, parts,
        )
    )(batch)
    np.testing.assert_allclose(seen[0], batch["x"].mean(0))
    np.testing.assert_allclose(seen[1] * parts, 1.0, rtol=1e-6)
    assert seen[2] == 12 / parts
