"""Signs and minima of the objective's terms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models.discriminator import Verdict
from radiogenomics.train import losses


def verdict(value):
    return Verdict(image=jnp.full(4, value), pair=jnp.full(4, value), match=jnp.full(4, value))


def test_discriminator_is_content_when_it_tells_them_apart():
    right = losses.discriminator_loss(verdict(1.5), verdict(-1.5), verdict(-1.5))
    unsure = losses.discriminator_loss(verdict(0.0), verdict(0.0), verdict(0.0))
    wrong = losses.discriminator_loss(verdict(-1.5), verdict(1.5), verdict(1.5))
    assert float(right) == 0.0 < float(unsure) < float(wrong)


def test_a_mismatched_pair_counts_by_its_match_alone():
    def loss(mismatched):
        return losses.discriminator_loss(verdict(0.3), verdict(-0.2), mismatched)

    gradient = jax.grad(loss)(verdict(0.1))
    assert float(jnp.abs(gradient.image).max()) == float(jnp.abs(gradient.pair).max()) == 0.0
    assert float(gradient.match.min()) > 0.0


def test_generator_wants_high_scores():
    for loss in (losses.adversarial_loss, losses.match_loss):
        assert float(loss(verdict(2.0))) < float(loss(verdict(1.0)))


def test_radiomic_loss_is_zero_at_the_target_only_and_bounded_in_slope():
    targets = jnp.array([[0.0, 1.0, -2.0]])
    assert float(losses.radiomic_loss(targets, targets)) == 0.0
    assert float(losses.radiomic_loss(targets + 0.1, targets)) > 0.0
    near, far = (jax.grad(losses.radiomic_loss)(targets + distance, targets) for distance in (50.0, 500.0))
    np.testing.assert_allclose(near, far, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [4, 16])
def test_ema_forgets_half_in_its_half_life(batch_size):
    assert float(losses.ema_decay(400.0, batch_size)) ** (400 / batch_size) == pytest.approx(0.5, rel=1e-4)


def test_softness_and_its_gradient_are_averages_over_parts():
    """Although it is a ratio of sums over the batch, not a mean of examples."""
    logits = jax.random.normal(jax.random.key(0), (6, 5, 5, 1)) + jnp.arange(6.0).reshape(6, 1, 1, 1)

    def loss(logits, parts):
        mask = jax.nn.sigmoid(logits)
        whole = jax.lax.stop_gradient(losses.mask_sums(mask))
        return sum(losses.softness_loss(part, whole, parts) for part in jnp.split(mask, parts)) / parts

    def ratio(logits):
        mask = jax.nn.sigmoid(logits)
        return (mask * (1.0 - mask)).sum() / (mask.sum() + 1.0)

    expected, slope = jax.value_and_grad(ratio)(logits)
    for parts in (1, 3):
        value, gradient = jax.value_and_grad(loss)(logits, parts)
        assert float(value) == pytest.approx(float(expected), rel=1e-5)
        np.testing.assert_allclose(gradient, slope, atol=1e-6)
    binary = jnp.ones((2, 3, 3, 1)).at[0].set(0.0)
    assert float(losses.softness_loss(binary, losses.mask_sums(binary))) == 0.0
