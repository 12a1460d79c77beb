"""Generator G(b, c, z): a nodule and its mask, synthesised into a nodule-free background patch.

    generator = make_generator(config)
    variables = generator.init(key, background, components, noise)
    synthesis = generator.apply(variables, background, components, noise)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from radiogenomics.errors import InputError
from radiogenomics.models import encoder, fusion, grain, layers, outline, published_generator, response
from radiogenomics.models.results import Synthesis

# The sigmoid is stretched by this margin and clipped, so that the mask reaches 0 and 1 exactly.
MASK_MARGIN = 0.05
EDGE_VOXELS = 3.0  # around the outline, within which the distance to it is told precisely


class BackgroundEncoder(nn.Module):
    """Spatial features of the background at every scale, finest first."""

    ndim: int
    widths: tuple
    dtype: str = "float32"

    @nn.compact
    def __call__(self, background):
        first = layers.convolution(self.ndim, self.widths[0], dtype=self.dtype)
        pyramid = [layers.leaky_relu(first(background))]
        for channels in self.widths[1:]:
            coarser = layers.convolution(self.ndim, channels, stride=2, dtype=self.dtype)
            pyramid.append(layers.leaky_relu(coarser(pyramid[-1])))
        return pyramid


class Generator(nn.Module):
    """Genes and background fused at every scale; outside the mask the background is untouched, exactly."""

    ndim: int
    size: int
    widths: tuple  # channels per scale, finest first
    code_size: int
    encoder_hidden: int
    gene_scales: int = 0  # coarsest scales at which genes enter; 0: all
    features: int = 0  # of the response surface that the code starts with; 0: no surface
    outlined: bool = False  # whether the mask starts as an outline, not as a ball
    grain: int = 0  # channels of white noise
    gated: bool = False  # whether the background passes a gate, as in MC-GAN
    remat: bool = False  # whether the scales' features are computed again for the gradient
    dtype: str = "float32"  # of the convolutions; style, outline, mask and image stay float32

    def setup(self):
        coarsest = self.size // 2 ** (len(self.widths) - 1)
        self.encoder = encoder.GeneEncoder(self.code_size, self.encoder_hidden, self.features)
        self.background_encoder = BackgroundEncoder(self.ndim, self.widths, self.dtype)
        self.seed = self.param("seed", nn.initializers.normal(1.0), (*(coarsest,) * self.ndim, self.widths[-1]))
        self.blocks = [
            fusion.FusionBlock(self.ndim, channels, depth > 0, self.gated, self.dtype)
            for depth, channels in enumerate(reversed(self.widths))
        ]
        self.head = layers.convolution(self.ndim, 2, kernel=1)
        if self.features:
            self.scatter = self.variable("response", "scatter", jnp.zeros, (self.features, self.features))
            self.limits = self.variable("response", "limits", response.set_no_limits, self.features)
        if self.outlined:
            self.outline = outline.Outline(self.ndim, self.size)

    def __call__(self, background, components, noise):
        """Synthesis from background [batch, *S, 1], components [batch, K] and noise [batch, Z]."""
        return self.decode(background, self.encode(components), noise)

    def encode(self, components):
        """The gene code [batch, code_size]: the narrow cut through which the Jacobian is taken."""
        return self.encoder(components)

    def decode(self, background, code, noise):
        """Synthesis from a gene code."""
        style = self._style(code, noise)
        distance = self._distance(style, noise)
        pyramid = self.background_encoder(self._surroundings(background, distance, noise))
        features = jnp.broadcast_to(self.seed, (len(background), *self.seed.shape))
        fuse = layers.repeatable(lambda block, *given: block(*given), self.remat)
        for depth, (block, spatial) in enumerate(zip(self.blocks, reversed(pyramid), strict=True)):
            with_genes = not self.gene_scales or depth < self.gene_scales
            features = fuse(block, features, spatial, style if with_genes else noise)
        intensity, logit = jnp.split(self.head(features), 2, axis=-1)
        foreground = jnp.tanh(intensity)
        mask = full_range_mask(logit + outline.STEEPNESS * distance)
        return Synthesis(foreground * mask + background * (1.0 - mask), mask, foreground)

    def _style(self, code, noise):
        """What modulates every scale: intended features (expected ones, scattered by the noise), code, noise."""
        if not self.features:
            return jnp.concatenate([code, noise], axis=-1)
        expected, learned = jnp.split(code, [self.features], axis=-1)
        intended = response.intend_features(expected, self.scatter.value, self.limits.value, noise)
        return jnp.concatenate([intended, learned, noise], axis=-1)

    def _distance(self, style, noise):
        """Distance in voxels from the first guess of the nodule's boundary, positive inside."""
        if self.outlined:
            return self.outline(style, noise)
        return outline.ball(self.size, self.ndim)

    def _surroundings(self, background, distance, noise):
        """What the background encoder sees [batch, *S, channels]."""
        parts = [background]
        if self.outlined:
            parts.append(jnp.tanh(distance / EDGE_VOXELS))
        if self.grain:
            # The last values of the noise, because the first stand for deviations of image features.
            parts.append(grain.shift_grain(self.size, self.ndim, self.grain, noise[:, -self.ndim :]))
        return jnp.concatenate(parts, axis=-1)


