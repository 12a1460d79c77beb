"""New parameters, written where the old ones were.

XLA's CPU compiler copies a donated array before it writes a new one in its place, unless whatever else reads the old
one is known to come first. The conditions below say so: networks read the old params for the gradient, so new params
depend on its norm; the optimiser reads the old moments for the params, so new moments depend on the norm of these. That
spares a step of the published networks 0.8 GB of copies.
"""

import jax
import jax.numpy as jnp
import optax


def apply_gradient(optimizer, gradient, optimizer_state, params):
    """One step of an optimiser on params; all but `optimizer` are trees.

    Returns:
      params: new, or as they were where the gradient's norm is not finite.
      optimizer_state: new, or as it was where that norm is not finite or a new param is not a number.
      norm: Euclidean norm of the whole gradient.
    """
    norm = optax.tree.norm(gradient)
    finite = jnp.isfinite(norm)

    def update(gradient, old_state, old):
        step, state = optimizer.update(gradient, old_state)
        new = optax.tree.where(finite, optax.apply_updates(old, step), old)
        # Params that are not numbers stop the run in any case: this is for the order of writing alone.
        return new, optax.tree.where(finite & ~jnp.isnan(optax.tree.norm(new)), state, old_state)

    # On a CPU a replica is cut out of arrays with an axis of replicas and put back (`steps.run_replicas`). With an axis
    # in front the cut vanishes; else XLA fuses it with what is computed, writes that elsewhere and copies it.
    lifted = jax.tree.map(lambda leaf: leaf[None], (gradient, optimizer_state, params))
    return *jax.tree.map(lambda leaf: leaf[0], jax.vmap(update)(*lifted)), norm
