"""Weights of soft masks, and means that stay finite without any."""

import jax.numpy as jnp


def sharpen(mask, sharpness):
    """The mask with its logits multiplied by `sharpness`, written without logits, which are infinite at 0 and 1."""
    inside, outside = mask**sharpness, (1.0 - mask) ** sharpness
    return inside / (inside + outside)


def weighted_mean(values, weight):
    """Mean over the patch; a weight of less than one voxel shrinks it towards zero."""
    return (weight * values).sum() / jnp.maximum(weight.sum(), 1.0)


def magnitude(square):
    """Square root with a slope that is finite at zero."""
    return jnp.sqrt(square + 1e-6) - 1e-3
