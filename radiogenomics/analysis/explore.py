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

from radiogenomics.analysis import jacobian, mapping, synthesis
from radiogenomics.data import window
from radiogenomics.errors import InputError

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
    by_code, by_component = jacobian_factors(run, fold, row, draws, chunk)
    return jacobian.FactoredJacobian(by_code, fold.transform.pull_back(by_component))


def plan_passes(run, fold, draws, memory_mb):
    """Forward-mode passes at once that fit into `memory_mb`, for every patient of a run; see `jacobian.plan_passes`."""
    decode, encode = _halves(run.generator, tuple(run.config.data.window_hu), fold.variables, draws)
    return jacobian.plan_passes(decode, encode, fold.components[0], memory_mb)


def jacobian_factors(run, fold, row, draws, chunk):
    """Factors (image in HU by cut [*S, C], cut by component [C, K]) of one patient's Jacobian, mean over the draws."""
    window_hu = tuple(run.config.data.window_hu)
    factors = _factors(run.generator, window_hu, chunk, fold.variables, draws, fold.components[row])
    return tuple(np.asarray(factor) for factor in factors)


def image_changes(run, fold, row, draws, directions):
    """Derivative [*S, n] in HU of one patient's image, mean over the draws, along component directions [K, n]."""
    window_hu = tuple(run.config.data.window_hu)
    changes = _changes(run.generator, window_hu, fold.variables, draws, fold.components[row], directions.T)
    return np.moveaxis(np.asarray(changes), 0, -1)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _changes(generator, window_hu, variables, draws, component, directions):
    decode, encode = _halves(generator, window_hu, variables, draws)
    _, push = jax.linearize(lambda u: decode(encode(u)), component)
    return jax.vmap(push)(directions)


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


def pixel_map(run, genes, patients=None, together=False, backgrounds=2, noises=2):
    """Where genes act: the image's derivative, mean over held-out patients.

    Args:
      run: a `Run`.
      genes: gene symbols.
      patients: ids; all by default.
      together: one map for all of them rising by one SD each, as a pathway, instead of one map a gene.

    Returns:
      An `xarray.DataArray` [gene, y, x] in HU per gene SD (`z` first in 3-D).

    Raises:
      InputError: for an unknown gene or patient.
    """
    columns = mapping.gene_columns(run.cohort.genes, genes)
    directions = np.zeros((len(run.cohort.genes), len(columns)), np.float32)
    directions[columns, np.arange(len(columns))] = 1.0
    if together:
        directions = directions.sum(axis=1, keepdims=True)
    names = run.cohort.patients if patients is None else patients
    total = sum(patient_jacobian(run, name, backgrounds, noises).along(directions) for name in names)
    return xarray.DataArray(
        np.moveaxis(total / len(names), -1, 0),
        dims=("gene", *AXES[-run.config.data.ndim :]),
        coords={"gene": ["+".join(genes)] if together else list(genes)},
        attrs={"units": "HU per gene SD"},
    )
