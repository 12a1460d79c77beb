"""Differentiable augmentation of what the discriminator sees (Zhao et al. 2020): real and synthesised alike.

Flips and small shifts only: the same for image and mask, and Hounsfield units stay what they are.
"""

import jax
import jax.numpy as jnp


def augment(image, mask, key, ndim, translate):
    """Flips and shifts image and mask [batch, *S, 1] together, one draw an example.

    `translate` is the largest shift as a share of the patch side; the border is repeated where the patch moves away.
    """
    pair = jnp.concatenate([image, mask], axis=-1)
    flip_key, shift_key = jax.random.split(key)
    flips = jax.random.bernoulli(flip_key, 0.5, (len(pair), ndim))
    reach = int(round(translate * image.shape[1]))
    shifts = jax.random.randint(shift_key, (len(pair), ndim), -reach, reach + 1)
    pair = jax.vmap(lambda example, flip, shift: _flip_and_shift(example, flip, shift, ndim, reach))(
        pair, flips, shifts
    )
    return pair[..., :1], pair[..., 1:]


def _flip_and_shift(example, flip, shift, ndim, reach):
    size = example.shape[:ndim]
    for axis in range(ndim):
        example = jnp.where(flip[axis], jnp.flip(example, axis), example)
    padded = jnp.pad(example, [(reach, reach)] * ndim + [(0, 0)], mode="edge")
    start = (*(reach + shift[axis] for axis in range(ndim)), 0)
    return jax.lax.dynamic_slice(padded, start, (*size, example.shape[-1]))
