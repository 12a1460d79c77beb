"""A batch taken in parts: what it averages to, with the memory of one part."""

import functools

import jax
import jax.numpy as jnp


def average(function, batch, parts):
    """Average of `function(part)`, a tree of arrays, over as many equal parts of a batch, one after the other.

    Where `function` averages over examples, this is its value on the whole batch. Rolled on accelerators; unrolled on a
    CPU, where a rolled loop over convolutions is about nine times slower.

    Args:
      function: part -> tree.
      batch: tree of arrays [batch, ...].
      parts: how many; a divisor of the batch on each device.
    """
    if parts == 1:
        return function(batch)
    dealt = jax.tree.map(functools.partial(_deal, parts=parts), batch)
    if jax.default_backend() == "cpu":
        total = _sum_in_turn(function, dealt, parts)
    else:
        start = jax.tree.map(jnp.zeros_like, jax.eval_shape(function, jax.tree.map(lambda leaf: leaf[0], dealt)))
        total, _ = jax.lax.scan(lambda total, part: (_add(total, function(part)), None), start, dealt)
    return jax.tree.map(lambda leaf: leaf / parts, total)


def _sum_in_turn(function, dealt, parts):
    total = function(jax.tree.map(lambda leaf: leaf[0], dealt))
    for number in range(1, parts):
        total = _add(total, function(jax.tree.map(functools.partial(_take_after, number, total), dealt)))
    return total


def _take_after(number, total, leaf):
    """Part `number` of a leaf, there only once `total` is: the CPU's compiler, which drops optimisation barriers, works
    on all parts at once otherwise, and keeps all of them in memory."""
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf[number]
    return leaf[number] + 0.0 * jax.tree.leaves(total)[0].ravel()[0]  # Not dropped: it is NaN where the total is.


def _deal(leaf, parts):
    """[batch, ...] as [parts, batch / parts, ...], one example to each part in turn: every device's share of the batch
    gives every part as much, and nothing has to move between devices."""
    return jnp.swapaxes(leaf.reshape(-1, parts, *leaf.shape[1:]), 0, 1)


def _add(one, two):
    return jax.tree.map(jnp.add, one, two)
