"""Speed of image features: exact ones on one core against pyradiomics and mirp where they are installed, and soft ones.

Rivals compute the same families (first-order, shape, GLCM, GLRLM, GLSZM, NGTDM; 25 HU bins) of a few regions.
"""

import importlib
import importlib.metadata
import logging
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import SimpleITK
import threadpoolctl
from scipy import ndimage

from radiogenomics.benchmark.timing import time_calls
from radiogenomics.radiomics import batch_soft_features, feature_names, ibsi

SETTINGS = ibsi.Settings(bins=ibsi.FixedBinSize(25.0))
CASES = {2: (1000, 64, (8.0, 20.0)), 3: (100, 48, (10.0, 18.0))}  # regions, side, radii in voxels
RIVAL_REGIONS = {"pyradiomics": 20, "mirp": 2}
SOFT_PATCHES = 256
SPACING_MM = 1.0


def time_features():
    """Rows of the speed table: milliseconds a region on one core, ratios to rivals, memory, growth with patches."""
    rows = []
    with threadpoolctl.threadpool_limits(1):
        for ndim, (count, size, radii) in CASES.items():
            rows += _time_exact(ndim, *draw_regions(count, size, ndim, radii))
    return rows + _time_soft(*draw_regions(SOFT_PATCHES, *CASES[2][1:2], 2, CASES[2][2]))


def draw_regions(count, size, ndim, radii):
    """Made-up nodules: images [count, *S] in HU and boolean masks, ellipsoids with textured tissue in lung."""
    generator = np.random.default_rng(0)
    axes = np.meshgrid(*[np.arange(size) - (size - 1) / 2] * ndim, indexing="ij")
    images, masks = [], []
    for radius in generator.uniform(*radii, count):
        stretch = generator.uniform(0.8, 1.25, ndim)
        mask = sum((axis / each) ** 2 for axis, each in zip(axes, stretch, strict=True)) <= radius**2
        texture = ndimage.gaussian_filter(generator.standard_normal(mask.shape), 0.7)
        images.append(np.where(mask, -100.0 + 120.0 * texture / texture.std(), -850.0 + 60.0 * texture))
        masks.append(mask)
    return np.stack(images), np.stack(masks)


def _time_exact(ndim, images, masks):
    def measure(count):
        ibsi.extract_table(images[:count], masks[:count], SPACING_MM, range(count), SETTINGS)

    measure(2)
    count, part = len(images), len(images) // 4
    whole, quarter = _seconds(measure, count), _seconds(measure, part)
    tracemalloc.start()
    measure(count)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    ours = 1e3 * whole / count
    what = f"exact core families, {ndim}-D {'x'.join(map(str, images.shape[1:]))} (ms a region, one core)"
    growth = np.log(whole / quarter) / np.log(count / part)
    size = masks.sum() / count
    note = f"{count} regions of {size:.0f} voxels; peak {peak / 2**20:.0f} MiB; cost ~ regions^{growth:.2f}"
    rows = [{"what": what, "value": ours, "note": note}]
    for name, rival in {"pyradiomics": _time_pyradiomics, "mirp": _time_mirp}.items():
        if not _is_installed(name):
            logging.warning("%s is not installed: not timed", name)
            continue
        theirs = 1e3 * rival(images[: RIVAL_REGIONS[name]], masks[: RIVAL_REGIONS[name]])
        rows.append({"what": f"{name}, {ndim}-D (ms a region)", "value": theirs, "note": f"{theirs / ours:.1f}x ours"})
    return rows


def _is_installed(distribution):
    try:
        return bool(importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return False


def _time_pyradiomics(images, masks):
    """Seconds a region, read from memory, logging off."""
    radiomics = importlib.import_module("radiomics")
    radiomics.logger.setLevel(logging.CRITICAL)
    flat = images.ndim == 3
    settings = {"binWidth": 25, "force2D": flat, "force2Ddimension": 0}
    extractor = importlib.import_module("radiomics.featureextractor").RadiomicsFeatureExtractor(**settings)
    extractor.disableAllFeatures()
    for family in ("shape2D" if flat else "shape", "firstorder", "glcm", "glrlm", "glszm", "ngtdm"):
        extractor.enableFeatureClassByName(family)

    def measure(count):
        for image, mask in zip(images[:count], masks[:count], strict=True):
            arrays = [each[None] if flat else each for each in (image, mask.astype(np.uint8))]
            extractor.execute(*map(SimpleITK.GetImageFromArray, arrays))

    measure(1)
    return _seconds(measure, len(images)) / len(images)


def _time_mirp(images, masks):
    """Seconds a region, from arrays."""
    mirp = importlib.import_module("mirp")
    logging.getLogger().handlers, handlers = [logging.NullHandler()], logging.getLogger().handlers
    settings = {
        "base_discretisation_method": "fixed_bin_size",
        "base_discretisation_bin_width": 25.0,
        "resegmentation_intensity_range": [-1000.0, 3000.0],
        "by_slice": images.ndim == 3,
        "base_feature_families": ["morphology", "statistics", "glcm", "glrlm", "glszm", "ngtdm"],
        "image_modality": "ct",
    }

    def measure(count):
        for image, mask in zip(images[:count], masks[:count], strict=True):
            arrays = [each[None] if images.ndim == 3 else each for each in (image, mask.astype(np.uint8))]
            mirp.extract_features(image=arrays[0], mask=arrays[1], **settings)

    measure(1)
    seconds = _seconds(measure, len(images)) / len(images)
    logging.getLogger().handlers = handlers
    return seconds


def _time_soft(images, masks):
    names = feature_names(2)
    arrays = jnp.asarray(images, jnp.float32), jnp.asarray(masks, jnp.float32)

    @jax.jit
    def value_and_gradient(image, mask):
        def total(image, mask):
            values = batch_soft_features(image, mask, SPACING_MM, names)
            return (values / (1.0 + jnp.abs(jax.lax.stop_gradient(values)))).sum(), values

        return jax.grad(total, argnums=(0, 1), has_aux=True)(image, mask)

    compiled = value_and_gradient.lower(*arrays).compile()
    memory = compiled.memory_analysis().temp_size_in_bytes / 2**20
    jax.block_until_ready(compiled(*arrays))
    seconds = _seconds(lambda _: jax.block_until_ready(compiled(*arrays)), 0)
    what = f"soft features, {len(names)} with gradient, batch {len(images)} of 64x64 (ms a batch)"
    return [{"what": what, "value": 1e3 * seconds, "note": f"{len(images) / seconds:.0f} patches/s; {memory:.0f} MiB"}]


def _seconds(function, argument):
    """The faster of two calls: whatever else the machine does only adds."""
    return min(time_calls(function, argument, repeats=2))
