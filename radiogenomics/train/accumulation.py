"""A batch taken in parts: what it averages to, or is turned into, with the memory of one part."""

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
        start = jax.tree.map(jnp.zeros_like, jax.eval_shape(function, _take(dealt, 0)))
        total, _ = jax.lax.scan(lambda total, part: (_add(total, function(part)), None), start, dealt)
    return jax.tree.map(lambda leaf: leaf / parts, total)


def apply(function, batch, parts):
    """`function(batch)`, a tree of arrays [batch, ...], from as many equal parts of a batch, one after the other."""
    dealt = jax.tree.map(functools.partial(_deal, parts=parts), batch)
    if jax.default_backend() == "cpu":
        made = [function(_take(dealt, 0))]
        for number in range(1, parts):
            made.append(function(_take_after(dealt, number, made[-1])))
        made = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made)
    else:
        made = jax.lax.map(function, dealt)
    return jax.tree.map(_collect, made)


def _sum_in_turn(function, dealt, parts):
    total = function(_take(dealt, 0))
    for number in range(1, parts):
        total = _add(total, function(_take_after(dealt, number, total)))
    return total


def _take(dealt, number):
    return jax.tree.map(lambda leaf: leaf[number], dealt)


def _take_after(dealt, number, before):
    """Part `number`, there only once the tree `before` is: the CPU's compiler, which drops optimisation barriers, works
    on all parts at once otherwise, and keeps all of them in memory."""
    nothing = 0.0 * jax.tree.leaves(before)[0].ravel()[0]  # Not dropped: it is NaN where that is.
    return jax.tree.map(
        lambda leaf: leaf + nothing if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, _take(dealt, number)
    )


def _deal(leaf, parts):
    """[batch, ...] as [parts, batch / parts, ...], one example to each part in turn: every device's share of the batch
    gives every part as much, and nothing has to move between devices."""
    return jnp.swapaxes(leaf.reshape(-1, parts, *leaf.shape[1:]), 0, 1)


def _collect(leaf):
    """What `_deal` gave to the parts, back in its order."""
    whole = jnp.swapaxes(leaf, 0, 1)
    return whole.reshape(-1, *whole.shape[2:])


def _add(one, two):
    return jax.tree.map(jnp.add, one, two)
