"""The initial state."""

import jax
import numpy as np

from radiogenomics.train import sharding


def test_average_starts_as_the_generator_but_owns_its_buffers(trainer):
    key = jax.device_put(jax.random.key(3), sharding.replicated(trainer.mesh))
    state, again = trainer.create(key), trainer.create(key)
    assert int(state.step) == 0
    for mean, parameter in zip(jax.tree.leaves(state.ema), jax.tree.leaves(state.generator), strict=True):
        np.testing.assert_array_equal(mean, parameter)
        assert mean.unsafe_buffer_pointer() != parameter.unsafe_buffer_pointer()
    jax.tree.map(np.testing.assert_array_equal, state, again)
    assert set(state.discriminator) == {"params", "batch_stats"}
