"""The compiled training step: the discriminator first, then the generator against the updated discriminator."""

import functools
from typing import NamedTuple

import flax
import jax
import jax.numpy as jnp

from radiogenomics.data import window
from radiogenomics.models import cpu_convolution
from radiogenomics.models.response import expect_features, intend_features
from radiogenomics.train import accumulation, feature_objective, losses, published_objective, sharding, update
from radiogenomics.train.state import TrainState

OBJECTIVES = {"feature": feature_objective, "published": published_objective}  # by `train.objective`


class Patches(NamedTuple):
    """The cohort's patches, which all folds share and draw from."""

    nodule_hu: jax.Array  # [N, *S] int16
    nodule_mask: jax.Array  # [N, *S] uint8
    background_hu: jax.Array  # [M, *S] int16


class Scaled(NamedTuple):
    """Genes and image features of everybody, scaled by what was fitted on one fold's training patients."""

    components: jax.Array  # [patients, K]
    targets: jax.Array  # [patients, F] image features of the patient, in SDs of the training patients
    target_mean: jax.Array  # [F] feature units
    target_sd: jax.Array  # [F]


class TrainingArrays(NamedTuple):
    """What training reads, resident on the devices; rows of all patients, of which a fold draws its own."""

    patches: Patches
    scaled: Scaled  # where several folds train side by side, with a leading replica axis


@flax.struct.dataclass
class Batch:
    """One step's examples; images scaled to -1..1, channels last."""

    patient: jax.Array  # [batch] row of the real nodule's patient
    real: jax.Array  # [batch, *S, 1]
    real_mask: jax.Array  # [batch, *S, 1] in 0..1
    background: jax.Array  # [batch, *S, 1]
    components: jax.Array  # [batch, K] of the real nodule's patient
    other_components: jax.Array  # [batch, K] of a different patient
    mixed_components: jax.Array  # [batch, K] what is synthesised from
    targets: jax.Array  # [batch, F] what the synthesised nodule should show
    noise: jax.Array  # [batch, Z]


def gather_batch(config, response, arrays, indices, key):
    """The examples that an index batch names, with fresh noise."""
    own_key, other_key, mix_key, noise_key = jax.random.split(key, 4)
    own = _noisy_components(config, arrays, indices["patient"], own_key)
    other = _noisy_components(config, arrays, indices["other"], other_key)
    weights = mixing_weights(config.train.mix_share, len(own), mix_key)
    patches, window_hu = arrays.patches, config.data.window_hu
    mixed = weights[0] * own + weights[1] * other
    noise = jax.random.normal(noise_key, (len(own), config.model.noise_size))
    return Batch(
        patient=indices["patient"],
        real=window.scale_hu(patches.nodule_hu[indices["nodule"]], window_hu)[..., None],
        real_mask=patches.nodule_mask[indices["nodule"]].astype(jnp.float32)[..., None],
        background=window.scale_hu(patches.background_hu[indices["background"]], window_hu)[..., None],
        components=own,
        other_components=other,
        mixed_components=mixed,
        targets=set_targets(response, arrays, indices, weights, mixed, noise),
        noise=noise,
    )


def set_targets(response, arrays, indices, weights, mixed, noise):
    """Image features [batch, F] that nodules synthesised from `mixed` components and `noise` should show.

    With the generator's "response" variables: what the surface expects of the genes, and the scatter that the noise
    stands for. A patient's own deviation from the surface is no target: it could only be learned by heart, which cost
    a tenth of the correlation with patients never seen. Without them (None): the features of the mixed patients.
    """
    if response is None:
        of_patients = arrays.scaled.targets
        return weights[0] * of_patients[indices["patient"]] + weights[1] * of_patients[indices["other"]]
    expected = expect_features(response["encoder"]["surface"], mixed)
    return intend_features(expected, response["scatter"], response["limits"], noise)


def _noisy_components(config, arrays, rows, key):
    """Components [batch, K] of patients; noise keeps the encoder from learning patients by heart."""
    exact = arrays.scaled.components[rows]
    return exact + config.train.component_noise * jax.random.normal(key, exact.shape)


def mixing_weights(share, count, key):
    """Weights ([count, 1], [count, 1]) that turn two patients into a new one, and leave (1, 0) all but a `share`.

    A rotation keeps mean 0 and SD 1 of components and targets, so a mixed patient looks like any other, and a linear
    link from genes to features holds for it exactly. It fills the space between 100 patients, which a network would
    otherwise learn by heart; links that are not linear have the unmixed rest to be learned from.
    """
    angle_key, choice_key = jax.random.split(key)
    angle = jax.random.uniform(angle_key, (count, 1), maxval=jnp.pi / 2)
    angle = jnp.where(jax.random.bernoulli(choice_key, share, (count, 1)), angle, 0.0)
    return jnp.cos(angle), jnp.sin(angle)


