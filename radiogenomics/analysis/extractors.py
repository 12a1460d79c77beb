"""Feature extractors of nodule crops that need no download: a fixed random network, and one trained without labels.

Both are one small convolutional network. They see the nodule and MARGIN_MM around it (`crops`), real and synthesised
alike, as two channels: intensity from 0 (blank, lower end of the window) to 1, and the mask.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from radiogenomics.analysis import crops
from radiogenomics.models import layers

MARGIN_MM = 3.0
CHUNK = 256  # patches embedded at once
STEPS, BATCH, TEMPERATURE, PROJECTION = 150, 32, 0.2, 32
JITTER, NOISE = 0.05, 0.01  # SDs of a view's brightness and of its voxel noise, as shares of the window
SHIFT = 2  # voxels of a view, either way along every axis
OPTIMISER = optax.adam(2e-3)


class NoduleEncoder(nn.Module):
    """Features [batch, 2 * sum(channels)] of crops [batch, *S, 2]: mean and SD of every channel at every scale."""

    channels: tuple = (16, 32, 64)

    @nn.compact
    def __call__(self, crop):
        ndim, features = crop.ndim - 2, []
        for channels in self.channels:
            crop = layers.leaky_relu(layers.convolution(ndim, channels, stride=2)(crop))
            axes = tuple(range(1, ndim + 1))
            features += [crop.mean(axes), jnp.sqrt(crop.var(axes) + 1e-8)]
        return jnp.concatenate(features, axis=-1)


ENCODER = NoduleEncoder()


def random_weights(ndim, seed=0):
    """Parameters of the untrained encoder, the same in every run, so that distances can be compared between runs."""
    return _initialise(jax.random.key(seed), ndim)["encoder"]


def train_weights(images_hu, masks, owners, training_sets, spacing_mm, window_hu, seed):
    """Parameters of one encoder for each of `training_sets` (rows of patients), trained on their real nodules only.

    Contrastive learning (SimCLR, Chen et al. 2020): two views of a nodule, turned, shifted, brightened and with noise,
    shall be told from other patients' nodules. A batch holds a patient at most once. All sets share one compiled step.

    Args:
      images_hu: [N, *S] HU; masks: [N, *S]; owners: [N] rows of patients.
      training_sets: list of arrays of patients.
      spacing_mm: voxel edge; window_hu: (low, high); seed: integer.
    """
    crop = make_crops(images_hu, masks, spacing_mm, window_hu)
    size = min(BATCH, *(len(patients) for patients in training_sets))
    return [_train(crop, owners, patients, size, seed) for patients in training_sets]


def _train(crop, owners, patients, size, seed):
    generator = np.random.default_rng(seed)
    slices = [np.flatnonzero(owners == patient) for patient in patients]
    params = _initialise(jax.random.key(seed), crop.ndim - 2)
    state = OPTIMISER.init(params)
    for _ in range(STEPS):
        chosen = np.array([generator.choice(slices[index]) for index in generator.permutation(len(patients))[:size]])
        views = [_make_view(crop[chosen], generator) for _ in range(2)]
        params, state = _step(params, state, np.concatenate(views))
    return params["encoder"]


@functools.partial(jax.jit, static_argnums=1)
def _initialise(key, ndim):
    encoder_key, projection_key = jax.random.split(key)
    encoder = ENCODER.init(encoder_key, jnp.zeros((1, *(8,) * ndim, 2)))["params"]
    width = 2 * sum(ENCODER.channels)
    return {"encoder": encoder, "projection": jax.random.normal(projection_key, (width, PROJECTION)) / width**0.5}


@jax.jit
def _step(params, state, views):
    updates, state = OPTIMISER.update(jax.grad(contrast)(params, views), state)
    return optax.apply_updates(params, updates), state


def contrast(params, views):
    """Contrastive loss of crops [2 * batch, *S, 2], a view of each and then another: cross entropy of the partner."""
    codes = ENCODER.apply({"params": params["encoder"]}, views) @ params["projection"]
    codes = codes / (jnp.linalg.norm(codes, axis=-1, keepdims=True) + 1e-6)
    likeness = codes[: len(views) // 2] @ codes[len(views) // 2 :].T / TEMPERATURE
    partner = jnp.arange(len(likeness))
    return sum(
        optax.softmax_cross_entropy_with_integer_labels(table, partner).mean() for table in (likeness, likeness.T)
    )


def _make_view(crop, generator):
    """Crops [n, *S, 2] turned and shifted all alike, each brightened by itself; in NumPy, with nothing to compile."""
    axes = tuple(range(1, crop.ndim - 1))
    turned = crop.transpose(0, *generator.permutation(axes), crop.ndim - 1)
    turned = np.flip(turned, [axis for axis in axes if generator.random() < 0.5])
    turned = np.roll(turned, generator.integers(-SHIFT, SHIFT + 1, len(axes)), axes)
    image, mask = turned[..., :1], turned[..., 1:]
    light = JITTER * generator.standard_normal((len(crop), *(1,) * (crop.ndim - 1)), np.float32)
    changed = image + light + NOISE * generator.standard_normal(image.shape, np.float32)
    return np.concatenate([np.where(image > 0, changed, image), mask], axis=-1)  # blank stays blank


def make_crops(images_hu, masks, spacing_mm, window_hu):
    """Input of the encoder [n, *S, 2] float32 from images [n, *S] in HU and masks [n, *S]."""
    low, high = window_hu
    margin = int(round(MARGIN_MM / spacing_mm))
    image_hu, mask = crops.crop_nodules(images_hu, masks, low, margin)
    image = (np.clip(image_hu, low, high) - low) / (high - low)
    return np.stack([image, mask], axis=-1).astype(np.float32)


def embed(params, images_hu, masks, spacing_mm, window_hu):
    """Features [n, F] float64 of images [n, *S] in HU and masks [n, *S]; NaN where the mask is empty."""
    parts = []
    for begin in range(0, len(images_hu), CHUNK):
        part = slice(begin, begin + CHUNK)
        crop = make_crops(images_hu[part], masks[part], spacing_mm, window_hu)
        # One shape, so that the encoder is compiled once.
        padded = np.pad(crop, [(0, CHUNK - len(crop))] + [(0, 0)] * (crop.ndim - 1))
        features = np.asarray(_apply(params, padded), np.float64)[: len(crop)]
        features[~crop[..., 1].any(axis=tuple(range(1, crop.ndim - 1)))] = np.nan
        parts.append(features)
    return np.concatenate(parts)


@jax.jit
def _apply(params, crop):
    return ENCODER.apply({"params": params}, crop)
