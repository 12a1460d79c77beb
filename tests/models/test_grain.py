"""The grain: white noise, moved by the noise vector, the same for the same vector."""

import jax.numpy as jnp
import numpy as np

from radiogenomics.models.grain import shift_grain


def test_noise_moves_the_field_around():
    noise = jnp.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    fields = np.asarray(shift_grain(16, 2, 3, noise))
    assert fields.shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(fields[0], fields[2])
    assert (fields[0] != fields[1]).any()
    shift = int(np.floor(0.8413447 * 16)) - 8
    np.testing.assert_array_equal(np.roll(fields[0], shift, axis=1), fields[1])


def test_volumes_and_extreme_noise():
    field = np.asarray(shift_grain(8, 3, 2, jnp.array([[9.0, -9.0, 0.3]])))
    assert field.shape == (1, 8, 8, 8, 2) and np.isfinite(field).all() and 0.9 < field.std() < 1.1