def train_step(config, players, state, arrays, indices, key):
    """One update of both players; returns the new state and the metrics of the step."""
    key = jax.random.fold_in(key, state.step)
    batch_key, discriminator_key, generator_key = jax.random.split(key, 3)
    batch = gather_batch(config, state.generator.get("response"), arrays, indices, batch_key)
    objective = OBJECTIVES[config.train.objective]
    made, pull_back, changed = synthesise_once(config, players, objective, state.generator, batch)
    discriminator, discriminator_optimizer, discriminator_metrics = objective.update_discriminator(
        config, players, state, batch, made, discriminator_key
    )
    gradient, generator_metrics = objective.generator_gradient(
        config, players, discriminator, arrays, batch, made, pull_back, generator_key
    )
    params, generator_optimizer, norm = update.apply_gradient(
        players.generator_optimizer, gradient, state.generator_optimizer, state.generator["params"]
    )
    generator = state.generator | changed | {"params": params}
    decay = losses.ema_decay(config.train.ema_half_life_images, config.train.batch_size)
    state = TrainState(
        step=state.step + 1,
        generator=generator,
        ema=average(state.ema, generator, decay),
        discriminator=discriminator,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
    )
    return state, discriminator_metrics | generator_metrics | {"generator_gradient_norm": norm}


def synthesise_once(config, players, objective, variables, batch):
    """What both players learn from: the batch's synthesis, which the generator's update does not compute again.

    Returns:
      made: what `objective.synthesise` makes of the batch.
      pull_back: part of the batch -> (gradient by what was made of that part -> gradient by the generator's params).
        A batch that is taken in parts is synthesised again, part by part, because what the gradient needs of the whole
        would fill the memory that the parts save.
      changed: the generator's other variables after the synthesis.
    """
    def linearise(batch):
        def of_params(params):
            return objective.synthesise(players, variables | {"params": params}, batch)

        return jax.vjp(of_params, variables["params"], has_aux=True)

    if config.train.accumulate == 1:
        made, pull_back, changed = linearise(batch)
        return made, lambda _: pull_back, changed
    made = accumulation.apply(
        lambda part: objective.synthesise(players, variables, part)[0], batch, config.train.accumulate
    )
    return made, lambda part: linearise(part)[1], {}  # Running statistics are the whole batch's: refused in state.py.


def average(ema, generator, decay):
    """The moving average of the generator's parameters; running statistics are taken as they are."""
    params = jax.tree.map(lambda mean, new: decay * mean + (1.0 - decay) * new, ema["params"], generator["params"])
    return generator | {"params": params}


def compile_steps(config, players, mesh):
    """`(states, arrays, indices [steps, replicas, batch], keys) -> (states, metrics [replicas, steps])`, compiled.

    One donated, sharded call for several replicas, each with its own state, `arrays.scaled` and key.
    """
    whole, own = sharding.replicated(mesh), sharding.over_replicas(mesh)
    given = (own, TrainingArrays(whole, own), sharding.over_batch(mesh), own)
    run = sharding.split_over_replicas(functools.partial(run_replicas, config, players), mesh, given)
    # Unused is the average's copy of what training does not change; kept, it is donated like all the rest.
    return jax.jit(
        run, in_shardings=given, out_shardings=(own, whole), donate_argnums=0, keep_unused=True,
        compiler_options=cpu_convolution.compiler_options(),
    )


def run_replicas(config, players, states, arrays, indices, keys):
    """Several steps of every replica of one device: vectorised on accelerators, in turn on a CPU (see `run_steps`)."""
    run = functools.partial(run_steps, config, players)
    if len(keys) > 1 and jax.default_backend() != "cpu":
        return jax.vmap(run, in_axes=(0, TrainingArrays(None, 0), 1, 0))(states, arrays, indices, keys)

    def run_one(number):
        state, scaled, key = jax.tree.map(lambda leaf: leaf[number], (states, arrays.scaled, keys))
        return run(state, arrays._replace(scaled=scaled), jax.tree.map(lambda rows: rows[:, number], indices), key)

    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(run_one, range(len(keys))))


def run_steps(config, players, state, arrays, indices, key):
    """Several steps of one replica, `indices` [steps, batch]; returns the state and the metrics [steps].

    Unrolled on a CPU, where a rolled scan over convolutions is about nine times slower; rolled on accelerators.
    """
    def body(state, step_indices):
        return train_step(config, players, state, arrays, step_indices, key)

    if jax.default_backend() != "cpu":
        return jax.lax.scan(body, state, indices)
    metrics = []
    for step in range(len(indices["patient"])):
        state, of_step = body(state, jax.tree.map(lambda rows, step=step: rows[step], indices))
        metrics.append(of_step)
    return state, jax.tree.map(lambda *values: jnp.stack(values), *metrics)
