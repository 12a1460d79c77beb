"""What belongs to one fold: its training patients, and everything fitted on them alone."""

import logging

import numpy as np

from radiogenomics import outputs, settings
from radiogenomics.data import front_ends
from radiogenomics.data import transform as gene_transform
from radiogenomics.radiomics import batch_soft_features, resolve
from radiogenomics.train import hosts, response
from radiogenomics.train.steps import Patches, Scaled, TrainingArrays

ALL = "fold_all"


def fold_names(config, cohort):
    """Folder names of the folds that the run trains."""
    names = [f"fold_{number}" for number in range(len(cohort.folds))]
    return names + [ALL] if config.train.train_on_all else names


def held_out_patients(cohort, name):
    """Ids that the named fold never sees in training; none for `fold_all`."""
    return () if name == ALL else cohort.folds[int(name.removeprefix("fold_"))]


def training_rows(cohort, name):
    """Row numbers, ascending, of the patients that the named fold trains on."""
    held_out = set(held_out_patients(cohort, name))
    return np.array([row for row, patient in enumerate(cohort.patients) if patient not in held_out], np.int32)


def limit_components(config, cohort):
    """The config with at most one gene component for two training patients, lowered with a warning where needed.

    A front end with more would mostly describe the noise of the few patients that it is fitted on. Front ends whose
    number of components is not `genes.components` are left alone.
    """
    if config.genes.front_end not in front_ends.LIMITED:
        return config
    smallest = min(len(training_rows(cohort, name)) for name in fold_names(config, cohort))
    if config.genes.components <= smallest // 2:
        return config
    logging.warning(
        "genes.components: %d lowered to %d, half of the %d training patients of the smallest fold",
        config.genes.components, smallest // 2, smallest,
    )
    limited = config.copy_and_resolve_references()
    limited.genes.components = smallest // 2
    return limited


def patch_features(config, cohort):
    """Differentiable features [N, F] of every real nodule patch: fold-independent, measured once a run."""
    names = resolve(config.train.radiomic_features, config.data.ndim)
    return np.asarray(
        batch_soft_features(
            cohort.nodules.image_hu.astype(np.float32),
            cohort.nodules.mask.astype(np.float32),
            settings.spacing_mm(config),
            names,
        )
    )


def fit_folds(config, cohort):
    """{fold name: gene transform fitted on the fold's training patients}; InputError where one cannot be fitted."""
    transforms = {}
    for name in fold_names(config, cohort):
        rows = training_rows(cohort, name)
        transforms[name] = gene_transform.fit_transform(
            cohort.expression[rows], cohort.covariates.iloc[rows], cohort.genes, config
        )
    return transforms


def stored_transform(directory, transform, patients):
    """The fold's stored gene transform, so that a resumed fold cannot drift; stores the given one where none is.

    The first process stores, and all others read what it stored.
    """
    if hosts.is_first() and not (directory / "patients.json").exists():
        gene_transform.save_transform(directory, transform)
        # Last, because its presence says that the transform is whole.
        outputs.write_json(directory / "patients.json", patients)
    hosts.wait_for_all(f"transform stored in {directory.parent.name}")
    return gene_transform.load_transform(directory)


def fit_response(config, cohort, rows, transform, features):
    """The generator's "response" variables, fitted on the patients in `rows`; features as in `training_arrays`."""
    standardised = transform.standardise(cohort.expression[rows], cohort.covariates.iloc[rows])
    per_patient, mean, sd = scale_features(cohort, rows, features)
    own = np.isin(cohort.nodules.patient, rows)
    return response.fit_response(
        transform.components(standardised), transform.covariates.design(cohort.covariates.iloc[rows]),
        ((per_patient - mean) / sd)[rows], ((features - mean) / sd)[own],
        np.searchsorted(rows, cohort.nodules.patient[own]), config.seed,
    )


def scale_features(cohort, rows, features):
    """Mean features of everybody's patches [patients, F], and mean and SD [F] over the patients in `rows`."""
    per_patient = np.stack(
        [features[cohort.nodules.patient == row].mean(axis=0) for row in range(len(cohort.patients))]
    )
    sd = per_patient[rows].std(axis=0)
    return per_patient, per_patient[rows].mean(axis=0), np.where(sd > 0, sd, 1.0)


def training_arrays(cohort, rows, transform, features):
    """Host-side `TrainingArrays`; scaled by the patients in `rows` only, while rows of everybody stay addressable.

    All folds share their shapes, and so one compilation; `pipeline.index_batches` draws training patients only.
    """
    standardised = transform.standardise(cohort.expression, cohort.covariates)
    per_patient, mean, sd = scale_features(cohort, rows, features)
    scaled = Scaled(
        components=transform.components(standardised).astype(np.float32),
        targets=((per_patient - mean) / sd).astype(np.float32),
        target_mean=mean.astype(np.float32),
        target_sd=sd.astype(np.float32),
    )
    return TrainingArrays(Patches(cohort.nodules.image_hu, cohort.nodules.mask, cohort.backgrounds.image_hu), scaled)
