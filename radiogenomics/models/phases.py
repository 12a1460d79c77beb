"""Phases of an image: every n-th voxel along each axis, of which there are n times n. Of them strided convolutions are
dense ones."""

import jax.numpy as jnp


def upsample(features):
    """Nearest-neighbour doubling of the spatial axes of [batch, *S, channels]."""
    for axis in range(1, features.ndim - 1):
        features = jnp.repeat(features, 2, axis=axis)
    return features


def split(features, kernel, stride):
    """Features [batch, y / stride, x / stride, stride^2 C] and kernel that need no stride.

    All sides of features [batch, y, x, C] and kernel [y, x, C, O] are multiples of the stride.
    """
    batch, height, width, channels = features.shape
    blocks = features.reshape(batch, height // stride, stride, width // stride, stride, channels)
    features = blocks.swapaxes(2, 3).reshape(batch, height // stride, width // stride, -1)
    height, width, _, returned = kernel.shape
    blocks = kernel.reshape(height // stride, stride, width // stride, stride, channels, returned)
    return features, blocks.swapaxes(1, 2).reshape(height // stride, width // stride, -1, returned)
