"""The objective, term by term; every function maps arrays to one number."""

import jax
import jax.numpy as jnp
import optax


def discriminator_loss(real, fake, mismatched):
    """Hinge loss of the discriminator (Lim and Ye 2017), summed over its three heads.

    Args:
      real: Verdict on real nodules with their patient's genes.
      fake: Verdict on synthesised nodules with the genes they were made from.
      mismatched: Verdict on real nodules with another patient's genes; only its `match` counts.
    """
    image = _hinge(real.image, fake.image)
    pair = _hinge(real.pair, fake.pair)
    # Two kinds of wrong match share the weight of the right one.
    match = 0.5 * (_hinge(real.match, fake.match) + _hinge(real.match, mismatched.match))
    return image + pair + match


def describe_discriminator(loss, real, fake, mismatched):
    """The metrics of a discriminator's step: its loss, and the mean scores of the three Verdicts that it gave."""
    return {
        "discriminator_loss": loss,
        "score_real": real.pair.mean(),
        "score_fake": fake.pair.mean(),
        "match_real": real.match.mean(),
        "match_mismatched": mismatched.match.mean(),
    }


def _hinge(real, fake):
    return jax.nn.relu(1.0 - real).mean() + jax.nn.relu(1.0 + fake).mean()


def adversarial_loss(fake):
    """Generator's hinge loss on the image and on the image with its mask."""
    return -(fake.image.mean() + fake.pair.mean())


def match_loss(fake):
    """Generator's hinge loss on the match of synthesised nodule and genes."""
    return -fake.match.mean()


def radiomic_loss(features, targets):
    """Distance of standardised image features [batch, F] from the patient's own; Huber, so no feature runs away."""
    return optax.huber_loss(features, targets, delta=2.0).mean()


def ema_decay(half_life_images, batch_size):
    """Decay a step of an exponential moving average whose half-life is given in images seen."""
    return jnp.float32(0.5 ** (batch_size / half_life_images))
