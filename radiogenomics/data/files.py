"""Real files to a cohort: CT, segmentation, expression and clinical rows joined by patient id."""

import logging
import pathlib
import zlib

import numpy as np

from radiogenomics import settings
from radiogenomics.data import clinical, cohort, dicom, expression, geometry, lungs, patches
from radiogenomics.errors import InputError

BEYOND_SHARE = 0.02  # of the nodule patches that may hold padding without a warning


def collect(config, source, progress=None):
    """Collects all patients that have images under a folder.

    A patient whose files cannot be used is left out with the reason in its row of `qc`; the others go on. Genes are
    those detected in at least `config.genes.min_detection` of the kept patients.

    Args:
      config: the configuration; reads `seed`, `data`, `genes` and `files`.
      source: folder with the downloaded files, in any layout.
      progress: optional function that wraps the iterable of patients, such as a progress bar.

    Returns:
      cohort.Collected. Rows of `qc` hold patient, kept, reason, warnings, has_ct, has_mask, has_expression and, as far
      as it came, measurements with units in their names.

    Raises:
      InputError: where the folder, the expression table or all images are missing.
    """
    source = pathlib.Path(source)
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; expected the downloaded files (--source).")
    by_patient = _by_patient(dicom.scan(source))
    if not by_patient:
        raise InputError(f"{source}: holds no DICOM file; expected CT series and segmentations.")
    path = _find(source, config.files.expression)
    if path is None:
        raise InputError(f"{source}: no file '{config.files.expression}' (files.expression) under it.")
    table = expression.read_expression(path, by_patient)
    clinical_path = _find(source, config.files.clinical)
    rows = clinical.read_clinical(clinical_path, config.files.patient_column) if clinical_path else None
    batches = _batches(table, config)
    _tell(table, clinical_path, config)
    met = [
        _read_patient(patient, by_patient[patient], patient in table.values.index, config)
        for patient in (by_patient if progress is None else progress(by_patient))
    ]
    images = [patient for _, patient in met if patient is not None]
    covariates = {
        patient["patient"]: batches.get(patient["patient"], {})
        | clinical.covariates_of(rows, patient["patient"])
        | patient["acquisition"]
        for patient in images
    }
    quality = [row for row, _ in met]
    _warn_of_absurd_values(quality, table)
    return _assemble(images, covariates, quality, table, config)


def _by_patient(headers):
    """{patient: {series UID: [Header]}} in the order of patient ids."""
    grouped = {}
    for header in headers:
        grouped.setdefault(header.patient, {}).setdefault(header.series, []).append(header)
    return dict(sorted(grouped.items()))


def _find(source, pattern):
    """The one file that matches a pattern, None without any; of x.txt and x.txt.gz the first."""
    found = {path.name.removesuffix(".gz"): path for path in sorted(source.rglob(pattern), reverse=True)}
    if len(found) > 1:
        raise InputError(f"{source}: '{pattern}' matches {', '.join(sorted(found))}; expected one file.")
    return next(iter(found.values()), None)


def _batches(table, config):
    """{patient: {"sequencing_batch": label}} from the order of the samples in the expression table."""
    labels, p = expression.detect_batches(table.values, config.files.batch_permutations, config.seed)
    logging.info("expression: %d sequencing batches by sample order (p = %.3g)", len(set(labels)), p)
    return {
        name: {"sequencing_batch": str(label)} for name, label in zip(table.values.index, labels, strict=True)
    }


def _tell(table, clinical_path, config):
    for warning in table.warnings:
        logging.warning("%s", warning)
    if clinical_path is None:
        logging.warning("no file '%s' (files.clinical): covariates are unknown", config.files.clinical)


def _read_patient(patient, series, has_expression, config):
    """The qc row of a patient and what its images gave, or None where they cannot be used."""
    scans = {uid: headers for uid, headers in series.items() if headers[0].modality == "CT"}
    masks = [header for headers in series.values() for header in headers if header.modality == "SEG"]
    row = {"patient": patient, "kept": False, "reason": "", "warnings": []}
    row |= {"has_ct": bool(scans), "has_mask": bool(masks), "has_expression": has_expression}
    try:
        _require(scans, "no CT series")
        _require(masks, "no segmentation (DICOM SEG)")
        _require(has_expression, "no expression profile in the expression table")
        images = _read_images(patient, scans, masks, row, config)
    except InputError as error:
        row["reason"] = str(error)
        return row, None
    row["kept"] = True
    return row, images


def _require(there, reason):
    if not there:
        raise InputError(reason)


def _read_images(patient, scans, masks, row, config):
    segmentation = _read_mask(masks, row["warnings"], config)
    uid, told = dicom.choose_series(segmentation, scans)
    row["warnings"] += [*segmentation.warnings, *told]
    scan = dicom.read_ct(scans[uid], segmentation.instances, config)
    row["warnings"] += scan.warnings
    row |= _describe_scan(scan)
    nodule = _place_nodule(segmentation, scan, row, config)
    image, mask, slices = patches.nodule_patches(scan.volume_hu, nodule, scan.grid.spacing_mm, config)
    beyond = float((image == round(config.files.padding_hu)).mean())
    if beyond > BEYOND_SHARE:
        row["warnings"].append(f"{100 * beyond:.0f} % of the nodule patches lies outside of the field of view")
    found = lungs.segment_lungs(scan.volume_hu, nodule, scan.grid.spacing_mm, config)
    row["lung_fraction"] = found.fraction
    generator = np.random.default_rng([config.seed, zlib.crc32(patient.encode())])
    centers, told = lungs.background_centers(found, nodule, generator, config)
    row["warnings"] += told
    _require(len(centers), "no lung without the nodule is large enough for a background patch")
    background, background_slices = patches.background_patches(scan.volume_hu, centers, scan.grid.spacing_mm, config)
    return {
        "patient": patient,
        "nodule_image_hu": image,
        "nodule_mask": mask,
        "nodule_slice": slices,
        "background_image_hu": background,
        "background_slice": background_slices,
        "acquisition": scan.acquisition,
        "measurements": {"diameter_mm": row["diameter_mm"], "volume_mm3": row["mask_volume_mm3"]},
    }


