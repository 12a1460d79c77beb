"""Questions to a trained run from a notebook: synthesise for any genes and background, see where genes act.

    run = radiogenomics.load_run("runs/phantom")
    nodules = synthesise(run, patients=["P001", "P002"])
    where = pixel_map(run, ["EGFR"])
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import xarray

from radiogenomics.analysis import association, jacobian, mapping, synthesis
from radiogenomics.analysis.patient_effects import component_gradients
from radiogenomics.analysis.perturbed_items import gather_items, held_out_rows, item_directions
from radiogenomics.data import window
from radiogenomics.errors import InputError
from radiogenomics.radiomics import describe_feature
from radiogenomics.train import sharding

AXES = ("z", "y", "x")


def synthesise(run, patients=None, expression=None, covariates=None, background_hu=None, backgrounds=1, noises=1):
    """Synthesises nodules for known patients, each by the fold that never saw them, or for new expression profiles.

    Args:
      run: a `Run`.
      patients: ids of the cohort; all by default. Not together with `expression`.
      expression: DataFrame of new patients, as published (FPKM or TPM, NaN = not detected); columns are gene symbols.
      covariates: DataFrame of the new patients, with the columns that were adjusted for; average patients if None.
      background_hu: nodule-free patches [n, *S] in HU; by default `backgrounds` patches of training patients.
      noises: noise draws a background.

    Returns:
      An `xarray.Dataset` with `image_hu` and `mask` [patient, draw, y, x] (`z` first in 3-D).

    Raises:
      InputError: for an unknown patient, a missing gene, or a background of another size.
    """
    if expression is not None:
        names, jobs = list(expression.index), _new_patients(run, expression, covariates)
    else:
        names = list(run.cohort.patients if patients is None else patients)
        jobs = [(run.fold_of(row), run.fold_of(row).components[row]) for row in run.cohort.indices(names)]
    results = [
        synthesis.images_of(run, fold, component, _draws(run, fold, background_hu, backgrounds, noises))
        for fold, component in jobs
    ]
    dims = ("patient", "draw", *AXES[-run.config.data.ndim :])
    image_hu, mask = (np.stack(arrays) for arrays in zip(*results, strict=True))
    return xarray.Dataset(
        {"image_hu": (dims, image_hu, {"units": "HU"}), "mask": (dims, mask)},
        coords={"patient": [str(name) for name in names]},
        attrs={"spacing_mm": run.cohort.spacing_mm},
    )


def _new_patients(run, expression, covariates):
    """[(fold, components [K])]; by the fold trained on everybody where there is one, else by the first."""
    missing = [gene for gene in run.cohort.genes if gene not in expression]
    if missing:
        raise InputError(f"expression: gene '{missing[0]}' is missing ({len(missing)} of {len(run.cohort.genes)}).")
    fold = run.whole or run.folds[0]
    values = expression[list(run.cohort.genes)].to_numpy(float)
    components = fold.transform.components(fold.transform.standardise(values, covariates))
    return [(fold, component) for component in components]


def _draws(run, fold, background_hu, backgrounds, noises):
    if background_hu is None:
        return synthesis.make_draws(run, fold, backgrounds, noises)
    background_hu = np.asarray(background_hu)
    if background_hu.shape[1:] != run.cohort.patch_shape:
        raise InputError(f"background_hu: shape {background_hu.shape}; expected [n, {run.cohort.patch_shape}].")
    patches = np.asarray(window.scale_hu(background_hu, run.config.data.window_hu))
    return synthesis.combine_draws(patches, synthesis.draw_noise(run, noises))


def patient_jacobian(run, patient, backgrounds=2, noises=2, memory_mb=1024.0):
    """The `FactoredJacobian` of one patient's image in HU, averaged over draws, by the fold that never saw them.

    Raises InputError for an unknown patient, or where the passes do not fit into `memory_mb` megabytes.
    """
    row = run.cohort.indices([patient])[0]
    fold = run.fold_of(row)
    draws = synthesis.make_draws(run, fold, backgrounds, noises)
    chunk = plan_passes(run, fold, draws, memory_mb)
    arguments = fold.variables, draws, fold.components[row]
    by_code, by_component = _factors(run.generator, tuple(run.config.data.window_hu), chunk, *arguments)
    return jacobian.FactoredJacobian(np.asarray(by_code), fold.transform.pull_back(np.asarray(by_component)))


def plan_passes(run, fold, draws, memory_mb):
    """Forward-mode passes at once that fit into `memory_mb`, for every patient of a run; see `jacobian.plan_passes`."""
    decode, encode = _halves(run.generator, tuple(run.config.data.window_hu), fold.variables, draws)
    return jacobian.plan_passes(decode, encode, fold.components[0], memory_mb)


def component_jacobians(run, chunk):
    """A function `(fold, rows, draws)` that yields each patient's Jacobian [*S, K], HU by component, mean over draws.

    Patients are spread over the devices and pass in their order; `chunk` is that of `plan_passes`, on each device.
    """
    window_hu = tuple(run.config.data.window_hu)

    def of_patient(shared, component):
        by_cut, by_component = _factors(run.generator, window_hu, chunk, *shared, component)
        return jnp.matmul(by_cut, by_component, precision="highest")

    spread = sharding.spread_over_devices(of_patient)

    def of_fold(fold, rows, draws):
        return spread((fold.variables, draws), fold.components[rows].astype(np.float32))

    return of_fold


def image_changes(run):
    """A function `(fold, rows, draws, directions [n, K])` that yields each patient's derivatives [n, *S] in HU.

    Mean over the draws, along the component directions; patients are spread over the devices.
    """
    window_hu = tuple(run.config.data.window_hu)

    def of_patient(shared, component):
        variables, draws, directions = shared
        decode, encode = _halves(run.generator, window_hu, variables, draws)
        _, push = jax.linearize(lambda u: decode(encode(u)), component)
        return jax.vmap(push)(directions)

    spread = sharding.spread_over_devices(of_patient)

    def of_fold(fold, rows, draws, directions):
        return spread((fold.variables, draws, directions.astype(np.float32)), fold.components[rows].astype(np.float32))

    return of_fold


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _factors(generator, window_hu, chunk, variables, draws, component):
    decode, encode = _halves(generator, window_hu, variables, draws)
    return jacobian.code_factors(decode, encode, component, chunk)


def _halves(generator, window_hu, variables, draws):
    """(code -> image in HU averaged over the draws, components -> code); averaging commutes with the derivative."""

    def encode(component):
        return generator.apply(variables, component[None], method="encode")[0]

    def decode(code):
        codes = jnp.broadcast_to(code, (len(draws.noise), len(code)))
        synthesised = generator.apply(variables, draws.background, codes, draws.noise, method="decode")
        return window.to_hu(synthesised.image[..., 0], window_hu).mean(axis=0)

    return decode, encode


def patient_map(run, patients=None, genes=None, features=None):
    """Each held-out patient's own map, of which `radiogenomic_map` is the mean.

    Args:
      run: a `Run`.
      patients: ids; all by default.
      genes: symbols; all by default, 24 MB for 130 patients, 9 features and 5,172 genes.
      features: feature names; those of the config by default.

    Returns:
      An `xarray.Dataset` [patient, feature, gene] in feature units per gene SD: `sensitivity`, the gene alone, and
      `association`, with what moves with it, both where that patient is.

    Raises:
      InputError: for an unknown patient, gene or feature.
    """
    names, columns = mapping.feature_names(run, features), mapping.gene_columns(run.cohort.genes, genes)
    gradients, folds, parts = component_gradients(run, names), held_out_rows(run, patients), []
    for fold, rows in folds:
        draws = synthesis.make_draws(run, fold, run.config.map.backgrounds, run.config.map.noises)
        by_component = gradients(fold, rows, draws)
        both = (association.gene_sensitivity(by_component, fold), association.gene_association(by_component, fold))
        parts.append([values[..., columns] for values in both])
    values = (np.concatenate(arrays).astype(np.float32) for arrays in zip(*parts, strict=True))
    dims, unit = ("patient", "feature", "gene"), {"units": "feature unit per gene SD"}
    dataset = xarray.Dataset(
        {name: (dims, array, unit) for name, array in zip(("sensitivity", "association"), values, strict=True)}
    )
    return dataset.assign_coords(
        patient=[run.cohort.patients[row] for _, rows in folds for row in rows], feature=list(names),
        gene=[run.cohort.genes[column] for column in columns],
        unit=("feature", [describe_feature(name).unit for name in names]),
    )


def pixel_map(
    run, genes=None, sets=None, metagenes=None, together=False, patients=None, backgrounds=2, noises=2, weights=None,
    memory_mb=1024.0,
):
    """Where genes, pathways or metagenes act: the image's derivative, mean over held-out patients.

    Args:
      run: a `Run`.
      genes, sets, metagenes, weights: whose maps; as `perturbed_items.gather_items`.
      together: with what moves with it; otherwise its own genes alone, the raw derivative.
      patients: ids; all by default. One patient's own map with one id.
      backgrounds, noises: draws that a patient's image is averaged over.
      memory_mb: bound on the memory of one patient's passes on a device.

    Returns:
      An `xarray.DataArray` [item, y, x] in HU per SD of the item (`z` first in 3-D).

    Raises:
      InputError: for an unknown gene, metagene or patient, nothing to show, or too little memory.
    """
    items = gather_items(run, genes, sets, metagenes, weights)
    total, count, jacobians = 0.0, 0, None
    for fold, rows in held_out_rows(run, patients):
        draws = synthesis.make_draws(run, fold, backgrounds, noises)
        if jacobians is None:  # One plan and one compilation for all.
            jacobians = component_jacobians(run, plan_passes(run, fold, draws, memory_mb))
        direction = item_directions(fold, items, together)
        total = total + sum(jacobians(fold, rows, draws)) @ direction
        count += len(rows)
    return xarray.DataArray(
        np.moveaxis(total / count, -1, 0),
        dims=("item", *AXES[-run.config.data.ndim :]),
        coords={"item": list(items.names), "kind": ("item", list(items.kinds))},
        attrs={"units": "HU per SD", "moved": "with what moves with it" if together else "its own genes alone"},
    )
