"""Placement on devices; eight devices against one are compared by the launcher's tests."""

import jax
import numpy as np
import pytest

from radiogenomics.errors import InputError
from radiogenomics.train import sharding


def test_arrays_keep_their_values():
    mesh = sharding.make_mesh(8)
    tree = {"a": np.arange(12.0).reshape(3, 4), "b": np.arange(8).reshape(1, 8)}
    for place in (sharding.replicate, sharding.shard_batch):
        placed = place(tree, mesh)
        jax.tree.map(np.testing.assert_array_equal, placed, tree)
    assert sharding.over_batch(mesh).spec == jax.sharding.PartitionSpec(None, "data")


def test_batch_must_divide_among_the_devices(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 3)
    with pytest.raises(InputError, match="train.batch_size: 8 cannot be shared by 3 devices"):
        sharding.make_mesh(8)
