"""The generator's Jacobian, differentiated across its narrowest cut.

The image depends on the genes only through the code c (128 numbers), so dx/dg = (dx/dc)(dc/dg) has rank <= 128: the
left factor takes 128 forward-mode passes instead of one a gene or one a pixel, the right factor is two small matrices.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class FactoredJacobian(NamedTuple):
    """dx/dg = image_by_code @ code_by_gene, never multiplied out: 85 MB a patient at 64 pixels and 5172 genes."""

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


def image_jacobian(decode, encode, component, pull_back, chunk=16):
    """Factored Jacobian of an image with respect to standardised genes.

    Args:
      decode: code [C] -> image [*S] (any units, averaged over draws if you like: averaging commutes).
      encode: components [K] -> code [C].
      component: [K], where to linearise.
      pull_back: gradients with respect to components [..., K] -> with respect to genes [..., G].
      chunk: forward-mode passes at once; memory grows with it.
    """
    by_code, by_component = jax.jit(lambda u: code_factors(decode, encode, u, chunk))(component)
    return FactoredJacobian(np.asarray(by_code), pull_back(np.asarray(by_component)))


def code_factors(decode, encode, component, chunk=16):
    """The two factors (dx/dc [*S, C], dc/du [C, K]); traceable, so a caller can compile it with its own arguments."""
    code = encode(component)
    _, push = jax.linearize(decode, code)
    columns = jax.lax.map(push, jnp.eye(len(code)), batch_size=chunk)
    return jnp.moveaxis(columns, 0, -1), jax.jacrev(encode)(component)


def feature_sensitivity(features):
    """A compiled function `(variables, component [K], draws) -> [F, K]`: d features / d components of one patient.

    Few features, so one reverse-mode pass each; `features` is `(variables, component, draws) -> [F]`.
    """

    @jax.jit
    def of_patient(variables, component, draws):
        values, pull = jax.vjp(lambda u: features(variables, u, draws), component)
        return jax.vmap(pull)(jnp.eye(len(values)))[0]

    return of_patient
