"""Genes, pathways and metagenes moved in silico: what becomes of the nodule's features (design 5.4).

    perturb(run, genes=["EGFR"], how="knock_down")
    dose_response(run, sets=read_gene_sets("hallmark.gmt"))

Both ends of a change share their backgrounds and noises, so that nothing but the genes differs. Every patient is moved
by the fold that never saw it, in SDs of that fold's training patients.
"""

import numpy as np
import tqdm
import xarray

from radiogenomics import provenance
from radiogenomics.analysis import association, mapping, statistics, synthesis
from radiogenomics.analysis.perturbed_items import gather_items, held_out_rows, item_directions
from radiogenomics.errors import InputError
from radiogenomics.radiomics import describe_feature

TAILS = (0.025, 0.975)  # of the training patients: the range that the data support, and the interval of means
FEWEST = 3  # patients that a bootstrap needs
DOSES = np.linspace(-3.0, 3.0, 13)
ENDS = {"span": "from -1 to +1 SD", "knock_down": "from the patient's own value to the 2.5 % quantile",
        "over_express": "from the patient's own value to the 97.5 % quantile"}


def perturb(
    run, genes=None, sets=None, metagenes=None, how="span", together=True, patients=None, features=None, weights=None
):
    """Change of image features when genes, sets of genes or metagenes are moved, per held-out patient and on average.

    Args:
      run: a `Run`.
      genes, sets, metagenes, weights: what to move, each for itself; as `gather_items`.
      how: "span", from -1 to +1 SD; or from the patient's own value to the 2.5 % ("knock_down") or the 97.5 % quantile
        ("over_express") of the fold's training patients.
      together: with what moves with it; otherwise its own genes alone.
      patients: ids; all by default.
      features: feature names; those of the config by default.

    Returns:
      An `xarray.Dataset` in feature units: `change` [item, patient, feature]; its mean over patients `mean`, with
      patient-bootstrap standard error `se` and 95 % interval `low`, `high` [item, feature] (NaN below three patients);
      `shift_sd` [item, patient], the SDs by which the item was moved.

    Raises:
      InputError: for an unknown gene, metagene, feature, patient or `how`, and for items as `gather_items`.
    """
    if how not in ENDS:
        raise InputError(f"how: '{how}'; expected {', '.join(repr(name) for name in ENDS)}.")
    names, items = mapping.feature_names(run, features), gather_items(run, genes, sets, metagenes, weights)
    measure, parts, shifts = synthesis.measured_features(run, names), [], []
    folds = held_out_rows(run, patients)
    for fold, rows in folds:
        ends = _ends(fold, rows, items, how)  # [n, I, 2]
        values = _move(run, fold, rows, items, ends, together, measure)
        parts.append(values[:, :, 1] - values[:, :, 0])
        shifts.append(ends[..., 1] - ends[..., 0])
    change = np.concatenate(parts)  # [patients, I, F]
    average = bootstrap_mean(run, change, [len(rows) for _, rows in folds])
    dataset = xarray.Dataset({name: (("item", "feature"), values) for name, values in average.items()})
    dataset["change"] = (("item", "patient", "feature"), np.moveaxis(change, 0, 1))
    dataset["shift_sd"] = (("item", "patient"), np.concatenate(shifts).T, {"units": "SD over training patients"})
    dataset = dataset.assign_coords(patient=[run.cohort.patients[row] for _, rows in folds for row in rows])
    for name in ("change", *average):
        dataset[name].attrs["units"] = f"feature unit, {ENDS[how]}"
    return label_items(run, dataset, items, names, together).assign_attrs(how=how)


