"""The default networks and their losses written plainly in PyTorch (2-D), all that a training step does included.

A rival of models/generator.py, models/discriminator.py and train/steps.py in the speed suite, imported only where
PyTorch is installed. Layers hold the same parameters; strided convolutions pad both sides, as PyTorch's do.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from radiogenomics import settings
from radiogenomics.benchmark import torch_features
from radiogenomics.models import generator as ours
from radiogenomics.models import grain, outline


def convolution(given, channels, stride=1, kernel=3, bias=True):
    """A convolution that keeps, or divides by `stride`, the sides of [batch, C, H, W]."""
    return nn.Conv2d(given, channels, kernel, stride, padding=kernel // 2, bias=bias)


class GeneEncoder(nn.Module):
    """Code [batch, code_size] of components: expected image features, then what is learned."""

    def __init__(self, components, code_size, hidden, features):
        super().__init__()
        self.register_buffer("constant", torch.zeros(features))
        self.register_buffer("linear", torch.zeros(features, components))
        self.register_buffer("quadratic", torch.zeros(features, components, components))
        seen = components + features
        self.hidden = nn.Linear(seen, hidden)
        self.direct, self.indirect = nn.Linear(seen, code_size - features), nn.Linear(hidden, code_size - features)

    def expect(self, components):
        """Image features [batch, F] that the response surface expects."""
        second = torch.einsum("bi,fij,bj->bf", components, self.quadratic, components)
        return self.constant + components @ self.linear.T + second

    def forward(self, components):
        expected = self.expect(components)
        seen = torch.cat([components, expected], 1)
        hidden = functional.leaky_relu(self.hidden(seen), 0.2)
        return torch.cat([expected, self.direct(seen) + self.indirect(hidden)], 1)


class FusionBlock(nn.Module):
    """Object features meet background features of one scale; a style modulates the result."""

    def __init__(self, given, channels, style, doubled):
        super().__init__()
        self.doubled = doubled
        self.enter = convolution(given, channels, kernel=1)
        self.layers = nn.ModuleList(convolution(channels, channels, bias=False) for _ in range(2))
        self.styles = nn.ModuleList(nn.Linear(style, 2 * channels) for _ in range(2))

    def forward(self, features, background, style):
        features = self.enter(features)
        if self.doubled:
            features = functional.interpolate(features, scale_factor=2.0)
        merged = background + features
        for layer, modulate in zip(self.layers, self.styles, strict=True):
            scale, shift = modulate(style)[:, :, None, None].chunk(2, 1)
            merged = functional.instance_norm(layer(merged)) * (1.0 + scale) + shift
            merged = functional.leaky_relu(merged, 0.2)
        return merged


class Outline(nn.Module):
    """Distance [batch, 1, H, W] in voxels along the ray from the centre to the outline, positive inside."""

    def __init__(self, size, style, noise):
        super().__init__()
        distance, tables = outline.directions(size, 2)
        self.radius = outline.RADIUS * size
        self.register_buffer("distance", torch.from_numpy(distance))
        self.register_buffer("harmonics", torch.from_numpy(np.concatenate(tables, -1)))
        self.growth, self.amplitudes = nn.Linear(style, 1), nn.Linear(style, len(tables))
        self.vectors = nn.Linear(noise, 2 * len(tables), bias=False)

    def forward(self, style, noise):
        drawn = self.vectors(noise).unflatten(1, (-1, 2))
        vectors = drawn * torch.rsqrt(drawn.square().sum(-1, keepdim=True) + 1e-6)
        weights = (self.amplitudes(style)[..., None] * vectors).flatten(1)
        relief = torch.einsum("bk,hwk->bhw", weights, self.harmonics)
        return (self.radius * torch.exp(self.growth(style)[:, :, None] + relief) - self.distance)[:, None]


class Generator(nn.Module):
    """Image and mask [batch, 1, H, W] from background, components and noise."""

    def __init__(self, config, components):
        super().__init__()
        model, size = config.model, config.data.size
        widths = [model.width * 2**scale for scale in range(model.scales)]
        features = len(config.train.radiomic_features)
        style = model.code_size + model.noise_size
        self.encoder = GeneEncoder(components, model.code_size, model.encoder_hidden, features)
        self.register_buffer("scatter", torch.zeros(features, features))
        self.register_buffer("limits", torch.tensor([[-1e6], [1e6]]).repeat(1, features))
        self.outline = Outline(size, style, model.noise_size)
        field = grain.shift_grain(size, 2, model.grain, -100.0 * np.ones((1, 2), np.float32))[0]
        self.register_buffer("field", torch.tensor(np.asarray(field)).permute(2, 0, 1).contiguous())
        self.pyramid = nn.ModuleList(
            convolution(given, channels, 2 if depth else 1)
            for depth, (given, channels) in enumerate(zip([2 + model.grain, *widths[:-1]], widths, strict=True))
        )
        coarsest = size // 2 ** (model.scales - 1)
        self.seed = nn.Parameter(torch.randn(1, widths[-1], coarsest, coarsest))
        reversed_widths = widths[::-1]
        self.blocks = nn.ModuleList(
            FusionBlock(given, channels, style, depth > 0)
            for depth, (given, channels) in enumerate(
                zip([widths[-1], *reversed_widths[:-1]], reversed_widths, strict=True)
            )
        )
        self.head = convolution(widths[0], 2, kernel=1)

    def intend(self, expected, noise):
        """What a nodule is meant to show [batch, F]."""
        return torch.clamp(expected + noise[:, : len(self.scatter)] @ self.scatter.T, self.limits[0], self.limits[1])

    def forward(self, background, components, noise):
        code, count = self.encoder(components), len(self.scatter)
        style = torch.cat([self.intend(code[:, :count], noise), code[:, count:], noise], 1)
        distance = self.outline(style, noise)
        grains = shift_field(self.field, noise[:, -2:])
        features, pyramid = torch.cat([background, torch.tanh(distance / ours.EDGE_VOXELS), grains], 1), []
        for layer in self.pyramid:
            features = functional.leaky_relu(layer(features), 0.2)
            pyramid.append(features)
        features = self.seed.expand(len(background), -1, -1, -1)
        for block, spatial in zip(self.blocks, pyramid[::-1], strict=True):
            features = block(features, spatial, style)
        intensity, logit = self.head(features).chunk(2, 1)
        inside = torch.sigmoid(logit + outline.STEEPNESS * distance)
        mask = torch.clamp((1.0 + 2.0 * ours.MASK_MARGIN) * inside - ours.MASK_MARGIN, 0.0, 1.0)
        return torch.tanh(intensity) * mask + background * (1.0 - mask), mask


def shift_field(field, noise):
    """A field [C, H, W] rolled for each example by what noise [batch, 2] draws: [batch, C, H, W]."""
    size = field.shape[-1]
    shifts = torch.floor(torch.special.ndtr(noise) * size).long()
    places = (torch.arange(size, device=field.device) - shifts[:, :, None]) % size
    return field[:, places[:, 0, :, None], places[:, 1, None, :]].transpose(0, 1)


class Trunk(nn.ModuleList):
    """Features [batch, C] of an image: spectrally normalised strided convolutions, averaged over the patch."""

    def __init__(self, given, widths):
        super().__init__(
            spectral_norm(convolution(before, channels, 2 if depth else 1))
            for depth, (before, channels) in enumerate(zip([given, *widths[:-1]], widths, strict=True))
        )

    def forward(self, features):
        for layer in self:
            features = functional.leaky_relu(layer(features), 0.2)
        return features.mean((2, 3))


class Discriminator(nn.Module):
    """Two trunks, three heads; genes enter by projection."""

    def __init__(self, config, components):
        super().__init__()
        widths = [config.model.discriminator_width * 2**scale for scale in range(config.model.scales)]
        self.image_trunk, self.pair_trunk = Trunk(1, widths), Trunk(2, widths)
        self.heads = nn.ModuleList(spectral_norm(nn.Linear(widths[-1], 1)) for _ in range(3))
        self.genes = nn.Sequential(
            spectral_norm(nn.Linear(components, config.model.encoder_hidden)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Linear(config.model.encoder_hidden, widths[-1])),
        )

    def forward(self, image, mask):
        return self.image_trunk(image), self.pair_trunk(torch.cat([image, mask], 1))

    def judge(self, features, components):
        """Scores [batch] of image, image with mask, and match with the genes."""
        of_image, of_pair = features
        projection = (of_pair * self.genes(components)).sum(1)
        image, pair, match = self.heads
        return image(of_image)[:, 0], pair(of_pair)[:, 0], projection + match(of_pair)[:, 0]


def make_networks(config, components):
    """(generator, discriminator) in the size that the configuration describes."""
    return Generator(config, components), Discriminator(config, components)


def look(config, discriminator, image, mask):
    """Discriminator features of image and mask (0..1), flipped and shifted at random, one draw an example."""
    pair, size = torch.cat([image, 2.0 * mask - 1.0], 1), image.shape[-1]
    reach = int(round(config.train.translate * size))
    shifts = torch.randint(-reach, reach + 1, (len(pair), 2, 1), device=pair.device)
    flips = torch.rand(len(pair), 2, 1, device=pair.device) < 0.5
    places = torch.clamp(torch.arange(size, device=pair.device) + shifts, 0, size - 1)  # the border is repeated
    places = torch.where(flips, size - 1 - places, places)
    pair = pair.gather(2, places[:, 0, None, :, None].expand_as(pair))
    pair = pair.gather(3, places[:, 1, None, None, :].expand_as(pair))
    return discriminator(pair[:, :1], pair[:, 1:])


def synthesise(config, generator, discriminator, batch):
    """(image, mask) of a batch."""
    return generator(batch["background"], batch["mixed_components"], batch["noise"])


def discriminator_loss(config, generator, discriminator, batch, image, mask):
    """Hinge loss of three heads on real, synthesised (detached) and mismatched examples."""
    of_real = look(config, discriminator, batch["real"], batch["real_mask"])
    of_fake = look(config, discriminator, image, mask)
    real = discriminator.judge(of_real, batch["components"])
    fake = discriminator.judge(of_fake, batch["mixed_components"])
    mismatched = discriminator.judge(of_real, batch["other_components"])
    match = 0.5 * (_hinge(real[2], fake[2]) + _hinge(real[2], mismatched[2]))
    return _hinge(real[0], fake[0]) + _hinge(real[1], fake[1]) + match


def generator_loss(config, generator, discriminator, batch, image, mask):
    """Adversarial, match and radiomic terms."""
    verdict = discriminator.judge(look(config, discriminator, image, mask), batch["mixed_components"])
    low, high = config.data.window_hu
    image_hu = (image[:, 0].float() + 1.0) * ((high - low) / 2.0) + low
    values = torch_features.soft_features(image_hu, mask[:, 0].float(), settings.spacing_mm(config))
    radiomic = (values - batch["target_mean"]) / batch["target_sd"]
    intended = generator.intend(generator.encoder.expect(batch["mixed_components"]), batch["noise"])
    return (
        -config.train.adversarial_weight * (verdict[0].mean() + verdict[1].mean())
        - config.train.match_weight * verdict[2].mean()
        + config.train.radiomic_weight * functional.huber_loss(radiomic, intended, delta=2.0)
    )


def _hinge(real, fake):
    return functional.relu(1.0 - real).mean() + functional.relu(1.0 + fake).mean()