def _read_mask(masks, warnings, config):
    """The first of a patient's segmentations that can be read, in the order of their UIDs."""
    reasons = []
    for header in sorted(masks, key=lambda header: header.instance):
        try:
            segmentation = dicom.read_segmentation(header.path, config.files.segment_label)
        except InputError as error:
            reasons.append(str(error))
            continue
        if len(masks) > 1:
            warnings.append(f"{len(masks)} segmentations, the first readable one used")
        warnings += reasons
        return segmentation
    raise InputError(reasons[0])


def _describe_scan(scan):
    return {
        "slices": scan.grid.shape[0],
        "rows": scan.grid.shape[1],
        "columns": scan.grid.shape[2],
        "slice_spacing_mm": float(scan.grid.spacing_mm[0]),
        "pixel_spacing_mm": float(scan.grid.spacing_mm[1]),
        "slice_thickness_mm": scan.acquisition["slice_thickness_mm"],
        "kernel": scan.acquisition["kernel"],
        "lowest_hu": float(scan.volume_hu.min()),
        "highest_hu": float(scan.volume_hu.max()),
    }


def _place_nodule(segmentation, scan, row, config):
    """The largest part of the segmentation on the CT grid; the row gets its measurements."""
    _require(segmentation.mask.any(), "segmentation: empty; expected at least one voxel.")
    drawn_mm3 = segmentation.mask.sum() * segmentation.grid.voxel_mm3
    placed = geometry.place_mask(segmentation.mask, segmentation.grid, scan.grid)
    placed_mm3 = placed.sum() * scan.grid.voxel_mm3
    row |= {"segmentation_volume_mm3": float(drawn_mm3), "placed_volume_mm3": float(placed_mm3)}
    _require(placed.any(), "segmentation: lies outside of the CT series.")
    if abs(placed_mm3 / drawn_mm3 - 1) > config.files.volume_tolerance:
        row["warnings"].append(f"mask of {drawn_mm3:.0f} mm3 became {placed_mm3:.0f} mm3 on the CT grid")
    nodule, others = geometry.largest_component(placed)
    if others:
        share = sum(others) / placed.sum()
        row["warnings"].append(f"{len(others)} smaller parts of the mask left out ({100 * share:.1f} % of it)")
    shown = nodule.any(axis=(1, 2))
    missing = int((shown & scan.interpolated).sum())
    row |= _describe_nodule(nodule, scan) | {"nodule_slices": int(shown.sum()), "nodule_slices_missing": missing}
    if missing > config.files.max_interpolated_share * shown.sum():
        raise InputError(f"CT series: {missing} of the nodule's {shown.sum()} slices missing.")
    if row["diameter_mm"] < config.files.min_diameter_mm:
        raise InputError(
            f"nodule: diameter {row['diameter_mm']:.1f} mm; expected at least {config.files.min_diameter_mm:g} mm."
        )
    return nodule


def _describe_nodule(nodule, scan):
    volume_mm3 = float(nodule.sum() * scan.grid.voxel_mm3)
    return {
        "mask_volume_mm3": volume_mm3,
        "diameter_mm": (6 * volume_mm3 / np.pi) ** (1 / 3),
        "mean_hu": float(scan.volume_hu[nodule].mean()),
    }


def _warn_of_absurd_values(quality, table):
    flagged = dict(zip(table.values.index, expression.absurd(table.values), strict=True))
    for row in quality:
        genes = table.values.columns[flagged[row["patient"]]] if row["has_expression"] else []
        if len(genes):
            worst = table.values.loc[row["patient"], genes].idxmax()
            value = table.values.loc[row["patient"], worst]
            row["warnings"].append(f"{len(genes)} implausible expression values, the largest {worst} = {value:.3g}")


def _assemble(images, covariates, quality, table, config):
    """Patients with the genes that are detected often enough among them."""
    names = [patient["patient"] for patient in images]
    values = table.values.loc[names]
    genes = values.columns[expression.detection(values) >= config.genes.min_detection] if names else values.columns
    if names and not len(genes):
        raise InputError(f"genes.min_detection: no gene is detected in {config.genes.min_detection:g} of the patients.")
    patients = [
        cohort.Patient(
            **{key: value for key, value in patient.items() if key != "acquisition"},
            spacing_mm=settings.spacing_mm(config),
            expression=values.loc[patient["patient"], genes].to_numpy(np.float32),
            covariates=covariates[patient["patient"]],
        )
        for patient in images
    ]
    return cohort.Collected(patients=patients, genes=list(genes), qc=quality)
