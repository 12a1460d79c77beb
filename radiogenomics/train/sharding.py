"""The device mesh: folds side by side along one axis, the batch along the other; everything else is replicated."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from radiogenomics.errors import InputError

REPLICA, DATA = "replica", "data"


def count_replicas(wanted, fold_count):
    """How many folds train side by side; `wanted` 0 chooses by the devices of every host.

    Folds on devices of their own need no exchange, so the replica axis is as long as the folds fill. What does not
    fit takes turns within a device: on accelerators in one vectorised call, on a CPU, where that is slower, in turn.
    """
    if wanted:
        return wanted
    axis = _axis_length(fold_count)
    return axis if jax.default_backend() == "cpu" else axis * math.ceil(fold_count / axis)


def _axis_length(fold_count):
    """The smallest divisor of the number of devices that holds every fold, or all devices."""
    count = jax.device_count()
    return next(length for length in range(1, count + 1) if count % length == 0 and length >= min(fold_count, count))


def make_mesh(batch_size, replicas=1, parts=1):
    """A mesh over every device of every host; InputError where the batch, or a part of it, cannot be shared evenly.

    The axes are Auto: the default, Explicit, rejects ordinary Linen code.
    """
    count = jax.device_count()
    side_by_side = math.gcd(replicas, count)
    share = count // side_by_side
    if batch_size % (share * parts):
        divided = f" in {parts} parts (train.accumulate)" if parts > 1 else ""
        raise InputError(
            f"train.batch_size: {batch_size} cannot be shared by {share} devices{divided}; expected a multiple of "
            f"{share * parts}."
        )
    return jax.make_mesh((side_by_side, share), (REPLICA, DATA), axis_types=(AxisType.Auto,) * 2)


def replicated(mesh):
    """The sharding of what every replica reads: a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over_replicas(mesh):
    """The sharding of what each replica has of its own [replicas, ...]: split along the first axis."""
    return NamedSharding(mesh, PartitionSpec(REPLICA))


def over_batch(mesh):
    """The sharding of index batches [steps, replicas, batch]."""
    return NamedSharding(mesh, PartitionSpec(None, REPLICA, DATA))


def place(tree, sharding):
    """Puts a tree of host arrays, the same in every process, on the devices of a sharding; each receives its part.

    Of an index batch a process hands over no more than what its own devices compute with.
    """
    return jax.tree.map(
        lambda leaf: jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index]), tree
    )


def place_key(seed, mesh):
    """The random key of a seed, a copy on every device."""
    return jax.random.wrap_key_data(place(np.asarray(jax.random.key_data(jax.random.key(seed))), replicated(mesh)))


def own_copy(tree):
    """Replicated arrays as arrays of one device of this process, which it can compute with alone; nothing is moved."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def compile_stack(mesh):
    """`trees -> tree` of trees stacked along a new replica axis, and its inverse, both compiled."""
    def stack(trees):
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)

    def unstack(tree):
        count = len(jax.tree.leaves(tree)[0])
        return [jax.tree.map(lambda leaf, number=number: leaf[number], tree) for number in range(count)]

    return jax.jit(stack, out_shardings=over_replicas(mesh)), jax.jit(unstack, out_shardings=replicated(mesh))


def split_over_replicas(function, mesh, shardings):
    """`function` of the replicas of one device as one of all; how a batch is split stays with the compiler.

    Args:
      function: arguments and results are trees whose leaves have a leading axis of replicas, except where `shardings`
        says otherwise.
      mesh: see `make_mesh`.
      shardings: of every argument.
    """
    def of_replicas(sharding):
        return PartitionSpec(*(name if name == REPLICA else None for name in sharding.spec))

    return jax.shard_map(
        function, mesh=mesh, in_specs=jax.tree.map(of_replicas, shardings), out_specs=PartitionSpec(REPLICA),
        axis_names={REPLICA}, check_vma=False,
    )


def spread_over_devices(function):
    """`function(shared, item)` of one item as one of many, every device working on an item of its own.

    Items go to the devices in groups of as many as there are devices, a last one filled up with its last item, so that
    one shape is compiled. A compiled loop over the items of a device would be several times slower on a CPU.

    Args:
      function: pure; `shared`, `item` and the result are trees of arrays.

    Returns:
      `run(shared, items)` with items [n, ...]: an iterator over n results, trees of host arrays, in order. One host.
    """
    mesh, each = make_mesh(jax.device_count()), PartitionSpec((REPLICA, DATA))

    def of_device(shared, items):
        result = function(shared, jax.tree.map(lambda leaf: leaf[0], items))
        return jax.tree.map(lambda leaf: leaf[None], result)

    compiled = jax.jit(jax.shard_map(
        of_device, mesh=mesh, in_specs=(PartitionSpec(), each), out_specs=each, check_vma=False,
    ))

    def run(shared, items):
        shared = jax.device_put(shared, replicated(mesh))
        count = len(jax.tree.leaves(items)[0])
        for begin in range(0, count, mesh.size):
            rows = np.minimum(np.arange(begin, begin + mesh.size), count - 1)
            group = jax.device_put(jax.tree.map(lambda leaf, rows=rows: leaf[rows], items), NamedSharding(mesh, each))
            results = jax.device_get(compiled(shared, group))
            for number in range(min(mesh.size, count - begin)):
                yield jax.tree.map(lambda leaf, number=number: leaf[number], results)

    return run
