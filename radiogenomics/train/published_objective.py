"""The published objective (Xu et al., PMLR 121:857, 2020): least-squares adversarial terms and an L1 background term.

The discriminator sees the code that the generator's own mapper makes of the genes. Unlike the authors', the "other"
patient of a mismatched example is always a different one, drawn from the batch; theirs was drawn twice at most, so that
some were the same patient. How the erosion treats the border of the patch is inferred: the border erodes nothing.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics.models.results import Verdict
from radiogenomics.train import losses, update
from radiogenomics.train.measurement import synthesised_features

EROSION = 5  # voxels along each side of the structuring element

# What the discriminator should say with a patient's code: of the real image and mask, of another patient's, of the real
# image with that one's mask, and of the synthesised ones. NumPy's, because JAX's would start the devices on import.
TARGETS = Verdict(
    image=np.array([1.0, 1.0, 1.0, 0.0]), pair=np.array([1.0, 1.0, 0.0, 0.0]), match=np.array([1.0, 0.0, 0.0, 0.0])
)
IMAGES = np.array([0, 1, 0, 2])  # of these four: the real one, the other patient's, the synthesised one
REAL = Verdict(image=1.0, pair=1.0, match=1.0)


def least_squares(verdict, target):
    """Mean squared distance of each head's scores [batch, ...] from its targets [...] (Mao et al. 2017), summed over
    these: a Verdict of numbers."""
    return jax.tree.map(lambda scores, wanted: jnp.square(scores - wanted).mean(0).sum(), verdict, target)


def weighted_sum(config, terms):
    """One number: the terms of a Verdict times `train.image_weight`, `pair_weight` and `match_weight`."""
    return (
        config.train.image_weight * terms.image
        + config.train.pair_weight * terms.pair
        + config.train.match_weight * terms.match
    )


def background_loss(synthesis, background):
    """|image - background|, 0 outside the eroded background of the mask, averaged over all voxels; no mask gradient."""
    nodule = jax.lax.stop_gradient(synthesis.mask >= 0.5).astype(jnp.float32)
    eroded = 1.0 - nn.max_pool(nodule, (EROSION,) * (nodule.ndim - 2), padding="SAME")
    return (jnp.abs(synthesis.image - background) * eroded).mean()


def draw_others(patients, key):
    """For each example of a batch the index of one of a different patient; `patients` [batch] holds two or more."""
    different = patients[:, None] != patients[None, :]
    return jax.random.categorical(key, jnp.where(different, 0.0, -jnp.inf))


def synthesise(players, variables, batch):
    """(Synthesis, codes [batch, C]) of a batch, and the generator's running statistics after it."""
    code = players.generator.apply(variables, batch.components, method="encode")
    synthesis, stats = players.generator.apply(
        variables, batch.background, code, batch.noise, True, method="decode", mutable="batch_stats"
    )
    return (synthesis, code), stats


def update_discriminator(config, players, state, batch, made, key):
    """New discriminator variables, new optimiser state, and metrics; `made` is of `synthesise`."""
    (synthesis, code), others = made, draw_others(batch.patient, key)
    images = jnp.stack([batch.real, batch.real[others], synthesis.image], axis=1)
    other_mask = batch.real_mask[others]
    masks = jnp.stack([batch.real_mask, other_mask, other_mask, synthesis.mask], axis=1)

    def objective(params):
        verdicts = judge_tuples(players, {"params": params}, images, masks, code)
        return weighted_sum(config, least_squares(verdicts, TARGETS)), verdicts

    params = state.discriminator["params"]
    (loss, verdicts), gradient = jax.value_and_grad(objective, has_aux=True)(params)
    new, optimizer, norm = update.apply_gradient(
        players.discriminator_optimizer, gradient, state.discriminator_optimizer, params
    )
    real, other, fake = (jax.tree.map(lambda scores, row=row: scores[:, row], verdicts) for row in (0, 1, 3))
    metrics = losses.describe_discriminator(loss, real, fake, other)
    return {"params": new}, optimizer, metrics | {"discriminator_gradient_norm": norm}


def generator_gradient(config, players, discriminator, arrays, batch, made, pull_back, key):
    """Gradient by the generator's parameters, and metrics; `pull_back` as of `steps.synthesise_once`.

    The radiomic distance is watched, not learned from.
    """
    del key  # Nothing here is random.

    def objective(made):
        synthesis, code = made
        # The code is not detached: the mapper also learns to please the discriminator that reads it.
        terms = least_squares(judge(players, discriminator, synthesis.image, synthesis.mask, code), REAL)
        background = background_loss(synthesis, batch.background)
        total = weighted_sum(config, terms) + config.train.background_weight * background
        return total, {
            "generator_loss": total,
            "adversarial_loss": terms.image + terms.pair,
            "match_loss": terms.match,
            "background_loss": background,
            "mask_share": synthesis.mask.mean(),
        }

    by_made, metrics = jax.grad(objective, has_aux=True)(made)
    (gradient,) = pull_back(batch)(by_made)
    radiomic = (synthesised_features(config, made[0]) - arrays.scaled.target_mean) / arrays.scaled.target_sd
    metrics["radiomic_loss"] = losses.radiomic_loss(radiomic, arrays.scaled.targets[batch.patient])
    return gradient, metrics


def judge(players, variables, image, mask, code):
    """Verdict on image and mask (0..1) against codes."""
    return players.discriminator.apply(variables, image, 2.0 * mask - 1.0, code)


def judge_tuples(players, variables, images, masks, code):
    """Verdict [batch, 4] on what `TARGETS` is for: images [batch, 3, *S, 1] and masks (0..1) [batch, 4, *S, 1]."""
    of_image = players.discriminator.apply(variables, images, method="judge_image")
    pair, match = players.discriminator.apply(
        variables, images[:, IMAGES], 2.0 * masks - 1.0, code, method="judge_pair"
    )
    return Verdict(image=of_image[:, IMAGES], pair=pair, match=match)
