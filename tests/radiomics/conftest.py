"""Nodules with independent, known factors: ellipses with spikes, a core, texture, blurred edges and noise."""

import numpy as np
import pytest
from scipy import ndimage

SPACING_MM = 1.5
SIZE = 32
FINE = 4  # subdivisions of a voxel edge when a shape is drawn
LUNG_HU = -850.0
RANGES = {
    "diameter_mm": (6.0, 28.0),
    "level_hu": (-400.0, 150.0),
    "spikes": (0.0, 0.3),
    "axis_ratio": (0.5, 1.0),
    "core_hu": (-300.0, 100.0),
    "texture_hu": (5.0, 100.0),
    "edge_mm": (0.5, 2.0),
}


def draw_coverage(generator, factors):
    """[SIZE, SIZE] share of each voxel inside the shape, and the same for its half-size core."""
    axis = (np.arange(SIZE * FINE) + 0.5) / FINE - SIZE / 2
    y, x = np.meshgrid(axis - generator.uniform(-0.5, 0.5), axis - generator.uniform(-0.5, 0.5), indexing="ij")
    turn, phase = generator.uniform(0.0, np.pi, 2)
    stretch = np.sqrt(factors["axis_ratio"])
    u = (x * np.cos(turn) + y * np.sin(turn)) * stretch
    v = (y * np.cos(turn) - x * np.sin(turn)) / stretch
    boundary = 1.0 + factors["spikes"] * np.cos(generator.integers(4, 8) * (np.arctan2(v, u) + phase))
    boundary = boundary / np.sqrt(1.0 + factors["spikes"] ** 2 / 2.0)  # keeps the area
    radius = np.hypot(u, v) * SPACING_MM / (factors["diameter_mm"] / 2.0)
    return [shape.reshape(SIZE, FINE, SIZE, FINE).mean((1, 3)) for shape in (radius < boundary, radius < 0.5)]


def draw_nodule(generator):
    """Image [SIZE, SIZE] in HU, coverage [SIZE, SIZE] in 0..1, and the factors, drawn independently."""
    factors = {name: generator.uniform(*bounds) for name, bounds in RANGES.items()}
    coverage, core = draw_coverage(generator, factors)
    blur = factors["edge_mm"] / SPACING_MM / 2.0
    texture = ndimage.gaussian_filter(generator.normal(size=(SIZE, SIZE)), 0.7)
    tissue = factors["level_hu"] + factors["core_hu"] * ndimage.gaussian_filter(core, blur)
    tissue += factors["texture_hu"] * texture / texture.std()
    image = LUNG_HU + ndimage.gaussian_filter(coverage, blur) * (tissue - LUNG_HU)
    return image + generator.normal(0.0, 15.0, (SIZE, SIZE)), coverage, factors


@pytest.fixture(scope="session")
def nodules():
    """200 nodules: `image_hu`, `binary` and `soft` masks [200, S, S], and `factors`, name -> [200]."""
    generator = np.random.default_rng(8)
    images, coverages, factors = zip(*(draw_nodule(generator) for _ in range(200)), strict=True)
    soft = [ndimage.gaussian_filter(coverage, generator.uniform(0.4, 0.9)) for coverage in coverages]
    return {
        "image_hu": np.stack(images),
        "binary": np.stack(coverages) > 0.5,
        "soft": np.stack(soft),
        "spacing_mm": SPACING_MM,
        "factors": {name: np.array([each[name] for each in factors]) for name in RANGES},
    }


@pytest.fixture(scope="session")
def draw_ball():
    """A function of size, dimensions, radius and per-axis stretch (voxels): a boolean disc, ball or ellipsoid."""

    def draw(size, ndim, radius, stretch=1.0):
        axes = list(np.meshgrid(*[np.arange(size) - (size - 1) / 2] * ndim, indexing="ij"))
        axes[0] = axes[0] / stretch
        return sum(axis**2 for axis in axes) <= radius**2

    return draw
