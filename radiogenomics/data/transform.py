"""From expression as published to standardised genes and components, fitted on a fold's training patients only.

log2(x + 1), not detected = 0 -> robust scaling -> clipping -> covariates removed -> SD 1 -> whitened PCA scores.
"""

import dataclasses

import numpy as np

from radiogenomics import outputs
from radiogenomics.data import covariates as covariate_models
from radiogenomics.errors import InputError

VERSION = 1
ARRAYS = ("center", "scale", "effects", "sd", "loadings")


@dataclasses.dataclass(frozen=True)
class GeneTransform:
    """A fitted gene transform; `loadings` maps standardised genes to the encoder's input components."""

    genes: tuple  # [G] symbols
    center: np.ndarray  # [G] median of log2(FPKM + 1)
    scale: np.ndarray  # [G] robust SD of log2(FPKM + 1)
    clip_sd: float
    covariates: covariate_models.CovariateModel
    effects: np.ndarray  # [1 + Q, G] of the covariates on the clipped values
    sd: np.ndarray  # [G] of the residuals
    loadings: np.ndarray  # [G, K], K = 0 without a front end; components have SD 1 on the training patients

    def standardise(self, expression, covariates=None):
        """Standardised genes [patients, G], in SDs of the training patients.

        Without covariates every patient counts as the average training patient.
        """
        scaled = _scaled(expression, self.center, self.scale, self.clip_sd)
        if covariates is None:
            design = np.tile(self.covariates.average, (len(scaled), 1))
        else:
            design = self.covariates.design(covariates)
        residuals = covariate_models.remove_effects(design, self.effects, scaled)
        return (residuals / self.sd).astype(np.float32)

    def components(self, standardised):
        """The encoder's input [..., K] from standardised genes [..., G]; the genes themselves without a front end."""
        return standardised @ self.loadings if self.loadings.size else standardised

    def pull_back(self, gradient):
        """Gradients with respect to genes [..., G] from those with respect to components [..., K]."""
        return gradient @ self.loadings.T if self.loadings.size else gradient


def fit_transform(expression, covariates, genes, config):
    """Fits a `GeneTransform` on training patients.

    Args:
      expression: [patients, G] as published, NaN = not detected.
      covariates: DataFrame of the same patients.
      genes: [G] symbols.
      config: the configuration; reads `genes.clip_sd`, `genes.adjust` and `genes.components`.

    Raises:
      InputError: for negative or infinite expression, or more components than the patients can carry.
    """
    _check_expression(expression, genes)
    if config.genes.clip_sd <= 0:
        raise InputError(f"genes.clip_sd: {config.genes.clip_sd:g}; expected more than 0.")
    log = _log2(expression)
    center = np.median(log, axis=0)
    scale = _robust_sd(log)
    scaled = _scaled(expression, center, scale, config.genes.clip_sd)
    model = covariate_models.fit_covariates(covariates, config.genes.adjust)
    design = model.design(covariates)
    effects = covariate_models.fit_effects(design, scaled)
    residuals = covariate_models.remove_effects(design, effects, scaled)
    sd = residuals.std(axis=0)
    # A gene that the covariates or the training patients leave constant carries nothing; it becomes zero.
    sd = np.where(sd > 1e-6, sd, np.inf)
    return GeneTransform(
        genes=tuple(genes),
        center=center,
        scale=scale,
        clip_sd=float(config.genes.clip_sd),
        covariates=model,
        effects=effects,
        sd=sd,
        loadings=_principal_loadings(residuals / sd, config.genes.components),
    )


def standardise_everybody(expression, covariates, genes, config):
    """(transform, standardised genes [patients, G]) fitted on all the patients given, without a front end.

    For what needs no held-out patients: clusters of genes, and the classical route.
    """
    plain = config.copy_and_resolve_references()
    plain.genes.components = 0
    transform = fit_transform(expression, covariates, genes, plain)
    return transform, transform.standardise(expression, covariates)


def _check_expression(expression, genes):
    impossible = np.argwhere((expression < 0) | np.isinf(expression))
    if len(impossible):
        row, column = impossible[0]
        raise InputError(
            f"expression: gene {genes[column]} has the value {expression[row, column]:g}; "
            "expected FPKM or TPM, finite and not negative."
        )


def _log2(expression):
    return np.log2(np.nan_to_num(np.asarray(expression, np.float64), nan=0.0) + 1.0)


def _robust_sd(log):
    quartiles = np.quantile(log, [0.25, 0.75], axis=0)
    robust = (quartiles[1] - quartiles[0]) / 1.349
    # A gene detected in few patients has no interquartile range; its SD stands in.
    plain = log.std(axis=0)
    return np.where(robust > 1e-3, robust, np.where(plain > 1e-3, plain, 1.0))


def _scaled(expression, center, scale, clip_sd):
    return np.clip((_log2(expression) - center) / scale, -clip_sd, clip_sd)


def _principal_loadings(standardised, count):
    """Loadings [G, count] of whitened principal components; empty for count 0, which means no front end."""
    patients, genes = standardised.shape
    if count == 0:
        return np.zeros((genes, 0), np.float32)
    _, singular, directions = np.linalg.svd(standardised, full_matrices=False)
    # Whitening a component without variance would blow up rounding errors.
    carried = int((singular > 1e-6 * max(singular[0], 1.0)).sum())
    if not 0 <= count <= carried:
        raise InputError(
            f"genes.components: {count}; {patients} training patients and {genes} genes, less the covariates adjusted "
            f"for, carry 0 to {carried}."
        )
    # The sign of a singular vector is arbitrary; fixing it keeps runs comparable across machines.
    signs = np.sign(directions[np.arange(count), np.abs(directions[:count]).argmax(axis=1)])
    return (directions[:count] * (signs * np.sqrt(patients) / singular[:count])[:, None]).T.astype(np.float32)


def save_transform(directory, transform):
    """Writes the transform as `genes.json` and `genes.npz` (plain arrays, no pickle)."""
    outputs.write_json(
        directory / "genes.json",
        {
            "version": VERSION,
            "genes": transform.genes,
            "clip_sd": transform.clip_sd,
            "covariates": dataclasses.asdict(transform.covariates),
        },
    )
    with outputs.new_file(directory / "genes.npz") as aside:
        np.savez(aside, **{name: getattr(transform, name) for name in ARRAYS})


def load_transform(directory):
    """Reads what `save_transform` wrote; InputError where it is missing or of another version."""
    meta = outputs.read_json(directory / "genes.json")
    if meta["version"] != VERSION:
        raise InputError(f"{directory / 'genes.json'}: version {meta['version']}; this code reads version {VERSION}.")
    with np.load(directory / "genes.npz", allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in ARRAYS}
    lists = {name: tuple(meta["covariates"][name]) for name in ("dropped", "average")}
    model = covariate_models.CovariateModel(**(meta["covariates"] | lists))
    return GeneTransform(genes=tuple(meta["genes"]), clip_sd=meta["clip_sd"], covariates=model, **stored)
