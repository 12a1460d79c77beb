"""Differentiable maximum diameter: the largest of the expected widths of a soft mask along fixed directions.

Every voxel is taken to be there with a probability that is its weight, independently. The expected width along a
direction is then a sum over steps of one voxel of the probability that something lies at or above the step and
something at or below it, the complement of a product over voxels: a matrix product of logarithms. It needs no sharpness
constant, is exact on binary masks, and a voxel's influence is bounded by the width of the patch.
"""

import jax
import jax.numpy as jnp
import numpy as np

DIRECTIONS = 12  # over half a circle; the widest of them is at most 0.9 % less than the diameter
AZIMUTHS = 8  # 3-D: half planes through the first axis ...
ELEVATIONS = 8  # ... each with so many directions
SURE = 0.99  # probability of a voxel of weight 1; keeps logarithms finite
SOFTNESS = 0.5  # voxels between widths that share the maximum


def measure_widths(weight):
    """Expected widths [K], in voxels, of the mask `weight` [*S] (0..1, 2-D or 3-D); a voxel is one wide, nothing 0."""
    absence = -jnp.log1p(-SURE * weight)
    if weight.ndim == 2:
        return _widths_in_plane(absence, DIRECTIONS)
    planes = jnp.stack([_project(absence, angle) for angle in np.arange(AZIMUTHS) * np.pi / AZIMUTHS])
    return jax.vmap(lambda plane: _widths_in_plane(plane, ELEVATIONS))(planes).ravel()


def smooth_maximum(values):
    """Mean of `values` [K] weighted towards the largest by a softmax; between their mean and their maximum."""
    return jax.nn.softmax(values / SOFTNESS) @ values


def _widths_in_plane(absence, count):
    """Widths [count] along angles over half a circle of `absence` [H, W], minus the logarithm of not being there."""
    angles = np.arange(count) * np.pi / count
    positions, steps = _locate(absence.shape, angles)
    reach = _reach(positions[:, None] - steps[:, None]).reshape(-1, absence.size)  # [count * T, H * W]
    both = jnp.stack([absence.ravel(), absence[::-1, ::-1].ravel()], 1)  # turned by half a circle: from the other end
    above, below = 1.0 - jnp.exp(-jnp.moveaxis((reach @ both).reshape(count, len(steps), 2), 2, 0))
    return (above * below[:, ::-1]).sum(1)


def _locate(shape, angles):
    """Positions [K, S] of the voxels of a plane along `angles`, and the steps [T] that hold all of them."""
    rows, columns = (np.arange(size) - (size - 1) / 2.0 for size in shape)
    positions = np.cos(angles)[:, None, None] * rows[:, None] + np.sin(angles)[:, None, None] * columns
    last = int(np.ceil(np.hypot(rows[-1], columns[-1])))
    return positions.reshape(len(angles), -1), np.arange(-last, last + 1.0)


def _reach(excess):
    """Share of a sure voxel's `absence` that counts at a step, so that its probability falls linearly beyond it."""
    inside = np.clip(excess + 1.0, 0.0, 1.0)
    return (np.log1p(-SURE * inside) / np.log1p(-SURE)).astype(np.float32)


def _project(absence, angle):
    """Sums [Z, T] of `absence` [Z, Y, X] along the lines across `angle` in the plane of the last two axes."""
    positions, steps = _locate(absence.shape[1:], np.array([angle]))
    return absence.reshape(len(absence), -1) @ _reach(-np.abs(positions[0][:, None] - steps))
