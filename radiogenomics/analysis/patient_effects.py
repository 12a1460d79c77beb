"""What a run's generators say about each held-out patient: the quantities that a map averages and tests."""

from typing import NamedTuple

import numpy as np
import tqdm

from radiogenomics.analysis import association, jacobian, regions, statistics, synthesis
from radiogenomics.analysis.gene_effects import MappedFold
from radiogenomics.errors import InputError
from radiogenomics.train import sharding

MEMORY_MB = 1024.0  # of gradients, on a device
VARIED = ("metagene_effect", "metagene_associated")  # what standard errors are given for, beside genes'


class Effects(NamedTuple):
    """Of each mapped patient, fold by fold; I image quantities: F features, then the regions of `regions.REGIONS`."""

    gradient: np.ndarray  # [patients, I, K] by component; of several trainings, their components side by side
    metagene_associated: np.ndarray  # [patients, I, M] feature unit per metagene SD
    metagene_effect: np.ndarray  # [patients, F, M] finite, from -1 to +1 SD
    region_hu: np.ndarray  # [patients, R] of the synthesised nodules
    image: np.ndarray  # [M, *S] mean change in HU per metagene SD
    mask: np.ndarray  # [M, *S] and of the mask


def measure_effects(run, names, folds, weights):
    """`Effects` of a run.

    Args:
      run: a `Run`.
      names: feature names.
      folds: [(fold, held-out rows)].
      weights: [all genes, M] of the metagenes.
    """
    # Made once for all folds, so that they compile once.
    gradient = component_gradients(run, names, with_regions=True)
    measure = synthesis.measured_images(run, names)
    parts, counts = [], [len(rows) for _, rows in folds]
    for fold, rows in folds:
        draws = synthesis.make_draws(run, fold, run.config.map.backgrounds, run.config.map.noises)
        by_component = gradient(fold, rows, draws)
        along = association.direction_association(by_component, fold, weights)
        finite = perturb_metagenes(fold, rows, weights, draws, measure)
        parts.append((
            by_component, along, finite[0], regions.synthesised_region_means(run, fold, rows, draws), *finite[1:],
        ))
    *by_patient, image, mask = zip(*parts, strict=True)
    pixels = (np.average(per_fold, axis=0, weights=counts) for per_fold in (image, mask))
    return Effects(*map(np.concatenate, by_patient), *pixels)


def component_gradients(run, names, with_regions=False, memory_mb=MEMORY_MB):
    """A function `(fold, rows, draws) -> [n, I, K]`: gradients of image quantities by component, patient by patient.

    Patients are spread over the devices. Where all draws together do not fit into `memory_mb` megabytes on a device,
    they are taken in parts and averaged; the function compiles once.
    """
    measures = [synthesis.feature_measure(run, names)] + [regions.region_measure(run)] * with_regions
    quantities, planned = synthesis.mean_measures(run, measures), []

    def gradients(fold, rows, draws):
        components = fold.components[rows].astype(np.float32)
        if not planned:
            planned.extend(_plan_parts(quantities, fold.variables, components[0], draws, memory_mb))
        count, spread = planned
        found = zip(*(spread((fold.variables, part), components) for part in split_draws(draws, count)), strict=True)
        return np.stack([np.mean(parts, axis=0) for parts in tqdm.tqdm(
            found, f"{fold.name} gradients", len(rows), disable=None
        )])

    return gradients


def _plan_parts(quantities, variables, component, draws, memory_mb):
    """(parts that the draws are taken in, compiled function of one part)."""
    total = len(draws.noise)
    for count in (count for count in range(1, total + 1) if total % count == 0):
        try:
            first = split_draws(draws, count)[0]
            chunk = jacobian.plan_gradients(quantities, variables, component, first, memory_mb)
            break
        except InputError:
            if count == total:
                raise
    of_patient = jacobian.feature_sensitivity(quantities, chunk)
    return count, sharding.spread_over_devices(lambda shared, component: of_patient(shared[0], component, shared[1]))


