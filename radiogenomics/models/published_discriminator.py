"""The published discriminator (Xu et al., PMLR 121:857, 2020): image, image with mask, and both against the gene code.

What the paper leaves open is inferred from the authors' 8,560,131 parameters at 128 x 128, which the layers below hold
exactly: convolutions are 4 wide and without bias, the first of each encoder is not normalised, a convolution 3 wide
joins features and code, and each head has a bias. Scores are not squashed.
"""

import flax.linen as nn
import jax.numpy as jnp

from radiogenomics.models import layers
from radiogenomics.models.results import Verdict


class Encoder(nn.Module):
    """Features [batch, ..., *s, widths[-1]] of images [batch, ..., *S, c]: every layer halves the resolution."""

    ndim: int
    widths: tuple

    @nn.compact
    def __call__(self, image):
        features = image
        for depth, channels in enumerate(self.widths):
            features = _convolution(self.ndim, channels, stride=2, kernel=4)(features)
            features = layers.leaky_relu(_batch_norm(self.ndim)(features) if depth else features)
        return features


class Discriminator(nn.Module):
    """Two encoders, three heads. Asked in training only, so it normalises by the batch and keeps no statistics.

    Several batches may be asked about at once, along a second axis; each is normalised by itself.
    """

    shape: tuple  # *s of the features
    widths: tuple

    def setup(self):
        ndim = len(self.shape)
        self.image_encoder, self.pair_encoder = Encoder(ndim, self.widths), Encoder(ndim, self.widths)
        self.join, self.norm = _convolution(ndim, self.widths[-1]), _batch_norm(ndim)
        self.image_head, self.pair_head, self.match_head = (
            nn.Conv(1, self.shape, padding="VALID", kernel_init=nn.initializers.orthogonal()) for _ in range(3)
        )

    def __call__(self, image, mask, code):
        """Verdict on image and mask [batch, ..., *S, 1], both in -1..1, and the gene code [batch, C]."""
        pair, match = self.judge_pair(image, mask, code)
        return Verdict(image=self.judge_image(image), pair=pair, match=match)

    def judge_image(self, image):
        """Scores [batch, ...] of the image."""
        return self._score(self.image_head, self.image_encoder(image))

    def judge_pair(self, image, mask, code):
        """Scores ([batch, ...], [batch, ...]) of the image with its mask, and of both with the gene code."""
        of_pair = self.pair_encoder(jnp.concatenate([image, mask], axis=-1))
        tiled = code.reshape(len(code), *(1,) * (of_pair.ndim - 2), -1)
        tiled = jnp.broadcast_to(tiled, (*of_pair.shape[:-1], code.shape[-1]))
        joined = layers.leaky_relu(self.norm(self.join(jnp.concatenate([of_pair, tiled], axis=-1))))
        return self._score(self.pair_head, of_pair), self._score(self.match_head, joined)

    def _score(self, head, features):
        return head(features).reshape(features.shape[: -1 - len(self.shape)])


def _convolution(ndim, channels, **kwargs):
    return layers.convolution(ndim, channels, use_bias=False, kernel_init=nn.initializers.orthogonal(), **kwargs)


def _batch_norm(ndim):
    """Batch normalisation by the batch itself, over examples and voxels."""
    axes = (0, *range(-1 - ndim, -1))
    return nn.LayerNorm(reduction_axes=axes, feature_axes=-1, epsilon=1e-5)


def make_discriminator(config):
    """The published discriminator in the size that the configuration describes; its `model.scales` is 4."""
    widths = tuple(config.model.discriminator_width * 2**scale for scale in range(config.model.scales))
    return Discriminator((config.data.size // 2**config.model.scales,) * config.data.ndim, widths)
