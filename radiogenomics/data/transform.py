"""From expression as published to standardised genes and components, fitted on a fold's training patients only.

log2(x + 1) -> robust scaling -> clipping -> covariates removed -> SD 1 -> components of the front end.

Not detected (a missing value or 0) counts as 0 with `genes.not_detected` "zero": what a sequencer says that finds no
read. With "half_minimum" it counts as half of the gene's lowest detected value among the training patients, the usual
substitute below a limit of detection; it keeps genes with a high limit from splitting into two clouds. A mean or median
is not offered, because values are missing where they are low.

Implausible values (`expression.ceiling`, fitted on the training patients) are clipped like all others with
`genes.implausible` "clip", which does not reach those of a gene whose published values scatter over many orders of
magnitude. With "median" they count as unknown: as the gene's median, whatever their size.
"""

import dataclasses
import logging
import zipfile

import numpy as np

from radiogenomics import outputs
from radiogenomics.data import covariates as covariate_models
from radiogenomics.data import expression as expression_tables
from radiogenomics.data import front_ends
from radiogenomics.errors import InputError

VERSION = 2
ARRAYS = ("fill", "ceiling", "center", "scale", "effects", "sd", "loadings")


@dataclasses.dataclass(frozen=True)
class GeneTransform:
    """A fitted gene transform; `loadings` maps standardised genes to the encoder's input components."""

    genes: tuple  # [G] symbols
    fill: np.ndarray  # [G] what stands for not detected, in the table's unit
    ceiling: np.ndarray  # [G] in the table's unit; values above it count as unknown, inf: none do
    center: np.ndarray  # [G] median of log2(FPKM + 1)
    scale: np.ndarray  # [G] robust SD of log2(FPKM + 1)
    clip_sd: float
    covariates: covariate_models.CovariateModel
    effects: np.ndarray  # [1 + Q, G] of the covariates on the clipped values
    sd: np.ndarray  # [G] of the residuals
    loadings: np.ndarray  # [G, K], K = 0 without a front end; components have SD 1 on the training patients
    component_names: tuple  # [K]

    def standardise(self, expression, covariates=None):
        """Standardised genes [patients, G], in SDs of the training patients.

        Without covariates every patient counts as the average training patient. InputError for negative or infinite
        expression.
        """
        expression = _check_expression(expression, self.genes)
        scaled = _scaled(expression, self)
        if covariates is None:
            design = np.tile(self.covariates.average, (len(scaled), 1))
        else:
            design = self.covariates.design(covariates)
        residuals = covariate_models.remove_effects(design, self.effects, scaled)
        return (residuals / self.sd).astype(np.float32)

    def components(self, standardised):
        """The encoder's input [..., K] from standardised genes [..., G]; the genes themselves without a front end."""
        return standardised @ self.loadings if self.loadings.size else standardised

    @property
    def component_count(self):
        """How many inputs the encoder has."""
        return self.loadings.shape[1] or len(self.genes)

    def pull_back(self, gradient):
        """Gradients with respect to genes [..., G] from those with respect to components [..., K]."""
        return gradient @ self.loadings.T if self.loadings.size else gradient


def fit_transform(expression, covariates, genes, config):
    """Fits a `GeneTransform` on training patients.

    Args:
      expression: [patients, G] as published, NaN = not detected.
      covariates: DataFrame of the same patients.
      genes: [G] symbols.
      config: the configuration; reads `seed` and `genes`.

    Raises:
      InputError: for negative or infinite expression, an unknown setting, or a front end that cannot be fitted.
    """
    expression = _check_expression(expression, genes)
    transform = _fit_scaling(expression, genes, config)
    scaled = _scaled(expression, transform)
    _tell_implausible(expression, scaled, genes, config)
    model = covariate_models.fit_covariates(covariates, config.genes.adjust)
    design = model.design(covariates)
    effects = covariate_models.fit_effects(design, scaled)
    residuals = covariate_models.remove_effects(design, effects, scaled)
    sd = residuals.std(axis=0)
    # A gene that the covariates or the training patients leave constant carries nothing; it becomes zero.
    sd = np.where(sd > 1e-6, sd, np.inf)
    names, loadings = front_ends.fit_front_end(residuals / sd, genes, config)
    return dataclasses.replace(
        transform, covariates=model, effects=effects, sd=sd, loadings=loadings, component_names=names
    )


def standardise_everybody(expression, covariates, genes, config):
    """(transform, standardised genes [patients, G]) fitted on all the patients given, without a front end.

    For what needs no held-out patients: clusters of genes, and the classical route.
    """
    plain = config.copy_and_resolve_references()
    plain.genes.front_end = "none"
    transform = fit_transform(expression, covariates, genes, plain)
    return transform, transform.standardise(expression, covariates)


