"""The rival's image features are ours: values and gradients, wherever PyTorch is installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.benchmark.feature_speed import draw_regions
from radiogenomics.radiomics import batch_soft_features

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # Threads that wait for each other cost minutes on a busy machine.
torch_features = pytest.importorskip("radiogenomics.benchmark.torch_features")


def test_values_and_gradients():
    images, masks = draw_regions(4, 24, 2, (4.0, 8.0))
    images = images.astype(np.float32)
    # Off 0 and 1, where the two libraries choose different slopes of a corner.
    masks = np.random.default_rng(0).uniform(0.02, 0.98, masks.shape).astype(np.float32) * masks + 0.01

    def ours(image, mask):
        values = batch_soft_features(image, mask, 1.5, torch_features.NAMES)
        return (values / scale).sum(), values

    scale = np.abs(batch_soft_features(images, masks, 1.5, torch_features.NAMES)).max(axis=0)
    gradients, values = jax.grad(ours, (0, 1), has_aux=True)(jnp.asarray(images), jnp.asarray(masks))
    given = [torch.tensor(array, requires_grad=True) for array in (images, masks)]
    theirs = torch_features.soft_features(*given, 1.5)
    np.testing.assert_allclose(theirs.detach(), values, rtol=1e-4, atol=1e-4)
    for one, other in zip(torch.autograd.grad((theirs / torch.tensor(scale)).sum(), given), gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * float(jnp.abs(other).max()))
