"""Where in the patch a factor of the phantom really changes the image: the truth that maps of pixels are held to."""

import numpy as np

from radiogenomics.data import patches, phantom_images


def factor_changes(config, nodules):
    """Per factor the root mean square change [size, size] in HU of the central slice from one factor SD below the mean
    to one above, with everything else of the nodule the same.

    The nodule lies alone in even lung, seen by the kernel of batch 1, without noise; the mean is over `nodules` nodules
    with random shapes and other factors, each turned by quarters and mirrored, as nodules lie.

    Args:
      config: the configuration of a phantom; reads `phantom` and `data`.
      nodules: how many.

    Returns:
      {factor: [size, size]}, for all of `phantom_images.FACTORS`.
    """
    squares = {name: 0.0 for name in phantom_images.FACTORS}
    for number in range(nodules):
        values = np.random.default_rng([config.seed, number]).standard_normal(len(squares))
        own = dict(zip(squares, values, strict=True))
        for name in squares:
            low, high = (_central_slice(config, own | {name: value}, number) for value in (-1.0, 1.0))
            squares[name] = squares[name] + _turned(np.square(high - low))
    return {name: np.sqrt(total / nodules) for name, total in squares.items()}


def _turned(image):
    """Mean of an image over quarter turns and mirror images."""
    return np.mean([np.rot90(side, turn) for side in (image, image.T) for turn in range(4)], axis=0)


def _central_slice(config, factors, number):
    """[size, size] HU; the same number gives the same chances, whatever the factors."""
    streams = (np.random.default_rng([config.seed, number, part]) for part in (1, 2))
    volume, center = phantom_images.draw_nodule(config, factors, *streams)
    size = config.data.size
    return patches.cut_patch(volume, phantom_images.SPACING_MM, center, config.data.extent_mm, size)[size // 2]
