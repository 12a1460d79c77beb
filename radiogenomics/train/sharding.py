"""The device mesh: one data axis over all devices; batches are sharded, everything else is replicated."""

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from radiogenomics.errors import InputError


def make_mesh(batch_size):
    """A mesh over every device of every host; InputError where the batch cannot be shared evenly.

    The axis is Auto: the default, Explicit, rejects ordinary Linen code.
    """
    count = jax.device_count()
    if batch_size % count:
        raise InputError(f"train.batch_size: {batch_size} cannot be shared by {count} devices; expected a multiple.")
    return jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh):
    """The sharding of state and data: a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over_batch(mesh):
    """The sharding of index batches [steps, batch]: split along the batch."""
    return NamedSharding(mesh, PartitionSpec(None, "data"))


def replicate(tree, mesh):
    """Puts a tree of host arrays on every device, whole."""
    return jax.tree.map(lambda leaf: jax.make_array_from_callback(
        leaf.shape, replicated(mesh), lambda index: leaf[index]), tree)


def shard_batch(tree, mesh):
    """Puts index batches [steps, batch], the same on every host, on the mesh; each device receives its part."""
    return jax.tree.map(lambda leaf: jax.make_array_from_callback(
        leaf.shape, over_batch(mesh), lambda index: leaf[index]), tree)
