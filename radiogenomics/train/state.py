"""Everything that training changes, in one pytree."""

from typing import NamedTuple

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from radiogenomics.models.discriminator import make_discriminator
from radiogenomics.models.generator import make_generator


@flax.struct.dataclass
class TrainState:
    """The state of one fold's training; `ema` is the generator that is evaluated and mapped."""

    step: jax.Array
    generator: dict  # Linen variables: "params", and "batch_stats" where the architecture keeps running statistics
    ema: dict  # the same, its "params" averaged
    discriminator: dict  # "params" and "batch_stats", the power-iteration vectors of spectral normalisation
    generator_optimizer: optax.OptState
    discriminator_optimizer: optax.OptState


class Players(NamedTuple):
    """The two networks and their optimisers: everything about training that holds no arrays."""

    generator: nn.Module
    discriminator: nn.Module
    generator_optimizer: optax.GradientTransformation
    discriminator_optimizer: optax.GradientTransformation


def make_players(config):
    """Networks and Adam optimisers, with a short warm-up and a cosine decay, that the configuration describes."""

    def optimizer(rate):
        warmup = min(50, config.train.steps // 10)
        schedule = optax.schedules.warmup_cosine_decay_schedule(0.0, rate, warmup, config.train.steps, 0.02 * rate)
        adam = optax.adam(schedule, b1=config.train.beta1, b2=config.train.beta2)
        # One wild batch can throw the generator far off, and a cosine schedule leaves no time to come back.
        return optax.chain(optax.clip_by_global_norm(config.train.clip_norm), adam)

    return Players(
        make_generator(config),
        make_discriminator(config),
        optimizer(config.train.generator_rate),
        optimizer(config.train.discriminator_rate),
    )


def create_state(config, players, component_count, key):
    """Initial state; `component_count` is the number of inputs of the gene encoder."""
    patch = jnp.zeros((1, *(config.data.size,) * config.data.ndim, 1))
    components = jnp.zeros((1, component_count))
    noise = jnp.zeros((1, config.model.noise_size))
    generator_key, discriminator_key = jax.random.split(key)
    generator = players.generator.init(generator_key, patch, components, noise)
    discriminator = players.discriminator.init(discriminator_key, patch, patch, components, True)
    return TrainState(
        step=jnp.int32(0),
        generator=generator,
        # A copy, because the step donates its buffers and one buffer cannot be given away twice.
        ema=jax.tree.map(jnp.copy, generator),
        discriminator=discriminator,
        generator_optimizer=players.generator_optimizer.init(generator["params"]),
        discriminator_optimizer=players.discriminator_optimizer.init(discriminator["params"]),
    )
