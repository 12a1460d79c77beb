"""The generator's Jacobian, differentiated across its narrowest cut.

The image depends on the genes only through the code c (128 numbers), so dx/dg = (dx/dc)(dc/dg) has rank <= 128: the
left factor takes 128 forward-mode passes instead of one a gene or one a pixel, the right factor is two small matrices.
Where the gene front end has fewer components than the code has numbers, the cut goes through the components.
"""

import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from radiogenomics.errors import InputError

MEGABYTE = 2**20


class FactoredJacobian(NamedTuple):
    """dx/dg = image_by_code @ code_by_gene, never multiplied out: 85 MB a patient at 64 pixels and 5172 genes.

    "code" is what the cut goes through: the code, or the components of the genes where they are fewer.
    """

    image_by_code: np.ndarray  # [*S, code]
    code_by_gene: np.ndarray  # [code, G] per gene SD

    def along(self, directions):
        """Image change [*S, n] for gene directions [G, n]."""
        return self.image_by_code @ (self.code_by_gene @ directions)

    def back(self, image):
        """Gene gradient [G] of the inner product with an image-shaped array [*S]: the adjoint."""
        axes = tuple(range(image.ndim))
        return np.tensordot(image, self.image_by_code, axes=(axes, axes)) @ self.code_by_gene

    def saliency(self, region):
        """Per gene [G] the norm of its image change inside a region [*S] of 0 and 1, through the Gram matrix."""
        inside = (self.image_by_code * region[..., None]).reshape(-1, self.image_by_code.shape[-1])
        gram = inside.T @ inside
        squared = (self.code_by_gene * (gram @ self.code_by_gene)).sum(axis=0)
        return np.sqrt(np.maximum(squared, 0.0))

    def axes(self, count):
        """Leading singular triplets: image patterns [*S, count], strengths [count], gene loadings [G, count]."""
        shape = self.image_by_code.shape
        left, left_rest = np.linalg.qr(self.image_by_code.reshape(-1, shape[-1]))
        right, right_rest = np.linalg.qr(self.code_by_gene.T)
        u, strengths, v = np.linalg.svd(left_rest @ right_rest.T)
        patterns = (left @ u[:, :count]).reshape(*shape[:-1], -1)
        return patterns, strengths[:count], right @ v[:count].T


def image_jacobian(decode, encode, component, pull_back, memory_mb=1024.0):
    """Factored Jacobian of an image with respect to standardised genes.

    Args:
      decode: code [C] -> image [*S] (any units, averaged over draws if you like: averaging commutes).
      encode: components [K] -> code [C].
      component: [K], where to linearise.
      pull_back: gradients with respect to components [..., K] -> with respect to genes [..., G].
      memory_mb: bound on the memory, in megabytes; see `plan_passes`.

    Raises:
      InputError: where not even one pass fits into the memory.
    """
    chunk = plan_passes(decode, encode, component, memory_mb)
    by_code, by_component = jax.jit(lambda u: code_factors(decode, encode, u, chunk))(component)
    return FactoredJacobian(np.asarray(by_code), pull_back(np.asarray(by_component)))


def code_factors(decode, encode, component, chunk=16):
    """The two factors (dx/dc [*S, C], dc/du [C, K]); traceable, so a caller can compile it with its own arguments.

    With fewer components than numbers in the code (K < C) they are dx/du [*S, K] and the identity. `chunk` is the
    number of forward-mode passes at once.
    """
    through, to_cut, before = _cut(decode, encode, component)
    start = to_cut(component)
    _, push = jax.linearize(through, start)
    columns = jax.lax.map(push, jnp.eye(len(start)), batch_size=chunk)
    return jnp.moveaxis(columns, 0, -1), before(component)


def _cut(decode, encode, component):
    """Functions (narrowest cut -> image, components -> narrowest cut, components -> the factor before the cut)."""
    if len(component) < jax.eval_shape(encode, component).size:
        return (lambda u: decode(encode(u))), (lambda u: u), (lambda u: jnp.eye(len(u)))
    return decode, encode, jax.jacrev(encode)


