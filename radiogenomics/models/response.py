"""Response surface: what the genes are expected to show, as polynomials of second order in the gene components.

Fitted on the training patients (train/response.py) and not changed by training; the generator's code starts with it, so
that the networks learn to draw an image feature, and need not find out from 100 patients which genes it follows.
"""

import flax
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class ResponseSurface:
    """F image features, in SDs of the training patients, as a function of K gene components."""

    constant: jax.Array  # [F]
    linear: jax.Array  # [F, K]
    quadratic: jax.Array  # [F, K, K] squares and products of two components


def flat_surface(features, components):
    """A `ResponseSurface` that expects nothing of any gene."""
    return ResponseSurface(
        constant=jnp.zeros(features),
        linear=jnp.zeros((features, components)),
        quadratic=jnp.zeros((features, components, components)),
    )


def expect_features(surface, components):
    """Expected features [..., F] of components [..., K]."""
    second = jnp.einsum("...i,fij,...j->...f", components, surface.quadratic, components)
    return surface.constant + components @ surface.linear.T + second


def set_no_limits(features):
    """Limits [2, F] that nothing reaches; finite, as all of a training state must be."""
    return jnp.full((2, features), 1e6).at[0].multiply(-1.0)


def intend_features(expected, scatter, limits, noise):
    """What a nodule is meant to show [..., F]: expected features, moved as the noise says, within what was seen.

    Args:
      expected: [..., F].
      scatter: [F, F] factor that correlates the first F values of the noise: what genes do not determine.
      limits: [2, F] lowest and highest value in any training patch; a sum of tails would ask for nodules beyond.
      noise: [..., Z].
    """
    return jnp.clip(expected + noise[..., : len(scatter)] @ scatter.T, limits[0], limits[1])
