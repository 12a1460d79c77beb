"""Are the synthesised nodules real, well masked, and new? The same questions to the generator and to its rivals."""

import logging
from typing import NamedTuple

import numpy as np

from radiogenomics.analysis import distances, extractors, features, intervals, masks, memorisation, realism
from radiogenomics.radiomics import exact_table, resolve

BOOTSTRAPS = 200  # at most; a Frechet distance each
DRAWS = 16  # of a patient at most, spread evenly over the draws: kernels and nearest distances grow with their square
HU_STEP = 1.0


class Patches(NamedTuple):
    """Nodules of many patients, real or of one candidate."""

    image_hu: np.ndarray  # [N, *S] clipped to the window
    mask: np.ndarray  # [N, *S] bool
    owner: np.ndarray  # [N] rows of patients
    features: np.ndarray  # [N, F] exact, NaN where undefined


def score_likeness(run, names, candidates):
    """{"realism", "mask", "memorisation"}: each {candidate: scores} as in evaluation.json (design 4.4).

    Everything is held out: a patient's nodules are synthesised, and compared, in the fold that never saw the patient.
    At most DRAWS draws of a patient count. Intervals resample patients within folds. A candidate without nodules has
    NaN for scores.

    Args:
      run: a `Run`.
      names: features of the samples.
      candidates: {name: list of `PatientSample`}.
    """
    logging.info("evaluation: likeness of %s", ", ".join(candidates))
    real, made, weights = gather_patches(run, names, candidates)
    return {
        "realism": score_realism(run, names, real, made, weights),
        "mask": score_masks(run, names, real, made, weights),
        "memorisation": audit_memorisation(run, real, made, weights),
    }


def gather_patches(run, names, candidates):
    """(`Patches` of the real nodules, {candidate: `Patches`}, bootstrap weights of the patients) to be compared."""
    nodules, window_hu = run.cohort.nodules, run.config.data.window_hu
    exact, _ = features.real_patches(run.cohort, names)
    real = Patches(np.clip(nodules.image_hu, *window_hu), nodules.mask > 0, nodules.patient, exact)
    made = {name: _stack(samples) for name, samples in candidates.items()}
    bootstraps = min(run.config.evaluate.bootstraps, BOOTSTRAPS)
    return real, made, intervals.patient_weights([fold.held_out for fold in run.folds], bootstraps, run.config.seed)


def _stack(samples):
    chosen = np.unique(np.linspace(0, len(samples[0].mask) - 1, DRAWS).round().astype(int))
    return Patches(
        np.concatenate([sample.image_hu[chosen] for sample in samples]),
        np.concatenate([sample.mask[chosen] for sample in samples]),
        np.repeat([sample.row for sample in samples], len(chosen)),
        np.concatenate([sample.features[chosen] for sample in samples]),
    )


def score_realism(run, names, real, made, weights):
    """Distances between the `Patches` of held-out patients, real and made by each candidate, in several spaces."""
    def score(space, measure):
        return realism.score_distance(measure, *space, run.folds, weights, run.config.seed)

    parts = score_spaces(run, real, made, weights, SPACES) | {
        "frechet": score(_radiomic_space(run, real, made), distances.frechet_distance),
        "hu_wasserstein": score(_voxels(run, real, made), _hu_distance(run)),
        "sd_between_patients": {
            name: realism.spread_between(
                names, realism.Vectors(real.features, real.owner), realism.Vectors(patches.features, patches.owner)
            )
            for name, patches in made.items()
        },
    }
    return {name: {part: scores[name] for part, scores in parts.items()} for name in made}


def score_spaces(run, real, made, weights, spaces):
    """{space: {candidate: kernel distance, density and coverage}} in the `spaces` named, of SPACES."""
    return {
        name: realism.score_vectors(*SPACES[name](run, real, made), run.folds, weights, run.config.seed)
        for name in spaces
    }


def _embed_all(real, made, embed):
    """`Vectors` of all patches: (real, {candidate: synthetic}), the same for every fold."""
    return (
        realism.Vectors(embed(real), real.owner),
        {name: realism.Vectors(embed(patches), patches.owner) for name, patches in made.items()},
    )


