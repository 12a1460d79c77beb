"""Generator G(b, c, z): a nodule and its mask, synthesised into a nodule-free background patch.

    generator = make_generator(config)
    params = generator.init(key, background, components, noise)
    synthesis = generator.apply(params, background, components, noise)
"""

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp

from radiogenomics.errors import InputError
from radiogenomics.models import encoder, fusion, layers

# The sigmoid is stretched by this margin and clipped, so that the mask reaches 0 and 1 exactly.
MASK_MARGIN = 0.05


@flax.struct.dataclass
class Synthesis:
    """What the generator returns; intensities are scaled to -1..1 (see data/window.py), channels last."""

    image: jax.Array  # [batch, *S, 1] foreground * mask + background * (1 - mask)
    mask: jax.Array  # [batch, *S, 1] in 0..1, both ends reached
    foreground: jax.Array  # [batch, *S, 1]


class BackgroundEncoder(nn.Module):
    """Spatial features of the background at every scale, finest first."""

    ndim: int
    widths: tuple

    @nn.compact
    def __call__(self, background):
        pyramid = [layers.leaky_relu(layers.convolution(self.ndim, self.widths[0])(background))]
        for channels in self.widths[1:]:
            pyramid.append(layers.leaky_relu(layers.convolution(self.ndim, channels, stride=2)(pyramid[-1])))
        return pyramid


class Generator(nn.Module):
    """Genes and background fused at every scale; outside the mask the background is untouched, exactly."""

    ndim: int
    size: int
    widths: tuple  # channels per scale, finest first
    code_size: int
    encoder_hidden: int

    def setup(self):
        coarsest = self.size // 2 ** (len(self.widths) - 1)
        self.encoder = encoder.GeneEncoder(self.code_size, self.encoder_hidden)
        self.background_encoder = BackgroundEncoder(self.ndim, self.widths)
        self.seed = self.param("seed", nn.initializers.normal(1.0), (*(coarsest,) * self.ndim, self.widths[-1]))
        self.blocks = [
            fusion.FusionBlock(self.ndim, channels, doubled=depth > 0)
            for depth, channels in enumerate(reversed(self.widths))
        ]
        self.head = layers.convolution(self.ndim, 2, kernel=1)

    def __call__(self, background, components, noise):
        """Synthesis from background [batch, *S, 1], components [batch, K] and noise [batch, Z]."""
        return self.decode(background, self.encode(components), noise)

    def encode(self, components):
        """The gene code [batch, code_size]: the narrow cut through which the Jacobian is taken."""
        return self.encoder(components)

    def decode(self, background, code, noise):
        """Synthesis from a gene code."""
        style = jnp.concatenate([code, noise], axis=-1)
        pyramid = self.background_encoder(background)
        features = jnp.broadcast_to(self.seed, (len(background), *self.seed.shape))
        for block, spatial in zip(self.blocks, reversed(pyramid), strict=True):
            features = block(features, spatial, style)
        intensity, logit = jnp.split(self.head(features), 2, axis=-1)
        foreground = jnp.tanh(intensity)
        mask = full_range_mask(logit + centre_prior(self.size, self.ndim))
        return Synthesis(foreground * mask + background * (1.0 - mask), mask, foreground)


def full_range_mask(logit):
    """Sigmoid stretched to [-margin, 1 + margin] and clipped: 0 and 1 are reached, with one squashing only."""
    return jnp.clip((1.0 + 2.0 * MASK_MARGIN) * jax.nn.sigmoid(logit) - MASK_MARGIN, 0.0, 1.0)


def centre_prior(size, ndim):
    """Initial mask logits [*S, 1]: the volume of interest is centred on the nodule, so the mask starts there."""
    axis = (jnp.arange(size) + 0.5) / size - 0.5
    radius = jnp.sqrt(sum(jnp.square(grid) for grid in jnp.meshgrid(*[axis] * ndim, indexing="ij")))
    return (3.0 * (1.0 - radius / 0.15))[..., None]


def make_generator(config):
    """The generator that the configuration describes; InputError where size and scales do not fit."""
    if config.data.ndim not in (2, 3):
        raise InputError(f"data.ndim: {config.data.ndim}; expected 2 or 3.")
    factor = 2 ** (config.model.scales - 1)
    if config.data.size % factor or config.data.size < 2 * factor:
        raise InputError(
            f"data.size: {config.data.size} cannot be halved {config.model.scales - 1} times to 2 or more voxels; "
            f"expected a multiple of {factor}, or fewer model.scales."
        )
    widths = tuple(config.model.width * 2**scale for scale in range(config.model.scales))
    return Generator(config.data.ndim, config.data.size, widths, config.model.code_size, config.model.encoder_hidden)