def split_draws(draws, count):
    """The draws in `count` parts of equal size."""
    return [synthesis.Draws(*parts) for parts in zip(*(np.split(values, count) for values in draws), strict=True)]


def perturb_metagenes(fold, rows, weights, draws, measure):
    """Moves each metagene from -1 to +1 SD with what moves with it; same backgrounds, same noises (design 5.4).

    `measure` is `synthesis.measured_images`.

    Returns:
      Change of the features [patients, F, M]; mean over patients of the change per SD of the image [M, *S] in HU
      and of the mask [M, *S].
    """
    direction = association.metagene_direction(fold, weights).T  # [M, K]
    scores = association.metagene_scores(fold, weights)[rows]  # [patients, M]
    effects, image, mask = [], 0.0, 0.0
    for block in tqdm.tqdm(synthesis.patient_blocks(len(rows)), desc=f"{fold.name} metagenes", disable=None):
        shape = (len(block), len(direction))
        ends = []
        for end in (-1.0, 1.0):  # Apart, so that both ends are rounded alike.
            components = fold.components[rows[block]][:, None] + (end - scores[block])[..., None] * direction
            ends.append(synthesis.measure_in_groups(measure, fold, components.reshape(-1, components.shape[-1]), draws))
        changes = [(high - low).reshape(*shape, *low.shape[1:]) for low, high in zip(*ends, strict=True)]  # [p, M, ...]
        effects.append(np.moveaxis(changes[0], 1, 2))
        image, mask = (total + change.sum(axis=0) / (2.0 * len(rows))
                       for total, change in zip((image, mask), changes[1:], strict=True))
    return np.concatenate(effects), image, mask


def average_effects(each):
    """Mean of several trainings' `Effects` of the same patients, and how far their means are apart.

    Returns:
      (`Effects`, {"metagene_effect": [F, M], "metagene_associated": [I, M]}): `seed_errors` of the means over patients.
    """
    seeds = {name: seed_errors([getattr(one, name).mean(axis=0) for one in each]) for name in VARIED}
    if len(each) == 1:
        return each[0], seeds
    mean = Effects(*(np.mean(arrays, axis=0, dtype=np.float32) for arrays in zip(*each, strict=True)))
    return mean._replace(gradient=np.concatenate([one.gradient for one in each], axis=-1) / len(each)), seeds


def seed_errors(means):
    """Squared standard errors that the trainings' seeds give a list of S trainings' means: s^2 / S; 0 for one."""
    means = np.stack(means)
    return np.square(means - means.mean(axis=0)).sum(axis=0) / (max(len(means) - 1, 1) * len(means))


def mapped_folds(folds_of, gradient, columns):
    """The `MappedFold`s that effects and evidence of genes are made from.

    Args:
      folds_of: of each training its [(fold, held-out rows)]; trainings share folds and standardised genes.
      gradient: [patients, I, K of all trainings] of `average_effects`.
      columns: [G] of the genes.
    """
    positions = statistics.number_patients([len(rows) for _, rows in folds_of[0]])
    everything = np.array_equal(columns, np.arange(folds_of[0][0][0].genes.shape[1]))
    chosen = slice(None) if everything else columns  # Numbers would copy what may be hundreds of megabytes a fold.
    mapped = []
    for own, same in zip(positions, zip(*folds_of, strict=True), strict=True):
        fold, rows = same[0]
        components = np.concatenate([one.components for one, _ in same], axis=1)
        mapped.append(MappedFold(gradient[own], components, fold.genes[:, chosen], fold.training, rows))
    return mapped


def metagene_folds(folds_of, mapped, weights):
    """The `mapped` folds with the scores of metagenes [all genes, M] in the place of genes."""
    return [
        one._replace(genes=association.metagene_scores(fold, weights))
        for one, (fold, _) in zip(mapped, folds_of[0], strict=True)
    ]
