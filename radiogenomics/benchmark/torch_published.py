"""The published networks and their training step (Xu et al., PMLR 121:857, 2020) written plainly in PyTorch.

A rival of models/published_*.py and train/published_objective.py in the speed suite, imported only where PyTorch is
installed.
Layers hold the same parameters; strided convolutions pad both sides, as PyTorch's do, where ours pad the far one.
"""

import torch
from torch import nn
from torch.nn import functional

EROSION = 5  # voxels along each side of the structuring element


def convolution(given, channels, stride=1, kernel=3):
    """A convolution without bias that keeps, or divides by `stride`, the sides of [batch, C, H, W]."""
    return nn.Conv2d(given, channels, kernel, stride, padding=(kernel - 1) // 2, bias=False)


class Generator(nn.Module):
    """Image and mask [batch, 1, H, W] from background, code and noise; with both published faults."""

    def __init__(self, config, genes):
        super().__init__()
        model = config.model
        widths = [model.width * 2**scale for scale in range(model.scales + 1)]
        fused, side = widths[:0:-1], config.data.size // 2**model.scales
        self.mapper = nn.Sequential(
            nn.Linear(genes, model.encoder_hidden, bias=False), nn.LeakyReLU(0.2),
            nn.Linear(model.encoder_hidden, model.code_size, bias=False),
        )
        self.pyramid = nn.ModuleList(
            nn.Sequential(convolution(given, channels, 2 if depth else 1), nn.BatchNorm2d(channels))
            for depth, (given, channels) in enumerate(zip([1, *widths[:-1]], widths, strict=True))
        )
        self.style_heads = nn.ModuleList(StyleHead(model.code_size + model.noise_size, c, side) for c in fused)
        self.blocks = nn.ModuleList(GatedBlock(channels) for channels in fused)
        self.head = convolution(widths[0], 2)

    def forward(self, background, code, noise):
        style = torch.cat([code, noise], 1)
        features, pyramid = background, []
        for layer in self.pyramid:
            features = layer(features)
            pyramid.append(features)
        maps = [head(style) for head in self.style_heads]
        features, backgrounds = pyramid[-1], [maps[0], *pyramid[-2:0:-1]]
        for block, spatial, each in zip(self.blocks, backgrounds, maps, strict=True):
            features = block(features, spatial, each)
        foreground, channel = torch.tanh(self.head(features)).chunk(2, 1)
        weight = 0.5 * (torch.tanh(channel) + 1.0)
        return foreground * weight + background * (1.0 - weight), 0.5 * (channel + 1.0)


class StyleHead(nn.Module):
    """A map [batch, C, h, w] made of code and noise."""

    def __init__(self, given, channels, side):
        super().__init__()
        self.shape = (2 * channels, side, side)
        self.layers = nn.Sequential(
            nn.Linear(given, 2 * channels * side**2, bias=False), nn.BatchNorm1d(2 * channels * side**2)
        )

    def forward(self, style):
        return functional.glu(self.layers(style).view(-1, *self.shape), 1)


class GatedBlock(nn.Module):
    """Fuses features, background and style map, styled after the gate; twice the resolution, half the channels."""

    def __init__(self, channels):
        super().__init__()
        self.separate = nn.Sequential(
            convolution(channels, 2 * channels), nn.BatchNorm2d(2 * channels), nn.LeakyReLU(0.02),
            convolution(2 * channels, 2 * channels), nn.BatchNorm2d(2 * channels),
        )
        self.enlarge = nn.Sequential(
            nn.Upsample(scale_factor=2), convolution(channels, channels), nn.BatchNorm2d(channels), nn.GLU(1)
        )

    def forward(self, features, background, style):
        objects, gate = self.separate(features).chunk(2, 1)
        gate = 0.5 * (torch.tanh(gate) + 1.0)
        variance, mean = torch.var_mean(style, (2, 3), correction=0, keepdim=True)
        styled = functional.instance_norm(objects * (1.0 - gate)) * torch.sqrt(variance + 1e-5) + mean
        return self.enlarge(styled + background * gate)


class Encoder(nn.Sequential):
    """Features of an image [batch, C, H, W]; every layer halves the resolution, all but the first are normalised."""

    def __init__(self, given, widths):
        layers = []
        for depth, channels in enumerate(widths):
            layers.append(convolution(given, channels, 2, 4))
            layers += [batch_norm(channels)] if depth else []
            layers.append(nn.LeakyReLU(0.2))
            given = channels
        super().__init__(*layers)


def batch_norm(channels):
    """Batch normalisation by the batch itself; a discriminator is asked in training only."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


class Discriminator(nn.Module):
    """Scores [batch] of the image, of the image with its mask (-1..1), and of both with the gene code."""

    def __init__(self, config):
        super().__init__()
        widths = [config.model.discriminator_width * 2**scale for scale in range(config.model.scales)]
        self.side = config.data.size // 2**config.model.scales
        self.image, self.pair = Encoder(1, widths), Encoder(2, widths)
        self.join = nn.Sequential(
            convolution(widths[-1] + config.model.code_size, widths[-1]), batch_norm(widths[-1]), nn.LeakyReLU(0.2)
        )
        self.heads = nn.ModuleList(nn.Conv2d(widths[-1], 1, self.side) for _ in range(3))

    def forward(self, image, mask, code):
        of_image, of_pair = self.image(image), self.pair(torch.cat([image, mask], 1))
        tiled = code[:, :, None, None].expand(-1, -1, self.side, self.side)
        features = (of_image, of_pair, self.join(torch.cat([of_pair, tiled], 1)))
        return [head(each).flatten() for head, each in zip(self.heads, features, strict=True)]


def make_networks(config, components):
    """(generator, discriminator) in the size that the configuration describes."""
    return Generator(config, components), Discriminator(config)


def synthesise(config, generator, discriminator, batch):
    """(image, mask, code) of a batch."""
    code = generator.mapper(batch["components"])
    return *generator(batch["background"], code, batch["noise"]), code


def discriminator_loss(config, generator, discriminator, batch, image, mask, code):
    """The four least-squares tuples: real, another patient's, another patient's mask, synthesised (detached)."""
    others = (batch["real"][batch["others"]], batch["real_mask"][batch["others"]])
    tuples = (
        ((1.0, 1.0, 1.0), batch["real"], batch["real_mask"]),
        ((1.0, 1.0, 0.0), *others),
        ((1.0, 0.0, 0.0), batch["real"], others[1]),
        ((0.0, 0.0, 0.0), image, mask),
    )
    return sum(
        _least_squares(config, discriminator(image, 2.0 * mask - 1.0, code), target) for target, image, mask in tuples
    )


def generator_loss(config, generator, discriminator, batch, image, mask, code):
    """The generator's least-squares terms and the L1 term outside of the dilated mask."""
    adversarial = _least_squares(config, discriminator(image, 2.0 * mask - 1.0, code), (1.0, 1.0, 1.0))
    nodule = (mask.detach() >= 0.5).float()
    eroded = 1.0 - functional.max_pool2d(nodule, EROSION, 1, EROSION // 2)
    background = ((image - batch["background"]).abs() * eroded).mean()
    return adversarial + config.train.background_weight * background


def _least_squares(config, scores, target):
    weights = (config.train.image_weight, config.train.pair_weight, config.train.match_weight)
    return sum(
        weight * (each - wanted).square().mean() for weight, each, wanted in zip(weights, scores, target, strict=True)
    )
