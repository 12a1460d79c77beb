"""Grain: white noise that the generator makes texture of, so that no two nodules need to share one."""

import jax
import jax.numpy as jnp
import numpy as np

FIELD_SEED = 0  # of the field; it is part of the architecture, like a filter that is not learned


def shift_grain(size, ndim, channels, noise):
    """A fixed field of white noise [batch, *S, channels], shifted around by what noise [batch, ndim] draws."""
    field = np.random.default_rng(FIELD_SEED).standard_normal((*(size,) * ndim, channels)).astype(np.float32)
    # The normal distribution function makes the shift uniform over the patch.
    shifts = jnp.floor(jax.scipy.stats.norm.cdf(noise) * size).astype(jnp.int32)
    return jax.vmap(lambda shift: jnp.roll(field, shift, axis=tuple(range(ndim))))(shifts)