def dose_response(
    run, genes=None, sets=None, metagenes=None, doses=DOSES, together=True, patients=None, features=None, weights=None,
    noises=None,
):
    """Mean image features when genes, sets of genes or metagenes are set to each of several doses in every patient.

    Args:
      run, genes, sets, metagenes, weights, together, patients, features: as `perturb`.
      doses: two or more rising scores of the item, in SDs of the fold's training patients about their mean.
      noises: noises a background; those of the config by default.

    Returns:
      An `xarray.Dataset` in feature units: `mean` over patients and draws, its patient-bootstrap standard error `se`
      and 95 % interval `low`, `high` [item, dose, feature]; `support` [item, dose], the share of the cohort's patients
      whose own score is within half a step of the dose; `range_low`, `range_high` [item], the 2.5 and 97.5 % quantiles
      of those scores.

    Raises:
      InputError: as `perturb`, and for doses that do not rise.
    """
    doses = np.asarray(doses, float)
    if doses.ndim != 1 or len(doses) < 2 or not (np.isfinite(doses).all() and (np.diff(doses) > 0).all()):
        raise InputError(f"doses: {doses.tolist()}; expected two or more rising numbers.")
    names, items = mapping.feature_names(run, features), gather_items(run, genes, sets, metagenes, weights)
    measure, folds = synthesis.measured_features(run, names), held_out_rows(run, patients)
    parts = []
    for fold, rows in folds:
        ends = np.broadcast_to(doses, (len(rows), len(items.names), len(doses)))
        parts.append(_move(run, fold, rows, items, ends, together, measure, noises))
    average = bootstrap_mean(run, np.concatenate(parts), [len(rows) for _, rows in folds])
    dims = ("item", "dose", "feature")
    dataset = xarray.Dataset({name: (dims, values, {"units": "feature unit"}) for name, values in average.items()})
    scores = np.concatenate([association.metagene_scores(fold, items.weights)[fold.held_out] for fold in run.folds])
    dataset["support"] = (("item", "dose"), dose_support(scores, doses), {"units": "share of the cohort's patients"})
    dataset["range_low"], dataset["range_high"] = (("item", bound) for bound in np.quantile(scores, TAILS, axis=0))
    dataset = dataset.assign_coords(dose=("dose", doses, {"units": "SD over training patients"}))
    return label_items(run, dataset, items, names, together)


def dose_support(scores, doses):
    """Share [I, D] of the patients whose score [patients, I] is within half a step of each rising dose [D]."""
    between = (doses[1:] + doses[:-1]) / 2
    edges = np.concatenate([[2 * doses[0] - between[0]], between, [2 * doses[-1] - between[-1]]])
    return np.stack([np.histogram(column, edges)[0] / len(column) for column in scores.T])


def bootstrap_mean(run, values, sizes):
    """Mean over patients of values [patients, ...] with its patient-bootstrap error: {"mean", "se", "low", "high"}.

    Patients are resampled within folds of the given sizes, all together where a fold has fewer than three of them.
    """
    mean = values.mean(axis=0)
    if len(values) < FEWEST:
        return {"mean": mean} | {name: np.full_like(mean, np.nan) for name in ("se", "low", "high")}
    positions = statistics.number_patients(sizes if min(sizes) >= FEWEST else [len(values)])
    weights = statistics.bootstrap_weights(positions, run.config.evaluate.bootstraps, run.config.seed)
    # An item at a time: all of them with every resample would be large.
    table = [_spread(np.tensordot(weights, values[:, place], axes=1)) for place in range(values.shape[1])]
    se, low, high = (np.stack(arrays) for arrays in zip(*table, strict=True))
    return {"mean": mean, "se": se, "low": low, "high": high}


def label_items(run, dataset, items, names, together):
    """Adds the coordinates and provenance that perturbations share."""
    members = (np.abs(items.weights) > 0).sum(axis=0)
    return dataset.assign_coords(
        item=list(items.names), kind=("item", list(items.kinds)), genes=("item", members), feature=list(names),
        unit=("feature", [describe_feature(name).unit for name in names]),
    ).assign_attrs(
        moved="with what moves with it" if together else "its own genes alone",
        interval="95 %, patients resampled", **provenance.attributes(run.config, run.cohort.fingerprint),
    )


def _spread(samples):
    return samples.std(axis=0), *np.quantile(samples, TAILS, axis=0)


def _ends(fold, rows, items, how):
    """Scores [n, I, 2] of both ends of the change."""
    scores = association.metagene_scores(fold, items.weights)
    own = scores[rows]
    if how == "span":
        return np.broadcast_to([-1.0, 1.0], (*own.shape, 2))
    end = np.quantile(scores[fold.training], TAILS[how == "over_express"], axis=0)
    return np.stack([own, np.broadcast_to(end, own.shape)], axis=-1)


def _move(run, fold, rows, items, ends, together, measure, noises=None):
    """Features [n, I, E, F] of the fold's patients in `rows` with each item's score set to `ends` [n, I, E]."""
    settings = run.config.map
    draws = synthesis.make_draws(run, fold, settings.backgrounds, noises or settings.noises)
    direction = item_directions(fold, items, together).T  # [I, K]
    shift = ends - association.metagene_scores(fold, items.weights)[rows][..., None]
    moved = []
    for block in tqdm.tqdm(synthesis.patient_blocks(len(rows)), desc=f"{fold.name} perturbation", disable=None):
        start, steps = fold.components[rows[block]][:, None, None], shift[block]  # [p, 1, 1, K], [p, I, E]
        flat = (start + steps[..., None] * direction[:, None]).reshape(-1, start.shape[-1])
        moved.append(synthesis.measure_in_groups(measure, fold, flat, draws)[0].reshape(*steps.shape, -1))
    return np.concatenate(moved)
