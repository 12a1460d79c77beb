"""A made-up run without a trained generator: discs and balls of random size, attenuation and texture in noisy lung."""

import pathlib
import types

import ml_collections
import numpy as np

from radiogenomics.analysis import samples
from radiogenomics.data.cohort import Patches

WINDOW_HU = (-1000.0, 500.0)
NAMES = ("equivalent_diameter_mm", "mean_hu", "sd_hu", "elongation")


def make_run(ndim=2, patients=24, slices=3, size=16, folds=2, seed=0):
    """A run with everything that measures of likeness and rivals read."""
    generator = np.random.default_rng(seed)
    image_hu, mask = make_nodules(generator, ndim, patients, slices, size)
    owners = np.repeat(np.arange(patients), slices).astype(np.int32)
    lung_hu = make_lung(generator, (patients, *(size,) * ndim))
    cohort = types.SimpleNamespace(
        patients=tuple(f"P{row:02d}" for row in range(patients)),
        spacing_mm=2.0,
        nodules=Patches(image_hu.astype(np.int16), mask.astype(np.uint8), owners, np.zeros(len(owners), np.int32)),
        backgrounds=Patches(
            lung_hu.astype(np.int16), None, np.arange(patients, dtype=np.int32), np.zeros(patients, np.int32)
        ),
    )
    components = generator.standard_normal((patients, 3))
    parts = np.array_split(np.arange(patients), folds)
    return types.SimpleNamespace(
        workdir=pathlib.Path("nowhere"),
        cohort=cohort,
        folds=tuple(
            types.SimpleNamespace(
                held_out=rows, training=np.setdiff1d(np.arange(patients), rows), components=components
            )
            for rows in parts
        ),
        config=ml_collections.ConfigDict({
            "seed": 0,
            "data": {"ndim": ndim, "window_hu": WINDOW_HU},
            "model": {"noise_size": 2},
            "evaluate": {"backgrounds": 2, "noises": 3, "bootstraps": 100},
        }),
    )


def make_lung(generator, shape):
    """Lung parenchyma with noise, in HU."""
    return -850.0 + 30.0 * generator.standard_normal(shape)


def make_nodules(generator, ndim, patients, slices, size):
    """Images [patients * slices, *S] in HU and masks, patient by patient."""
    axes = np.stack(np.meshgrid(*[np.arange(size) - (size - 1) / 2] * ndim, indexing="ij"))
    shape = (patients, slices, *(1,) * ndim)
    radius = generator.uniform(2.5, 5.0, shape[:1])[:, None] + generator.normal(0.0, 0.2, shape[:2])
    stretch = generator.uniform(1.0, 1.4, shape[:1])[:, None].reshape(patients, *(1,) * (ndim + 1))
    distance = np.sqrt(np.square(axes[0]) * stretch + np.square(axes[1:]).sum(axis=0))
    mask = distance < radius.reshape(shape)
    inside = generator.uniform(-500.0, 50.0, shape[0]).reshape(shape[0], *(1,) * (ndim + 1))
    grain = generator.uniform(20.0, 120.0, shape[0]).reshape(shape[0], *(1,) * (ndim + 1))
    nodule = inside + grain * generator.standard_normal(mask.shape)
    image = np.where(mask, nodule, make_lung(generator, mask.shape)).round()
    return image.reshape(-1, *image.shape[2:]), mask.reshape(-1, *mask.shape[2:])


def make_samples(run, seed=1, names=NAMES):
    """Samples as of a perfect generator: new nodules of the same kind, six of each patient."""
    ndim, size, patients = run.config.data.ndim, run.cohort.nodules.mask.shape[-1], len(run.cohort.patients)
    image_hu, mask = make_nodules(np.random.default_rng(seed), ndim, patients, 6, size)
    return [
        samples.measure_sample(
            run, names, row, image_hu[6 * row : 6 * row + 6], mask[6 * row : 6 * row + 6].astype(np.float32),
            image_hu[6 * row : 6 * row + 6],
        )
        for row in range(patients)
    ]


def empty_samples(run, names=NAMES):
    """Samples as of a generator that makes no nodule."""
    return [
        sample._replace(mask=np.zeros_like(sample.mask), features=np.full_like(sample.features, np.nan))
        for sample in make_samples(run, names=names)
    ]
