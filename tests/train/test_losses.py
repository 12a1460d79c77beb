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