def _standardise(run, real, synthetic):
    """A space in the SDs of each fold's training patients: (real of each fold, {candidate: of each fold})."""
    return _by_fold([realism.standardise(real, synthetic, fold.training) for fold in run.folds])


def _by_fold(pairs):
    return [real for real, _ in pairs], {name: [made[name] for _, made in pairs] for name in pairs[0][1]}


def _radiomic_space(run, real, made):
    return _standardise(run, *_embed_all(real, made, lambda patches: patches.features))


def _random_space(run, real, made):
    params = extractors.random_weights(run.config.data.ndim)
    return _standardise(run, *_embed_all(real, made, lambda patches: _embed(run, params, patches)))


def _trained_space(run, real, made):
    """Vectors of each fold by the encoder of that fold; of synthesised nodules only the fold's own."""
    params = extractors.train_weights(
        real.image_hu, real.mask, real.owner, [fold.training for fold in run.folds],
        run.cohort.spacing_mm, run.config.data.window_hu, run.config.seed,
    )
    pairs = []
    for fold, weights in zip(run.folds, params, strict=True):
        held_out = {name: _select(patches, np.isin(patches.owner, fold.held_out)) for name, patches in made.items()}
        vectors = _embed_all(real, held_out, lambda patches, weights=weights: _embed(run, weights, patches))
        pairs.append(realism.standardise(*vectors, fold.training))
    return _by_fold(pairs)


SPACES = {"radiomic": _radiomic_space, "random": _random_space, "trained": _trained_space}


def _embed(run, params, patches):
    return extractors.embed(params, patches.image_hu, patches.mask, run.cohort.spacing_mm, run.config.data.window_hu)


def _select(patches, rows):
    return Patches(*(values[rows] for values in patches))


def _voxels(run, real, made):
    """Attenuation of every voxel inside a nodule as a space."""
    def inside(patches):
        counts = patches.mask.reshape(len(patches.mask), -1).sum(axis=1)
        return realism.Vectors(patches.image_hu[patches.mask], np.repeat(patches.owner, counts))

    return _by_fold([(inside(real), {name: inside(patches) for name, patches in made.items()})] * len(run.folds))


def _hu_distance(run):
    low, high = run.config.data.window_hu
    edges = np.arange(low, high + 2 * HU_STEP, HU_STEP)

    def measure(*sides_and_weights):
        return distances.histogram_distance(*sides_and_weights, edges)

    return measure


def score_masks(run, names, real, made, weights):
    """`masks.score_masks` of each candidate."""
    real_shapes = _shapes(run, names, real)
    return {
        name: masks.score_masks(
            (patches.image_hu, patches.mask), patches.owner, _shapes(run, names, patches),
            (real.image_hu, real.mask), real.owner, real_shapes, weights,
        )
        for name, patches in made.items()
    }


def _shapes(run, names, patches):
    """Area in voxels, sphericity (2-D: circularity) and spiculation of each mask, NaN where it is empty."""
    wanted = tuple(resolve(("sphericity", "spiculation"), run.config.data.ndim))
    values = patches.features
    if not set(wanted) <= set(names):
        names = wanted
        values, _ = exact_table(
            patches.image_hu, patches.mask, run.cohort.spacing_mm, names, [str(row) for row in patches.owner]
        )
    area = patches.mask.reshape(len(patches.mask), -1).sum(axis=1).astype(np.float64)
    area[area == 0] = np.nan
    columns = [values[:, list(names).index(name)] for name in wanted]
    return {"area": area, "sphericity": columns[0], "spiculation": columns[1]}


def audit_memorisation(run, real, made, weights):
    """`memorisation.audit_folds` of each candidate, on the nodules that are not empty."""
    window_hu = run.config.data.window_hu
    vectors = memorisation.nodule_vectors(real.image_hu, real.mask, window_hu)
    audits = {}
    for name, patches in made.items():
        patches = _select(patches, patches.mask.any(axis=tuple(range(1, patches.mask.ndim))))
        synthetic = memorisation.nodule_vectors(patches.image_hu, patches.mask, window_hu)
        audits[name] = memorisation.audit_folds(vectors, real.owner, synthetic, patches.owner, run.folds, weights)
    return audits
