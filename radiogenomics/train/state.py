"""Everything that training changes, in one pytree."""

from typing import NamedTuple

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from radiogenomics.errors import InputError
from radiogenomics.models.discriminator import make_discriminator
from radiogenomics.models.generator import make_generator


@flax.struct.dataclass
class TrainState:
    """The state of one fold's training; `ema` is the generator that is evaluated and mapped."""

    step: jax.Array
    generator: dict  # Linen variables: "params", and "batch_stats" where the architecture keeps running statistics
    ema: dict  # the same, its "params" averaged
    discriminator: dict  # "params", and "batch_stats", power-iteration vectors, with spectral normalisation
    generator_optimizer: optax.OptState
    discriminator_optimizer: optax.OptState


class Players(NamedTuple):
    """The two networks and their optimisers: everything about training that holds no arrays."""

    generator: nn.Module
    discriminator: nn.Module
    generator_optimizer: optax.GradientTransformation
    discriminator_optimizer: optax.GradientTransformation


def make_players(config):
    """Networks and Adam optimisers that the configuration describes.

    InputError where sizes, architecture, objective and rate schedule are unknown or do not fit.
    """
    _check_objective(config)
    return Players(
        make_generator(config),
        make_discriminator(config),
        _make_optimizer(config, config.train.generator_rate),
        _make_optimizer(config, config.train.discriminator_rate),
    )


def _check_objective(config):
    objective, architecture = config.train.objective, config.model.architecture
    if objective not in ("feature", "published"):
        raise InputError(f"train.objective: '{objective}'; expected 'feature' or 'published'.")
    # One needs batch normalisation and a discriminator of codes, the other spectral normalisation and one of genes.
    if (objective == "published") != (architecture == "published"):
        raise InputError(
            f"train.objective: '{objective}' with model.architecture '{architecture}'; expected 'feature' with 'film', "
            "or 'published' with 'published'."
        )
    if objective == "published" and config.train.batch_size < 2:
        raise InputError(
            f"train.batch_size: {config.train.batch_size}; the published objective pairs different patients of a "
            "batch, expected at least 2."
        )
    if objective == "published" and config.train.accumulate > 1:
        raise InputError(
            f"train.accumulate: {config.train.accumulate} with train.objective 'published', which normalises by the "
            "whole batch, so that parts of it would train another model; expected 1."
        )


def _make_optimizer(config, rate):
    adam = optax.adam(_rate_schedule(config, rate), b1=config.train.beta1, b2=config.train.beta2)
    if not config.train.clip_norm:
        return adam
    # One wild batch can throw the generator far off, and a cosine schedule leaves no time to come back.
    return optax.chain(optax.clip_by_global_norm(config.train.clip_norm), adam)


def _rate_schedule(config, rate):
    kind, steps = config.train.rate_schedule, config.train.steps
    if kind == "constant":
        return rate
    if kind != "cosine":
        raise InputError(f"train.rate_schedule: '{kind}'; expected 'cosine' or 'constant'.")
    return optax.schedules.warmup_cosine_decay_schedule(0.0, rate, min(50, steps // 10), steps, 0.02 * rate)


def install_response(state, response):
    """The state with fitted "response" variables in the generator and in its average, each with its own copy."""
    def install(variables):
        return variables | {"response": jax.tree.map(jnp.copy, response)}

    return state.replace(generator=install(state.generator), ema=install(state.ema))


def create_state(config, players, component_count, key):
    """Initial state; `component_count` is the number of inputs of the gene encoder."""
    patch = jnp.zeros((1, *(config.data.size,) * config.data.ndim, 1))
    components = jnp.zeros((1, component_count))
    noise = jnp.zeros((1, config.model.noise_size))
    generator_key, discriminator_key = jax.random.split(key)
    generator = players.generator.init(generator_key, patch, components, noise)
    if config.train.objective == "published":  # Its discriminator judges against the code.
        code = jnp.zeros((1, config.model.code_size))
        discriminator = players.discriminator.init(discriminator_key, patch, patch, code)
    else:
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
