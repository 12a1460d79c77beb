"""Discriminator: is the image real, is the image real with its mask, and do both match the genes?"""

import flax.linen as nn
import jax.numpy as jnp

from radiogenomics.models import layers, published_discriminator
from radiogenomics.models.results import Verdict


class Trunk(nn.Module):
    """Features [batch, channels] of an image [batch, *S, c]: spectrally normalised strided convolutions, summed."""

    ndim: int
    widths: tuple
    remat: bool = False  # whether features are computed again for the gradient
    dtype: str = "float32"

    @nn.compact
    def __call__(self, image, update_stats):
        def look(layer, features):
            return layers.leaky_relu(layer(features, update_stats=update_stats))

        features, look = image, layers.repeatable(look, self.remat)
        for depth, channels in enumerate(self.widths):
            layer = layers.convolution(self.ndim, channels, stride=1 if depth == 0 else 2, dtype=self.dtype)
            features = look(nn.SpectralNorm(layer), features)
        return features.astype(jnp.float32).mean(axis=tuple(range(1, features.ndim - 1)))


class Discriminator(nn.Module):
    """Two trunks, three heads; genes enter by projection (Miyato and Koyama 2018)."""

    ndim: int
    widths: tuple
    gene_hidden: int
    remat: bool = False  # whether the trunks' features are computed again for the gradient
    dtype: str = "float32"  # of the convolutions; heads and scores stay float32

    def setup(self):
        self.image_trunk = Trunk(self.ndim, self.widths, self.remat, self.dtype)
        self.pair_trunk = Trunk(self.ndim, self.widths, self.remat, self.dtype)
        self.image_head, self.pair_head, self.match_head = (nn.SpectralNorm(nn.Dense(1)) for _ in range(3))
        self.gene_layers = [nn.SpectralNorm(nn.Dense(channels)) for channels in (self.gene_hidden, self.widths[-1])]

    def __call__(self, image, mask, components, update_stats):
        """Verdict on image and mask [batch, *S, 1], both in -1..1, and components [batch, K]."""
        return self.judge(self.features(image, mask, update_stats), components, update_stats)

    def features(self, image, mask, update_stats):
        """Features ([batch, channels], [batch, channels]) of the image and of the image with its mask."""
        pair = jnp.concatenate([image, mask], axis=-1)
        return self.image_trunk(image, update_stats), self.pair_trunk(pair, update_stats)

    def judge(self, features, components, update_stats):
        """Verdict from features; judging several gene profiles against one image repeats only this part."""
        of_image, of_pair = features
        hidden = layers.leaky_relu(self.gene_layers[0](components, update_stats=update_stats))
        embedding = self.gene_layers[1](hidden, update_stats=update_stats)
        projection = (of_pair * embedding).sum(-1)
        return Verdict(
            image=self.image_head(of_image, update_stats=update_stats)[:, 0],
            pair=self.pair_head(of_pair, update_stats=update_stats)[:, 0],
            match=projection + self.match_head(of_pair, update_stats=update_stats)[:, 0],
        )


def make_discriminator(config):
    """The discriminator that the configuration describes; `make_generator` checks its settings."""
    if config.model.architecture == "published":
        return published_discriminator.make_discriminator(config)
    widths = tuple(config.model.discriminator_width * 2**scale for scale in range(config.model.scales))
    return Discriminator(
        config.data.ndim, widths, config.model.encoder_hidden, config.model.remat, config.model.dtype
    )
