"""The published generator (Xu et al., PMLR 121:857, 2020); or the same with MC-GAN's fusion (Park et al., BMVC 2018).

What the paper leaves open is inferred from the authors' number of parameters, 44,077,952 for 5172 genes at 128 x 128:
no layer but the normalisation has a bias, kernels are 3 wide, both convolutions of a fusion block have twice its
channels, and a layer before a gated linear unit makes twice what the unit returns. The layers below hold 43,430,048.
The other 647,904 are what the authors built and never used, and fit a style head (573,440) and a fusion block (74,112)
at full resolution and a second first convolution (352); they are left out.

Batch normalisation couples the patients of a batch in training; at evaluation running statistics stand in for them.
"""

import math

import flax.linen as nn
import jax.numpy as jnp

from radiogenomics.errors import InputError
from radiogenomics.models import layers
from radiogenomics.models.results import Synthesis

BLOCK_LEAK = 0.02
UNBIASED = {"use_bias": False, "kernel_init": nn.initializers.orthogonal()}  # every convolution and linear map


class Mapper(nn.Module):
    """Code [batch, code_size] of standardised genes [batch, K]: two linear maps without bias."""

    code_size: int
    hidden: int

    @nn.compact
    def __call__(self, components):
        return _dense(self.code_size)(layers.leaky_relu(_dense(self.hidden)(components)))


class BackgroundEncoder(nn.Module):
    """Features of the background [batch, *S, 1] at half the resolution and below, finest first; linear throughout."""

    ndim: int
    widths: tuple

    @nn.compact
    def __call__(self, background, training):
        features, pyramid = background, []
        for depth, channels in enumerate(self.widths):
            features = _convolution(self.ndim, channels, stride=2 if depth else 1)(features)
            features = _batch_norm(training)(features)
            pyramid.append(features)
        return pyramid[1:]


class StyleHead(nn.Module):
    """A map [batch, *S, channels] at the coarsest resolution, made of code and noise [batch, C + Z]."""

    shape: tuple  # *S
    channels: int

    @nn.compact
    def __call__(self, style, training):
        features = _batch_norm(training)(_dense(2 * self.channels * math.prod(self.shape))(style))
        return nn.glu(features.reshape(len(style), *self.shape, 2 * self.channels))


class GatedBlock(nn.Module):
    """Fuses features, background and style [batch, *S, C]; returns [batch, *2S, C / 2]."""

    style_after_gate: bool

    @nn.compact
    def __call__(self, features, background, style, training):
        objects, gate = _separate(features, training)
        fused = blend(objects, 0.5 * (jnp.tanh(gate) + 1.0), background, style, self.style_after_gate)
        return _enlarge(fused, training)


class McganBlock(nn.Module):
    """Adds the gated background [batch, *S, C] to the features; genes and noise have no other way in than those."""

    @nn.compact
    def __call__(self, features, background, training):
        objects, gate = _separate(features, training)
        return _enlarge(objects + background * nn.sigmoid(gate), training)


def blend(objects, gate, background, style, style_after_gate):
    """Background where the gate is 1 and styled objects where it is 0, all [batch, *S, C].

    Styling means adaptive instance normalisation (Huang and Belongie 2017): each channel of the objects takes mean and
    SD of the style map's. As published it comes after the gate, and the mean refills what the gate had shut out; before
    the gate, nothing of the style passes where the gate is 1.
    """
    if style_after_gate:
        return _restyle(objects * (1.0 - gate), style) + background * gate
    return _restyle(objects, style) * (1.0 - gate) + background * gate


def _restyle(features, style, epsilon=1e-5):
    axes = tuple(range(1, style.ndim - 1))
    mean, variance = style.mean(axes, keepdims=True), style.var(axes, keepdims=True)
    return layers.instance_norm(features) * jnp.sqrt(variance + epsilon) + mean