def plan_passes(decode, encode, component, memory_mb):
    """Forward-mode passes at once in `code_factors` that keep within `memory_mb`; logs the memory that they need.

    Counted on abstract values, without running anything: the factor and its transposed copy, what the linearisation
    keeps, and for each pass the most that is alive at once in its program, operation by operation. The compiler fuses
    operations and so may need less; its own scratch space for convolutions is not counted.

    Raises:
      InputError: where not even one pass fits.
    """
    through, to_cut, _ = _cut(decode, encode, component)
    start = jax.eval_shape(to_cut, component)
    image, push = jax.eval_shape(lambda values: jax.linearize(through, values), start)
    program = jax.make_jaxpr(lambda push, tangent: push(tangent))(push, start)
    kept = 2 * start.size * _bytes(image) + _held(push)
    return _fit_passes("jacobian", kept, peak_bytes(program.jaxpr), start.size, memory_mb)


def plan_gradients(features, variables, component, draws, memory_mb):
    """Reverse-mode passes at once in `feature_sensitivity` that keep within `memory_mb`; as `plan_passes`."""
    values, pull = jax.eval_shape(lambda u: jax.vjp(lambda each: features(variables, each, draws), u), component)
    program = jax.make_jaxpr(lambda pull, row: pull(row))(pull, values)
    return _fit_passes("gradients", _held(pull), peak_bytes(program.jaxpr), values.size, memory_mb)


def _fit_passes(what, kept, each, count, memory_mb):
    """How many of `count` passes of `each` bytes fit beside the `kept` bytes; tells, or raises InputError for none."""
    fitting = int((memory_mb * MEGABYTE - kept) // each)
    if fitting < 1:
        raise InputError(
            f"memory_mb: {memory_mb:g}, expected at least {(kept + each) / MEGABYTE:.0f} for one pass at a time."
        )
    chunk = min(fitting, count)
    logging.info(
        "%s: about %.0f MB (%.0f kept, %d of %d passes at once, %.1f each; bound %.0f)",
        what, (kept + chunk * each) / MEGABYTE, kept / MEGABYTE, chunk, count, each / MEGABYTE, memory_mb,
    )
    return chunk


def _held(tree):
    return sum(_bytes(leaf) for leaf in jax.tree.leaves(tree))


def peak_bytes(jaxpr):
    """Most bytes of results that are alive at once in a traced program, inner programs included, inputs not."""
    last_use = {}
    for place, equation in enumerate(jaxpr.eqns):
        last_use.update({id(value): place for value in equation.invars})
    last_use.update({id(value): len(jaxpr.eqns) for value in jaxpr.outvars})
    alive, peak = {}, 0
    for place, equation in enumerate(jaxpr.eqns):
        alive |= {id(value): _bytes(value.aval) for value in equation.outvars}
        inner = max((peak_bytes(each) for each in core.jaxprs_in_params(equation.params)), default=0)
        peak = max(peak, sum(alive.values()) + inner)
        alive = {key: size for key, size in alive.items() if last_use.get(key, -1) > place}
    return peak


def _bytes(array):
    return int(np.prod(array.shape)) * array.dtype.itemsize


def feature_sensitivity(features, chunk=None):
    """A compiled function `(variables, component [K], draws) -> [F, K]`: d features / d components of one patient.

    Few features, so one reverse-mode pass each, `chunk` of them at once (all by default); `features` is
    `(variables, component, draws) -> [F]`.
    """

    @jax.jit
    def of_patient(variables, component, draws):
        values, pull = jax.vjp(lambda u: features(variables, u, draws), component)
        if chunk is None or chunk >= len(values):
            return jax.vmap(pull)(jnp.eye(len(values)))[0]
        return jax.lax.map(lambda row: pull(row)[0], jnp.eye(len(values)), batch_size=chunk)

    return of_patient
