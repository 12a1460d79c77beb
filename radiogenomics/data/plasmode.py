"""Plasmode cohorts: real nodules and real expression profiles, assigned to each other so that the link is known.

Images and profiles stay as they are; only who belongs to whom is made up. Every nodule is one patient, however many
patches it has, and every profile is given away once: there are no more patients than nodules, and than profiles.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats

from radiogenomics.data.cohort import Collected, Patient
from radiogenomics.data.expression import from_standardised
from radiogenomics.errors import InputError

TIED = 0.3  # correlation with a driving module's score from which another gene counts as tied to it, not as null


class Link(NamedTuple):
    """A module of real genes that shall follow a real image property."""

    module: str
    feature: str
    strength: float  # correlation in -1..1


def assign_profiles(scores, properties, strengths, generator):
    """Which profile each patient gets, so that module scores follow image properties with chosen correlations.

    Scores and properties count by rank, as normal scores. A patient's target for link l is s_l property_l + sqrt(1 -
    s_l^2) chance; profiles are assigned without replacement so that the squared distances between targets and scores
    over all links have the smallest sum (linear assignment).

    Args:
      scores: [profiles, L] score of each link's module.
      properties: [patients, L] image property of each link.
      strengths: [L].
      generator: numpy Generator.

    Returns:
      [patients] rows of `scores`.

    Raises:
      InputError: for fewer profiles than patients, a strength outside of -1..1, or a property that is unknown.
    """
    strengths = np.asarray(strengths, float)
    if len(scores) < len(properties):
        raise InputError(f"expression: {len(scores)} profiles for {len(properties)} nodules; expected one for each.")
    if not (np.abs(strengths) <= 1).all():
        raise InputError(f"strength: {strengths[np.abs(strengths) > 1][0]:g}; expected a correlation in -1..1.")
    if not np.isfinite(properties).all():
        raise InputError("properties: a nodule without a value; expected a number for each.")
    chance = generator.standard_normal(properties.shape)
    targets = strengths * _normal_scores(properties) + np.sqrt(1.0 - strengths**2) * chance
    distance = np.square(targets[:, None] - _normal_scores(scores)).sum(axis=2)
    return optimize.linear_sum_assignment(distance)[1]


def _normal_scores(values):
    return stats.norm.ppf(stats.rankdata(values, axis=0) / (len(values) + 1.0))


def make_plasmode(cohort, properties, profiles, modules, links, generator):
    """A cohort of real nodules with real profiles and a planted truth.

    Args:
      cohort: a `Cohort`; its expression and sequencing batches are not used.
      properties: DataFrame [patients, features] of its nodules.
      profiles: DataFrame [profiles, genes] as published, or z-scores; NaN = not detected.
      modules: {name: gene symbols}, all modules that are told apart.
      links: list of `Link`.
      generator: numpy Generator.

    Returns:
      A `cohort.Collected`. Its truth has the fields of a phantom's, genes tied to a driving module as `decoys`, and
      {"profiles": {patient: profile}, "achieved": {feature: Spearman correlation of module score and property}}.

    Raises:
      InputError: as `assign_profiles`, and for a link to an unknown module or feature.
    """
    _check_links(links, modules, properties)
    ranks = _ranks(profiles)
    scores = np.stack([ranks[modules[link.module]].mean(axis=1) for link in links], axis=1)
    wanted = properties[[link.feature for link in links]].to_numpy(float)
    order = assign_profiles(scores, wanted, [link.strength for link in links], generator)
    truth = {
        "modules": {name: list(genes) for name, genes in modules.items()},
        "links": [
            {"modules": [link.module], "factor": link.feature, "feature": link.feature, "kind": "linear",
             "effect": float(link.strength)} for link in links
        ],
        "decoys": _tied_genes(ranks, scores, modules, links),
        "batch_module": "",
        "factors": _by_patient(cohort, wanted, links),
        "signals": _by_patient(cohort, scores[order], links),
        "profiles": {name: str(profiles.index[row]) for name, row in zip(cohort.patients, order, strict=True)},
        "achieved": {
            link.feature: float(stats.spearmanr(scores[order, place], wanted[:, place]).statistic)
            for place, link in enumerate(links)
        },
    }
    expression = published(profiles).to_numpy(np.float32)[order]
    patients = [_give_profile(cohort, row, expression[row]) for row in range(len(cohort.patients))]
    quality = [{"patient": name, "kept": True, "reason": "", "warnings": []} for name in cohort.patients]
    return Collected(patients=patients, genes=list(profiles.columns), qc=quality, truth=truth)


def published(profiles):
    """Profiles as published, also of z-scores or logged values (`expression.from_standardised`), told by the sign."""
    return from_standardised(profiles) if (profiles < 0).any(axis=None) else profiles


def _check_links(links, modules, properties):
    for link in links:
        if link.module not in modules:
            raise InputError(f"links: module '{link.module}'; expected one of {', '.join(modules)}.")
        if link.feature not in properties:
            raise InputError(f"links: feature '{link.feature}'; expected one of {', '.join(properties)}.")


def _ranks(profiles):
    """Standardised ranks of every gene over the profiles; not detected ranks lowest."""
    ranks = profiles.fillna(-np.inf).rank()
    return (ranks - ranks.mean()) / ranks.std().replace(0.0, np.inf)


def _tied_genes(ranks, scores, modules, links):
    """{gene: module} of genes outside of the links' modules that correlate with one of their scores."""
    inside = {gene for link in links for gene in modules[link.module]}
    tied = {}
    for place, link in enumerate(links):
        correlations = ranks.corrwith(pd.Series(scores[:, place], index=ranks.index)).abs()
        tied |= {gene: link.module for gene in correlations.index[correlations >= TIED] if gene not in inside}
    return tied


def _by_patient(cohort, values, links):
    return {
        name: {link.feature: float(value) for link, value in zip(links, row, strict=True)}
        for name, row in zip(cohort.patients, values, strict=True)
    }


def _give_profile(cohort, row, expression):
    """The `Patient` in a row of the cohort with another profile; a sequencing batch went with the old one."""
    own, places = (patches.patient == row for patches in (cohort.nodules, cohort.backgrounds))
    covariates = cohort.covariates.iloc[row].drop("sequencing_batch", errors="ignore")
    return Patient(
        patient=cohort.patients[row],
        nodule_image_hu=cohort.nodules.image_hu[own],
        nodule_mask=cohort.nodules.mask[own],
        nodule_slice=cohort.nodules.slice[own],
        background_image_hu=cohort.backgrounds.image_hu[places],
        background_slice=cohort.backgrounds.slice[places],
        spacing_mm=cohort.spacing_mm,
        expression=expression,
        covariates=covariates.to_dict(),
        measurements=cohort.measurements.iloc[row].to_dict(),
    )
