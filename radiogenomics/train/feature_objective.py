"""The default objective: adversarial and match terms, and the image features that the genes ask for."""

import functools

import jax

from radiogenomics.train import accumulation, augment, losses, update
from radiogenomics.train.measurement import synthesised_features


def synthesise(players, variables, batch):
    """The generator's Synthesis of a batch, and its variables that this changes: none."""
    return players.generator.apply(variables, batch.background, batch.mixed_components, batch.noise), {}


def update_discriminator(config, players, state, batch, synthesis, key):
    """New discriminator variables, new optimiser state, and metrics."""

    def objective(params, part):
        batch, synthesis, real_moves, fake_moves = part
        variables = {"params": params, "batch_stats": state.discriminator["batch_stats"]}
        of_real, stats = look(config, players, variables, batch.real, batch.real_mask, real_moves)
        of_fake, _ = look(config, players, variables, synthesis.image, synthesis.mask, fake_moves)
        real, stats = judge(players, variables | stats, of_real, batch.components)
        fake, _ = judge(players, variables | stats, of_fake, batch.mixed_components)
        mismatched, _ = judge(players, variables | stats, of_real, batch.other_components)
        loss = losses.discriminator_loss(real, fake, mismatched)
        return loss, (stats, losses.describe_discriminator(loss, real, fake, mismatched))

    params = state.discriminator["params"]
    given = (batch, synthesis, *(draw_moves(config, len(batch.real), each) for each in jax.random.split(key)))
    gradient, (stats, metrics) = accumulation.average(
        functools.partial(jax.grad(objective, has_aux=True), params), given, config.train.accumulate
    )
    new, optimizer, norm = update.apply_gradient(
        players.discriminator_optimizer, gradient, state.discriminator_optimizer, params
    )
    return {"params": new} | stats, optimizer, metrics | {"discriminator_gradient_norm": norm}


def generator_gradient(config, players, discriminator, arrays, batch, synthesis, pull_back, key):
    """Gradient by the generator's parameters, and metrics; `pull_back` as of `steps.synthesise_once`."""
    scaled = arrays.scaled

    def objective(synthesis, batch, moves):
        features, _ = look(config, players, discriminator, synthesis.image, synthesis.mask, moves)
        verdict, _ = judge(players, discriminator, features, batch.mixed_components)
        radiomic = (synthesised_features(config, synthesis) - scaled.target_mean) / scaled.target_sd
        terms = {
            "adversarial_loss": losses.adversarial_loss(verdict),
            "match_loss": losses.match_loss(verdict),
            "radiomic_loss": losses.radiomic_loss(radiomic, batch.targets),
        }
        total = weigh(config, terms)
        return total, terms | {"generator_loss": total, "mask_share": synthesis.mask.mean()}

    def of_part(part):
        batch, synthesis, moves = part
        by_synthesis, metrics = jax.grad(objective, has_aux=True)(synthesis, batch, moves)
        (gradient,) = pull_back(batch)(by_synthesis)
        return gradient, metrics

    given = batch, synthesis, draw_moves(config, len(batch.real), key)
    return accumulation.average(of_part, given, config.train.accumulate)


def weigh(config, terms):
    """The generator's loss: its terms, each times its weight."""
    return (
        config.train.adversarial_weight * terms["adversarial_loss"]
        + config.train.match_weight * terms["match_loss"]
        + config.train.radiomic_weight * terms["radiomic_loss"]
    )


def draw_moves(config, count, key):
    """The augmentation's moves of a batch."""
    return augment.draw_moves(key, count, config.data.size, config.data.ndim, config.train.translate)


def look(config, players, variables, image, mask, moves):
    """Discriminator features of the augmented image and mask (0..1), and the updated power-iteration vectors."""
    image, mask = augment.augment(image, 2.0 * mask - 1.0, moves, config.train.translate)
    return players.discriminator.apply(variables, image, mask, True, method="features", mutable="batch_stats")


def judge(players, variables, features, components):
    """Verdict on features against genes, and the updated power-iteration vectors."""
    return players.discriminator.apply(variables, features, components, True, method="judge", mutable="batch_stats")