def full_range_mask(logit):
    """Sigmoid stretched to [-margin, 1 + margin] and clipped: 0 and 1 are reached, with one squashing only."""
    return jnp.clip((1.0 + 2.0 * MASK_MARGIN) * jax.nn.sigmoid(logit) - MASK_MARGIN, 0.0, 1.0)


def make_generator(config):
    """The generator that the configuration describes; InputError where size, scales and architecture do not fit."""
    if config.data.ndim not in (2, 3):
        raise InputError(f"data.ndim: {config.data.ndim}; expected 2 or 3.")
    if config.model.architecture == "published":
        return published_generator.make_generator(config)
    if config.model.architecture != "film":
        raise InputError(f"model.architecture: '{config.model.architecture}'; expected 'film' or 'published'.")
    factor = 2 ** (config.model.scales - 1)
    if config.data.size % factor or config.data.size < 2 * factor:
        raise InputError(
            f"data.size: {config.data.size} cannot be halved {config.model.scales - 1} times to 2 or more voxels; "
            f"expected a multiple of {factor}, or fewer model.scales."
        )
    if config.model.dtype not in ("float32", "bfloat16"):
        raise InputError(f"model.dtype: '{config.model.dtype}'; expected 'float32' or 'bfloat16'.")
    if config.model.fusion not in ("own", "mcgan"):
        raise InputError(f"model.fusion: '{config.model.fusion}'; expected 'own' or 'mcgan'.")
    if not 0 <= config.model.gene_scales <= config.model.scales:
        raise InputError(
            f"model.gene_scales: {config.model.gene_scales}; expected 0 (all) to model.scales, {config.model.scales}."
        )
    features = len(config.train.radiomic_features) if config.model.response else 0
    check_response(config, features)
    return Generator(
        ndim=config.data.ndim,
        size=config.data.size,
        widths=tuple(config.model.width * 2**scale for scale in range(config.model.scales)),
        code_size=config.model.code_size,
        encoder_hidden=config.model.encoder_hidden,
        gene_scales=1 if config.model.fusion == "mcgan" else config.model.gene_scales,
        features=features,
        outlined=config.model.outline,
        grain=config.model.grain,
        gated=config.model.fusion == "mcgan",
        remat=config.model.remat,
        dtype=config.model.dtype,
    )


def check_response(config, features):
    """InputError where the response surface of `features` image features does not fit the other settings."""
    if features and config.genes.front_end == "none":
        raise InputError(
            "model.response: True with genes.front_end 'none'; products of all genes are too many, expected a front "
            "end, or model.response=False."
        )
    if features >= min(config.model.code_size, config.model.noise_size):
        raise InputError(
            f"model.code_size, model.noise_size: {config.model.code_size}, {config.model.noise_size}; the response "
            f"surface fills the first {features} values of each with the train.radiomic_features, expected more."
        )
