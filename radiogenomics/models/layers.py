"""Layers shared by generator and discriminator, for 2-D and 3-D alike: the kernel's rank decides."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from radiogenomics.models import cpu_convolution

LEAK = 0.2


def leaky_relu(features):
    """LeakyReLU with slope 0.2."""
    return nn.leaky_relu(features, LEAK)


def convolution(ndim, channels, stride=1, kernel=3, **kwargs):
    """An `nn.Conv` with `ndim` spatial axes and 'SAME' padding."""
    return nn.Conv(
        channels, (kernel,) * ndim, strides=(stride,) * ndim, padding="SAME",
        conv_general_dilated=cpu_convolution.convolve, **kwargs,
    )


def upsampling_convolution(ndim, channels, kernel=3, **kwargs):
    """An `nn.Conv` with 'SAME' padding of features whose spatial axes are doubled first (`phases.upsample`)."""
    return nn.Conv(
        channels, (kernel,) * ndim, padding="SAME", conv_general_dilated=cpu_convolution.convolve_doubled, **kwargs
    )


def repeatable(function, again):
    """`function(layer, *arrays)` of a Linen module; with `again` nothing inside is kept for the gradient, but computed
    again."""
    return nn.remat(function) if again else function


def instance_norm(features, epsilon=1e-5):
    """Zero mean and SD 1 of each channel over the spatial axes, float32; never couples the patients of a batch."""
    features = features.astype(jnp.float32)
    axes = tuple(range(1, features.ndim - 1))
    mean = features.mean(axes, keepdims=True)
    variance = jnp.square(features - mean).mean(axes, keepdims=True)
    return (features - mean) * jax.lax.rsqrt(variance + epsilon)
