"""Differentiable augmentation of what the discriminator sees (Zhao et al. 2020): real and synthesised alike.

Flips and small shifts only: the same for image and mask, and Hounsfield units stay what they are.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Moves(NamedTuple):
    """How each example of a batch is moved."""

    flips: jax.Array  # [batch, ndim] bool
    shifts: jax.Array  # [batch, ndim] int, voxels


def draw_moves(key, count, size, ndim, translate):
    """Moves of `count` patches of `size` voxels; `translate` is the largest shift as a share of the patch side."""
    flip_key, shift_key = jax.random.split(key)
    reach = _reach(translate, size)
    return Moves(
        jax.random.bernoulli(flip_key, 0.5, (count, ndim)),
        jax.random.randint(shift_key, (count, ndim), -reach, reach + 1),
    )


def augment(image, mask, moves, translate):
    """Image and mask [batch, *S, 1], flipped and shifted together; the border is repeated where the patch moves away.

    `translate` as the moves were drawn with.
    """
    pair = jnp.concatenate([image, mask], axis=-1)
    reach = _reach(translate, image.shape[1])
    pair = jax.vmap(lambda example, flip, shift: _flip_and_shift(example, flip, shift, reach))(pair, *moves)
    return pair[..., :1], pair[..., 1:]


def _reach(translate, size):
    return int(round(translate * size))


def _flip_and_shift(example, flip, shift, reach):
    size, ndim = example.shape[:-1], example.ndim - 1
    for axis in range(ndim):
        example = jnp.where(flip[axis], jnp.flip(example, axis), example)
    padded = jnp.pad(example, [(reach, reach)] * ndim + [(0, 0)], mode="edge")
    start = (*(reach + shift[axis] for axis in range(ndim)), 0)
    return jax.lax.dynamic_slice(padded, start, (*size, example.shape[-1]))
