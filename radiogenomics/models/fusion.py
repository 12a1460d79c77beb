"""Fusion of genes and background at one scale."""

import flax.linen as nn
import jax.numpy as jnp

from radiogenomics.models import layers, phases


class Modulation(nn.Module):
    """Per-channel scale and shift of normalised features by a style vector (FiLM, Perez et al. 2018)."""

    @nn.compact
    def __call__(self, features, style):
        channels = features.shape[-1]
        scale_shift = nn.Dense(2 * channels)(style)
        spatial = (1,) * (features.ndim - 2)
        scale, shift = jnp.split(scale_shift.reshape(len(style), *spatial, 2 * channels), 2, axis=-1)
        return layers.instance_norm(features) * (1.0 + scale) + shift


class FusionBlock(nn.Module):
    """Object features meet background features [batch, *S, channels] of one scale; a style modulates the result.

    The two are added, not stacked: stacking cost twice the time on a CPU. With `gated` the object features decide how
    much of the background passes (MC-GAN, Park et al. 2018).
    """

    ndim: int
    channels: int
    doubled: bool  # whether the object features come from the next coarser scale
    gated: bool = False
    dtype: str = "float32"  # of the convolutions; normalisation and style stay float32

    @nn.compact
    def __call__(self, features, background, style):
        features = layers.convolution(self.ndim, self.channels, kernel=1, dtype=self.dtype)(features)
        if self.doubled:
            features = phases.upsample(features)
        if self.gated:
            gate = layers.convolution(self.ndim, self.channels, dtype=self.dtype)(features)
            background = background * nn.sigmoid(gate)
        merged = background + features
        for _ in range(2):
            # No bias: the normalisation that follows would remove it.
            merged = layers.convolution(self.ndim, self.channels, use_bias=False, dtype=self.dtype)(merged)
            merged = layers.leaky_relu(Modulation()(merged, style))
        return merged
