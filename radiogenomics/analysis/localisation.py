"""Where in the patch groups of genes act, by the generator and by the field's own way, held to the truth."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from radiogenomics.analysis import association, dependence, features, synthesis
from radiogenomics.data import transform as gene_transform

HALF = 0.5  # of the largest change: pixels above it are the region that a factor changes


def pixel_strength(run, weights):
    """How strongly groups of genes move each pixel where the patients are: root mean square change [M, *S] in HU.

    The change is that of the synthesised image from half an SD below the patient's own genes to half an SD above, along
    the group's conditional-mean direction, with background and noise the same; squared before it is averaged over
    held-out patients, backgrounds and noises, so that neither a U-shaped link nor a texture cancels.

    Args:
      run: a `Run`; reads `map.backgrounds` and `map.noises` of its config.
      weights: [G, M] of the groups, over all genes.
    """
    squares, count = 0.0, 0
    for fold in run.folds:
        draws = synthesis.make_draws(run, fold, run.config.map.backgrounds, run.config.map.noises)
        steps = 0.5 * association.metagene_direction(fold, weights).T.astype(np.float32)
        for row in fold.held_out:
            squares = squares + np.asarray(
                _square_changes(run.generator, fold.variables, fold.components[row], steps, draws)
            )
        count += len(fold.held_out)
    low, high = run.config.data.window_hu
    return 0.5 * (high - low) * np.sqrt(squares / count)  # from the networks' -1..1


@functools.partial(jax.jit, static_argnums=0)
def _square_changes(generator, variables, component, steps, draws):
    """Squared change [M, *S] of the scaled image from -steps to +steps [M, K], mean over the draws."""

    def one(step):
        ends = (synthesis.synthesise(generator, variables, component + sign * step, draws) for sign in (-1.0, 1.0))
        before, after = (end.image[..., 0] for end in ends)
        return jnp.square(after - before).mean(axis=0)

    return jax.vmap(one)(steps)


def voxelwise(cohort, weights, config, statistic):
    """Dependence [M, *S] of every pixel of the real patches on groups of genes, over patients, as the field maps it.

    Pixels are a patient's mean over patches; genes and pixels are freed of `genes.adjust`.

    Args:
      cohort: a `Cohort`.
      weights: [G, M].
      config: the configuration; reads `genes`.
      statistic: one of `dependence.STATISTICS`.
    """
    transform, genes = gene_transform.standardise_everybody(
        cohort.expression, cohort.covariates, list(cohort.genes), config
    )
    images = cohort.nodules.image_hu.reshape(len(cohort.nodules.image_hu), -1).astype(np.float32)
    owners = cohort.nodules.patient
    pixels = np.stack([images[owners == row].mean(axis=0) for row in range(len(cohort.patients))])
    everybody = np.arange(len(pixels))
    adjusted = features.adjust_rows(transform.covariates.design(cohort.covariates), pixels, everybody, everybody)
    # The design is in the adjusted values already; the single permutation is not looked at.
    found = dependence.STATISTICS[statistic](genes @ weights, adjusted, np.ones((len(pixels), 1)), 1, 0)
    return found.score.reshape(weights.shape[1], *cohort.patch_shape)


def score_localisation(effect, change):
    """How well a map of pixels [*S] finds the region that really changes.

    Args:
      effect: its size in every pixel.
      change: [*S] true change; the region is where it reaches HALF of its largest value.

    Returns:
      {"average_precision", "auroc", "base_rate"}.
    """
    region = (change >= HALF * change.max()).ravel()
    return {
        "average_precision": float(average_precision_score(region, effect.ravel())),
        "auroc": float(roc_auc_score(region, effect.ravel())),
        "base_rate": float(region.mean()),
    }
