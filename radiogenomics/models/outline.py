"""Outline of the nodule: a star-shaped boundary whose size and spectrum the style sets and whose shape the noise draws.

log r(direction) = log r0 + growth + sum over degrees l of amplitude_l v_l . Y_l(direction): Y_l are the Fourier series
(2-D) or the real spherical harmonics (3-D) of degree l, v_l a unit vector. Genes can make a nodule larger, longer or
spikier, but not choose where it points: that is the noise's.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

DEGREES = {2: range(2, 13), 3: range(2, 9)}  # degree 1 would only move the nodule
RADIUS = 0.15  # r0, share of the patch side
STEEPNESS = 1.5  # logits of the mask a voxel
AMPLITUDE = 0.05  # at the start


class Outline(nn.Module):
    """Distance [batch, *S, 1] in voxels along the ray from the centre to the outline, positive inside."""

    ndim: int
    size: int

    @nn.compact
    def __call__(self, style, noise):
        distance, tables = directions(self.size, self.ndim)
        small = nn.initializers.normal(0.005)
        growth = nn.Dense(1, kernel_init=small)(style)
        amplitudes = nn.Dense(len(tables), kernel_init=small, bias_init=nn.initializers.constant(AMPLITUDE))(style)
        widths = [table.shape[-1] for table in tables]
        drawn = jnp.split(nn.Dense(sum(widths), use_bias=False)(noise), np.cumsum(widths)[:-1], axis=-1)
        vectors = [vector * jax.lax.rsqrt(jnp.square(vector).sum(-1, keepdims=True) + 1e-6) for vector in drawn]
        weights = jnp.repeat(amplitudes, np.array(widths), axis=-1, total_repeat_length=sum(widths))
        relief = jnp.tensordot(weights * jnp.concatenate(vectors, -1), np.concatenate(tables, -1), axes=(-1, -1))
        radius = RADIUS * self.size * jnp.exp(growth.reshape(-1, *(1,) * self.ndim) + relief)
        return (radius - distance)[..., None]


def ball(size, ndim):
    """The same distance [*S, 1] for a ball of the first radius."""
    return (RADIUS * size - directions(size, ndim)[0])[..., None]


def directions(size, ndim):
    """Distance from the centre [*S] in voxels, and per degree the harmonics [*S, columns], each of mean square 1 / 2
    over the circle (2-D), together of sum of squares 1 in every direction (3-D)."""
    axis = np.arange(size) + 0.5 - size / 2
    grids = np.meshgrid(*[axis] * ndim, indexing="ij")
    distance = np.sqrt(sum(np.square(grid) for grid in grids))
    azimuth = np.arctan2(grids[-2], grids[-1])
    if ndim == 2:
        tables = [np.stack([np.cos(degree * azimuth), np.sin(degree * azimuth)], axis=-1) for degree in DEGREES[2]]
    else:
        polar = np.arccos(grids[0] / distance)
        tables = [_spherical(degree, polar, azimuth) for degree in DEGREES[3]]
    return distance.astype(np.float32), [table.astype(np.float32) for table in tables]


def _spherical(degree, polar, azimuth):
    """Real spherical harmonics [*S, 2 degree + 1]; the squares of all columns sum to 1 (Unsoeld's theorem)."""
    values = [special.sph_harm_y(degree, order, polar, azimuth) for order in range(degree + 1)]
    columns = [values[0].real] + [np.sqrt(2) * part for value in values[1:] for part in (value.real, value.imag)]
    return np.stack(columns, axis=-1) * np.sqrt(4 * np.pi / (2 * degree + 1))
