"""Hounsfield units to network units and back."""

import jax.numpy as jnp


def scale_hu(image_hu, window_hu):
    """Clips HU to the window and scales it to -1..1; any shape."""
    low, high = window_hu
    return (jnp.clip(jnp.asarray(image_hu, jnp.float32), low, high) - low) * (2.0 / (high - low)) - 1.0


def to_hu(image, window_hu):
    """The inverse of `scale_hu` inside the window; any shape."""
    low, high = window_hu
    return (image + 1.0) * ((high - low) / 2.0) + low
