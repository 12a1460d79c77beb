"""Pictures of what genes, noise and a metagene each do to a nodule, everything else kept the same."""

import numpy as np
import xarray

from radiogenomics.analysis import association, synthesis
from radiogenomics.analysis.explore import AXES
from radiogenomics.analysis.perturbed_items import gather_items

PANELS = 7
LARGEST_DOSE = 3.0  # SD of the metagene, either way


def make_gallery(run, metagene, weights=None, count=PANELS):
    """Strips of synthesised nodules of held-out patients of the largest fold, all in one background.

    Args:
      run: a `Run`.
      metagene: name of the metagene to sweep, such as "metagene 3".
      weights: `Metagenes`, or their weights [G, M]; chosen as the map does by default.
      count: panels a strip.

    Returns:
      An `xarray.Dataset` with `image_hu`, `mask` [strip, panel, y, x] (`z` first in 3-D) and `label` [strip, panel]:
      "patients", different patients' genes with one noise, evenly from the smallest to the largest real nodule; "real",
      their real nodules; "noises", one patient's genes with different noises; "metagene", that patient with the
      metagene set to -3 to +3 SD along its conditional mean.

    Raises:
      InputError: for an unknown metagene.
    """
    fold = max(run.folds, key=lambda fold: len(fold.held_out))
    rows, places = _spread_patients(run, fold, count)
    draws = synthesis.make_draws(run, fold, 1, count)
    first = fold.components[rows[len(rows) // 2]]
    moved, doses = _sweep(run, fold, rows[len(rows) // 2], metagene, weights, count)
    one = [0] * count
    strips = {
        "patients": (fold.components[rows], one[: len(rows)], [run.cohort.patients[row] for row in rows]),
        "noises": ([first] * count, range(count), [f"noise {number + 1}" for number in range(count)]),
        "metagene": (moved, one, [f"{dose:+g} SD" if dose else "0 SD" for dose in doses]),
    }
    made = {name: (_draw(run, fold, draws, components, noises), labels)
            for name, (components, noises, labels) in strips.items()}
    real = run.cohort.nodules.image_hu[places].astype(np.float32), run.cohort.nodules.mask[places].astype(np.float32)
    made["real"] = real, made["patients"][1]
    return _gather(run, made, count).assign_attrs(
        metagene=metagene, patient=run.cohort.patients[rows[len(rows) // 2]], fold=fold.name,
        spacing_mm=run.cohort.spacing_mm, cohort_fingerprint=run.cohort.fingerprint,
    )


def _spread_patients(run, fold, count):
    """Rows of up to `count` held-out patients, evenly over the order of size, and their largest patches' numbers."""
    nodules = run.cohort.nodules
    area = nodules.mask.reshape(len(nodules.mask), -1).sum(axis=1, dtype=np.int64)
    largest = {row: max(np.flatnonzero(nodules.patient == row), key=lambda place: area[place]) for row in fold.held_out}
    ordered = sorted(largest, key=lambda row: area[largest[row]])
    chosen = [ordered[place] for place in np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))]
    return chosen, [largest[row] for row in chosen]


def _sweep(run, fold, row, metagene, weights, count):
    """Components [count, K] of a patient with the metagene set to each dose, and the doses in SD."""
    column = gather_items(run, metagenes=[metagene], weights=weights).weights
    doses = np.linspace(-LARGEST_DOSE, LARGEST_DOSE, count)
    shift = doses - association.metagene_scores(fold, column)[row]
    return fold.components[row] + shift[:, None] * association.metagene_direction(fold, column).T, doses


def _draw(run, fold, draws, components, noises):
    """Images [n, *S] in HU and masks [n, *S], one a set of components and number of a draw."""
    pairs = [
        synthesis.images_of(run, fold, np.asarray(component, np.float32), synthesis.Draws(
            draws.background[number : number + 1], draws.noise[number : number + 1]
        ))
        for component, number in zip(components, noises, strict=True)
    ]
    return tuple(np.concatenate(arrays) for arrays in zip(*pairs, strict=True))


def _gather(run, made, count):
    """Strips of up to `count` panels as one dataset; panels that a strip lacks hold NaN and an empty label."""
    shape = (len(made), count, *run.cohort.patch_shape)
    image_hu, mask = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    label = np.full(shape[:2], "", object)
    for number, ((images, masks), labels) in enumerate(made.values()):
        used = number, slice(len(images))
        image_hu[used], mask[used], label[used] = images, masks, labels
    dims = ("strip", "panel", *AXES[-run.config.data.ndim :])
    return xarray.Dataset(
        {"image_hu": (dims, image_hu, {"units": "HU"}), "mask": (dims, mask), "label": (dims[:2], label.astype(str))},
        coords={"strip": list(made)},
    )