class Generator(nn.Module):
    """Genes and background fused at every scale; `training` normalises by the batch, else by running statistics.

    The mask is the squashed last channel. With `double_tanh`, as published, it is squashed once more before it blends
    foreground and background, so that either keeps at least 11.9 % everywhere and the mask is not the blending weight.
    With the fusion "mcgan" nothing is blended: the image is the foreground.
    """

    shape: tuple  # *S of the coarsest scale
    widths: tuple  # channels per scale, finest first; all but the finest fuse
    code_size: int
    hidden: int
    fusion: str
    double_tanh: bool
    style_after_gate: bool

    def setup(self):
        ndim, fused = len(self.shape), self.widths[:0:-1]
        mcgan = self.fusion == "mcgan"
        self.mapper = Mapper(self.code_size, self.hidden)
        self.background_encoder = BackgroundEncoder(ndim, self.widths)
        self.style_heads = [StyleHead(self.shape, channels) for channels in (fused[:1] if mcgan else fused)]
        self.blocks = [McganBlock() if mcgan else GatedBlock(self.style_after_gate) for _ in fused]
        self.head = _convolution(ndim, 2)

    def __call__(self, background, components, noise, training=False):
        """Synthesis from background [batch, *S, 1], components [batch, K] and noise [batch, Z]."""
        return self.decode(background, self.encode(components), noise, training)

    def encode(self, components):
        """The gene code [batch, code_size]: the narrow cut through which the Jacobian is taken."""
        return self.mapper(components)

    def decode(self, background, code, noise, training=False):
        """Synthesis from a gene code."""
        style = jnp.concatenate([code, noise], axis=-1)
        pyramid = self.background_encoder(background, training)[::-1]
        maps = [head(style, training) for head in self.style_heads]
        fuse = self._fuse_mcgan if self.fusion == "mcgan" else self._fuse_gated
        foreground, channel = jnp.split(jnp.tanh(self.head(fuse(pyramid, maps, training))), 2, axis=-1)
        mask = 0.5 * (channel + 1.0)
        if self.fusion == "mcgan":
            return Synthesis(foreground, mask, foreground)
        weight = 0.5 * (jnp.tanh(channel) + 1.0) if self.double_tanh else mask
        return Synthesis(foreground * weight + background * (1.0 - weight), mask, foreground)

    def _fuse_gated(self, pyramid, maps, training):
        # At the coarsest scale the roles are swapped: the background is convolved, and the genes' map is gated.
        features = self.blocks[0](pyramid[0], maps[0], maps[0], training)
        for block, background, style in zip(self.blocks[1:], pyramid[1:], maps[1:], strict=True):
            features = block(features, background, style, training)
        return features

    def _fuse_mcgan(self, pyramid, maps, training):
        features = maps[0]
        for block, background in zip(self.blocks, pyramid, strict=True):
            features = block(features, background, training)
        return features


def _separate(features, training):
    """Objects and gate logits, both of the shape of the features [batch, *S, C]."""
    ndim, channels = features.ndim - 2, 2 * features.shape[-1]
    hidden = _batch_norm(training)(_convolution(ndim, channels)(features))
    both = _batch_norm(training)(_convolution(ndim, channels)(nn.leaky_relu(hidden, BLOCK_LEAK)))
    return jnp.split(both, 2, axis=-1)


def _enlarge(features, training):
    """Twice the resolution, half the channels."""
    ndim, channels = features.ndim - 2, features.shape[-1]
    features = layers.upsampling_convolution(ndim, channels, **UNBIASED)(features)
    return nn.glu(_batch_norm(training)(features))


def _dense(units):
    return nn.Dense(units, **UNBIASED)


def _convolution(ndim, channels, stride=1):
    return layers.convolution(ndim, channels, stride, **UNBIASED)


def _batch_norm(training):
    return nn.BatchNorm(use_running_average=not training, momentum=0.9)


def make_generator(config):
    """The published generator in the size that the configuration describes; its `model.scales` is 4.

    InputError where size and scales do not fit, or for an unknown fusion.
    """
    if config.model.fusion not in ("own", "mcgan"):
        raise InputError(f"model.fusion: '{config.model.fusion}'; expected 'own' or 'mcgan'.")
    factor = 2**config.model.scales
    # One voxel would have no spread for the style to take.
    if config.data.size % factor or config.data.size < 2 * factor:
        raise InputError(
            f"data.size: {config.data.size} cannot be halved {config.model.scales} times to 2 or more voxels, as the "
            f"published architecture does; expected a multiple of {factor}, or fewer model.scales."
        )
    return Generator(
        shape=(config.data.size // factor,) * config.data.ndim,
        widths=tuple(config.model.width * 2**scale for scale in range(config.model.scales + 1)),
        code_size=config.model.code_size,
        hidden=config.model.encoder_hidden,
        fusion=config.model.fusion,
        double_tanh=config.model.double_tanh,
        style_after_gate=config.model.style_after_gate,
    )
