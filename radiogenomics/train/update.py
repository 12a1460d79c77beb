"""New parameters, written where the old ones were.

XLA's CPU compiler copies a donated array before it writes a new one in its place, unless whatever else reads the old
one is known to come first. The conditions below say so: parameters wait for the whole gradient, for which networks read
them; moments wait for the parameters, for which the optimiser reads them. That spares a step of the published networks
0.8 GB of copies.
"""

import jax
import jax.numpy as jnp
import optax


def apply_gradient(optimizer, gradient, optimizer_state, params):
    """One step of an optimiser on params; all but `optimizer` are trees.

    Returns:
      params: new, or as they were where the gradient's norm is not finite.
      optimizer_state: new, or as it was where that norm or the new params' is not finite.
      norm: Euclidean norm of the whole gradient.
    """
    norm = optax.tree.norm(gradient)
    finite = jnp.isfinite(norm)

    def update(gradient, old_state, old):
        step, state = optimizer.update(gradient, old_state)
        new = _choose(finite, optax.apply_updates(old, step), old)
        return new, _choose(finite & jnp.isfinite(optax.tree.norm(new)), state, old_state)

    return *_with_leading_axis(update, gradient, optimizer_state, params), norm


def average(means, values, decay):
    """The moving average `decay * means + (1 - decay) * values` of two trees."""
    def update(means, values):
        return jax.tree.map(lambda mean, new: decay * mean + (1.0 - decay) * new, means, values)

    return _with_leading_axis(update, means, values)


def _choose(condition, chosen, other):
    return jax.tree.map(lambda one, another: jnp.where(condition, one, another), chosen, other)


def _with_leading_axis(function, *trees):
    """`function` of trees whose leaves have an axis of one in front while it runs.

    On a CPU a replica is cut out of such arrays and put back. With the axis kept, the cut vanishes; otherwise XLA fuses
    it with what is computed, which it then writes elsewhere and copies.
    """
    lifted = jax.tree.map(lambda leaf: leaf[None], trees)
    return jax.tree.map(lambda leaf: leaf[0], jax.vmap(function)(*lifted))