def _check_expression(expression, genes):
    expression = np.asarray(expression, np.float64)
    impossible = np.argwhere((expression < 0) | np.isinf(expression))
    if len(impossible):
        row, column = impossible[0]
        raise InputError(
            f"expression: gene {genes[column]} has the value {expression[row, column]:g}; "
            "expected FPKM or TPM, finite and not negative."
        )
    return expression


def _fit_scaling(expression, genes, config):
    """A transform that can scale, but has neither covariates nor a front end yet."""
    if config.genes.clip_sd <= 0:
        raise InputError(f"genes.clip_sd: {config.genes.clip_sd:g}; expected more than 0.")
    fill = _fit_fill(expression, config.genes.not_detected)
    ceiling = _fit_ceiling(expression, config.genes.implausible)
    log = _log2(expression, fill)
    center = np.median(log, axis=0)
    if np.isfinite(ceiling).any():
        unknown = expression > ceiling
        center = np.ma.median(np.ma.array(log, mask=unknown), axis=0).filled(0.0)
        log = np.where(unknown, center, log)
    return GeneTransform(
        genes=tuple(genes), fill=fill, ceiling=ceiling, center=center, scale=_robust_sd(log),
        clip_sd=float(config.genes.clip_sd), covariates=None, effects=None, sd=None, loadings=None, component_names=(),
    )


def _fit_fill(expression, treatment):
    """What stands for not detected [G]; 0 also for a gene that no training patient shows."""
    if treatment == "zero":
        return np.zeros(expression.shape[1])
    if treatment == "half_minimum":
        lowest = np.where(expression > 0, expression, np.inf).min(axis=0, initial=np.inf)
        return np.where(np.isfinite(lowest), lowest / 2, 0.0)
    raise InputError(f"genes.not_detected: '{treatment}'; expected 'zero' or 'half_minimum'.")


def _fit_ceiling(expression, treatment):
    if treatment == "clip":
        return np.full(expression.shape[1], np.inf)
    if treatment == "median":
        return expression_tables.ceiling(expression)
    raise InputError(f"genes.implausible: '{treatment}'; expected 'clip' or 'median'.")


def _tell_implausible(expression, scaled, genes, config):
    """Says how many implausible values there are and what becomes of them; warns of those that nothing tames."""
    found = expression_tables.absurd(expression)
    if not found.any():
        return
    if config.genes.implausible == "median":
        logging.info("genes: %d implausible values of the training patients count as unknown", found.sum())
        return
    clip_sd = config.genes.clip_sd
    untamed = found & (np.abs(scaled) < clip_sd)
    logging.info("genes: %d implausible values of the training patients, clipped at %g SD", found.sum(), clip_sd)
    if untamed.any():
        names = [genes[column] for column in np.flatnonzero(untamed.any(axis=0))]
        logging.warning(
            "genes: %d implausible values of %s lie within %g SD of their gene, so that clipping leaves them as they "
            "are; genes.implausible='median' takes them as unknown",
            untamed.sum(), ", ".join(names[:5]) + (f" and {len(names) - 5} more" * (len(names) > 5)), clip_sd,
        )


def _log2(expression, fill):
    """log2(x + 1) with `fill` for not detected."""
    return np.log2(np.where(np.isnan(expression) | (expression == 0), fill, expression) + 1.0)


def _robust_sd(log):
    quartiles = np.quantile(log, [0.25, 0.75], axis=0)
    robust = (quartiles[1] - quartiles[0]) / 1.349
    # A gene detected in few patients has no interquartile range; its SD stands in.
    plain = log.std(axis=0)
    return np.where(robust > 1e-3, robust, np.where(plain > 1e-3, plain, 1.0))


def _scaled(expression, transform):
    """Robust SDs from the training patients' median, clipped; 0 for a value that counts as unknown."""
    log = _log2(expression, transform.fill)
    scaled = np.clip((log - transform.center) / transform.scale, -transform.clip_sd, transform.clip_sd)
    return np.where(expression > transform.ceiling, 0.0, scaled)


def save_transform(directory, transform):
    """Writes the transform as `genes.json` and `genes.npz` (plain arrays, no pickle)."""
    outputs.write_json(
        directory / "genes.json",
        {
            "version": VERSION,
            "genes": transform.genes,
            "clip_sd": transform.clip_sd,
            "component_names": transform.component_names,
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
    try:
        with np.load(directory / "genes.npz", allow_pickle=False) as arrays:
            stored = {name: arrays[name] for name in ARRAYS}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{directory / 'genes.npz'}: missing or damaged ({str(error).splitlines()[0]}).") from error
    lists = {name: tuple(meta["covariates"][name]) for name in ("dropped", "average")}
    model = covariate_models.CovariateModel(**(meta["covariates"] | lists))
    return GeneTransform(
        genes=tuple(meta["genes"]), clip_sd=meta["clip_sd"], covariates=model,
        component_names=tuple(meta["component_names"]), **stored,
    )
