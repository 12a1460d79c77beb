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
    """Features [batch, *s, widths[-1]] of an image [batch, *S, c]: every layer halves the resolution."""

    widths: tuple

    @nn.compact
    def __call__(self, image):
        features, ndim = image, image.ndim - 2
        for depth, channels in enumerate(self.widths):
            features = _convolution(ndim, channels, stride=2, kernel=4)(features)
            features = layers.leaky_relu(_batch_norm(ndim)(features) if depth else features)
        return features


class Discriminator(nn.Module):
    """Two encoders, three heads. Asked in training only, so it normalises by the batch and keeps no statistics."""

    shape: tuple  # *s of the features
    widths: tuple

    @nn.compact
    def __call__(self, image, mask, code):
        """Verdict on image and mask [batch, *S, 1], both in -1..1, and the gene code [batch, C]."""
        ndim = len(self.shape)
        of_image = Encoder(self.widths)(image)
        of_pair = Encoder(self.widths)(jnp.concatenate([image, mask], axis=-1))
        tiled = jnp.broadcast_to(code.reshape(len(code), *(1,) * ndim, -1), (len(code), *self.shape, code.shape[-1]))
        joined = _convolution(ndim, self.widths[-1])(jnp.concatenate([of_pair, tiled], axis=-1))
        joined = layers.leaky_relu(_batch_norm(ndim)(joined))
        return Verdict(image=self._score(of_image), pair=self._score(of_pair), match=self._score(joined))

    def _score(self, features):
        head = nn.Conv(1, self.shape, padding="VALID", kernel_init=nn.initializers.orthogonal())
        return head(features).reshape(len(features))


def _convolution(ndim, channels, **kwargs):
    return layers.convolution(ndim, channels, use_bias=False, kernel_init=nn.initializers.orthogonal(), **kwargs)


def _batch_norm(ndim):
    """Batch normalisation by the batch itself, over examples and voxels."""
    return nn.LayerNorm(reduction_axes=tuple(range(ndim + 1)), feature_axes=-1, epsilon=1e-5)


def make_discriminator(config):
    """The published discriminator in the size that the configuration describes; its `model.scales` is 4."""
    widths = tuple(config.model.discriminator_width * 2**scale for scale in range(config.model.scales))
    return Discriminator((config.data.size // 2**config.model.scales,) * config.data.ndim, widths)
