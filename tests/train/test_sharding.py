"""Placement on devices; eight devices against one are compared by the launcher's tests."""

import jax
import numpy as np
import pytest

from radiogenomics.errors import InputError
from radiogenomics.train import sharding


def test_arrays_keep_their_values():
    mesh = sharding.make_mesh(8)
    tree = {"a": np.arange(12.0).reshape(3, 1, 4), "b": np.arange(8).reshape(1, 1, 8)}
    for where in (sharding.replicated(mesh), sharding.over_batch(mesh)):
        jax.tree.map(np.testing.assert_array_equal, sharding.place(tree, where), tree)
    assert sharding.over_batch(mesh).spec == jax.sharding.PartitionSpec(None, "replica", "data")


def test_stacking_is_undone():
    stack, unstack = sharding.compile_stack(sharding.make_mesh(8))
    trees = [{"a": np.full((2, 3), number), "key": jax.random.key(number)} for number in range(3)]
    stacked = stack(trees)
    assert stacked["a"].shape == (3, 2, 3) and stacked["key"].shape == (3,)
    for before, after in zip(trees, unstack(stacked), strict=True):
        np.testing.assert_array_equal(before["a"], after["a"])
        assert before["key"] == after["key"]


@pytest.mark.parametrize(
    ("backend", "devices", "folds", "replicas"),
    [("cpu", 1, 5, 1), ("gpu", 1, 5, 5), ("cpu", 2, 5, 2), ("gpu", 2, 5, 6), ("cpu", 8, 5, 8), ("gpu", 8, 5, 8),
     ("gpu", 64, 5, 8), ("cpu", 6, 5, 6), ("cpu", 6, 2, 2)],
)
def test_folds_fill_the_devices(monkeypatch, backend, devices, folds, replicas):
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert sharding.count_replicas(0, folds) == replicas
    assert sharding.count_replicas(3, folds) == 3


def test_batch_must_divide_among_the_devices(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 6)
    with pytest.raises(InputError, match="train.batch_size: 8 cannot be shared by 3 devices"):
        sharding.make_mesh(8, replicas=2)
    with pytest.raises(InputError, match="8 cannot be shared by 1 devices in 3 parts .train.accumulate.; .* of 3"):
        sharding.make_mesh(8, replicas=6, parts=3)


def test_a_key_is_that_of_its_seed_and_a_copy_is_one_device_s():
    mesh = sharding.make_mesh(8)
    assert sharding.place_key(5, mesh) == jax.random.key(5)
    copy = sharding.own_copy(sharding.place({"a": np.arange(3.0)}, sharding.replicated(mesh)))
    assert len(copy["a"].devices()) == 1
    np.testing.assert_array_equal(copy["a"], [0.0, 1.0, 2.0])


def test_items_come_back_one_by_one_in_their_order():
    def weigh(shared, item):
        return {"sum": shared["weight"] @ item, "first": item[0]}

    items = np.arange(12, dtype=np.float32).reshape(4, 3)
    results = list(sharding.spread_over_devices(weigh)({"weight": np.array([1.0, 2.0, 3.0], np.float32)}, items))
    assert [float(result["sum"]) for result in results] == list(items @ [1.0, 2.0, 3.0])
    assert [float(result["first"]) for result in results] == [0.0, 3.0, 6.0, 9.0]
