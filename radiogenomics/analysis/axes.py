"""Radiogenomic axes of a cohort: which joint gene change moves the image most, and in which part of the nodule.

Patients pass one by one; only sums in component space stay, so memory does not grow with them.
"""

import logging

import numpy as np
import xarray

from radiogenomics.analysis import explore, synthesis
from radiogenomics.analysis.perturbed_items import held_out_rows
from radiogenomics.analysis.regions import MARGIN_MM, REGIONS, nodule_regions
from radiogenomics.errors import InputError

PARTS = (*REGIONS, "outside")


def axes(run, count=3, patients=None, backgrounds=2, noises=2, memory_mb=1024.0):
    """Leading axes of the image Jacobians of the held-out patients, each by the fold that never saw them.

    Singular value decomposition of all patients' Jacobians [pixels x genes] stacked over their pixels: the loading of
    an axis is the unit gene direction that moves the images most (all patients' squares summed, so effects of opposite
    sign do not cancel), at right angles to those before. Derivatives of single genes, not weighted by co-expression.

    Args:
      run: a `Run`.
      count: number of axes.
      patients: ids; all by default.
      backgrounds, noises: draws that a patient's Jacobian is averaged over.
      memory_mb: bound on the memory of one patient's passes.

    Returns:
      An `xarray.Dataset`: `gene_loading` [gene, axis], unit norm, the largest positive; `pattern` [axis, y, x] (`z`
      first in 3-D), mean image change in HU when the axis' score rises by one SD; `score` [patient, axis],
      standardised genes times loading; `share` [axis], explained share of the squared norm of all Jacobians;
      `patient_share` [patient, axis] and `mean_share` [axis], of each patient's and of the mean Jacobian. Attribute
      `mean_kept`: squared norm of the mean Jacobian over the mean of squared norms; 1 where patients are all alike.

    Raises:
      InputError: for an unknown patient, `count` below 1, or too little memory.
    """
    if count < 1:
        raise InputError(f"count: {count}, expected at least 1.")
    parts = _sum_jacobians(run, held_out_rows(run, patients), backgrounds, noises, memory_mb)
    loadings, shares, mean = _decompose(parts, count)
    named, scores, squares, changes = [], [], [], explore.image_changes(run)
    for fold, rows, draws, pulled in ((part["fold"], part["rows"], part["draws"], part["pulled"]) for part in parts):
        for row, change in zip(rows, changes(fold, rows, draws, (pulled @ loadings).T), strict=True):
            squares.append(np.square(change).sum(axis=tuple(range(1, change.ndim))))
            scores.append(fold.genes[row] @ loadings)
            named.append(run.cohort.patients[row])
    norms = np.concatenate([part["norms"] for part in parts])
    scores = np.stack(scores)
    dims = ("axis", *explore.AXES[-run.config.data.ndim :])
    dataset = xarray.Dataset({
        "gene_loading": (("gene", "axis"), loadings, {"units": "gene SD, unit norm"}),
        "pattern": (dims, mean["pattern"] * scores.std(axis=0).reshape(-1, *[1] * run.config.data.ndim),
                    {"units": "HU per SD of the score"}),
        "score": (("patient", "axis"), scores),
        "share": ("axis", shares),
        "mean_share": ("axis", mean["share"]),
        "patient_share": (("patient", "axis"), np.stack(squares) / np.maximum(norms, 1e-30)[:, None]),
    }).astype(np.float32)
    return dataset.assign_coords(
        gene=list(run.cohort.genes), patient=named, axis=[f"axis {number + 1}" for number in range(loadings.shape[1])]
    ).assign_attrs(mean_kept=float(mean["norm"] / norms.mean()), note="raw derivative, not weighted by co-expression")


def _gene_pull(fold):
    """[K, G]: components by genes, so that Jacobian by component @ this = Jacobian by gene."""
    return fold.transform.pull_back(np.eye(fold.components.shape[1], dtype=np.float32))


def _sum_jacobians(run, folds, backgrounds, noises, memory_mb):
    """Per fold: sums over patients of the Jacobian [*S, K] and its Gram matrix [K, K], squared norms [patients]."""
    parts, jacobians = [], None
    for fold, rows in folds:
        draws = synthesis.make_draws(run, fold, backgrounds, noises)
        if jacobians is None:  # One plan and one compilation for all.
            jacobians = explore.component_jacobians(run, explore.plan_passes(run, fold, draws, memory_mb))
        pulled = _gene_pull(fold)
        total, gram, norms, spread = 0.0, 0.0, [], (pulled @ pulled.T).astype(np.float64)
        for jacobian in jacobians(fold, rows, draws):
            flat = jacobian.reshape(-1, jacobian.shape[-1]).astype(np.float64)
            squared = flat.T @ flat
            total, gram = total + jacobian, gram + squared
            norms.append((squared * spread).sum())
        parts.append({"fold": fold, "rows": rows, "draws": draws, "pulled": pulled, "total": total, "gram": gram,
                      "norms": np.array(norms)})
        logging.info("axes: %s, %d patients", fold.name, len(rows))
    return parts


def _decompose(parts, count):
    """Loadings [G, count], shares [count] of all squared norms, and the mean Jacobian's pattern, share and norm."""
    basis, triangle = np.linalg.qr(np.concatenate([part["pulled"] for part in parts]).T.astype(np.float64))
    sections = np.split(triangle, np.cumsum([len(part["pulled"]) for part in parts])[:-1], axis=1)
    gram = sum(section @ part["gram"] @ section.T for section, part in zip(sections, parts, strict=True))
    values, vectors = np.linalg.eigh(gram)
    leading = vectors[:, ::-1][:, :count]
    loadings = basis @ leading
    signs = np.sign(loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])])
    patients = sum(len(part["rows"]) for part in parts)
    mean = sum(part["total"] @ section.T for section, part in zip(sections, parts, strict=True)) / patients
    pattern = np.moveaxis(mean @ leading, -1, 0) * signs.reshape(-1, *[1] * (mean.ndim - 1))
    norm = np.square(mean).sum()
    explained = np.square(pattern).sum(axis=tuple(range(1, pattern.ndim)))
    return loadings * signs, values[::-1][:count] / max(np.trace(gram), 1e-30), {
        "pattern": pattern, "share": explained / max(norm, 1e-30), "norm": norm,
    }


def region_saliency(run, patients=None, backgrounds=2, noises=2, memory_mb=1024.0):
    """Where in the nodule each gene acts, over held-out patients, each by the fold that never saw them.

    With A the Jacobian's rows of a region's pixels and b_j the gene's column behind the cut, a gene's squared norm in
    the region is b_j' (A' A) b_j; only the Gram matrix A' A is kept. Regions are those of `nodule_regions`, cut from
    the patient's synthesised mask, mean over the draws, at 0.5. Derivatives of single genes, not weighted by
    co-expression. Arguments as for `axes`.

    Returns:
      An `xarray.Dataset` [region, gene]: `saliency`, RMS over the region's pixels of all patients, HU per gene SD (NaN
      for a region without pixels), and `share` of the gene's squared norm, which sums to 1 over regions.

    Raises:
      InputError: for an unknown patient, too little memory, or where no synthesised nodule has a pixel.
    """
    energy = np.zeros((len(PARTS), len(run.cohort.genes)))
    pixels, jacobians = np.zeros(len(PARTS)), None
    for fold, rows in held_out_rows(run, patients):
        draws = synthesis.make_draws(run, fold, backgrounds, noises)
        if jacobians is None:
            jacobians = explore.component_jacobians(run, explore.plan_passes(run, fold, draws, memory_mb))
        grams = 0.0
        for row, jacobian in zip(rows, jacobians(fold, rows, draws), strict=True):
            mask = synthesis.images_of(run, fold, fold.components[row], draws)[1].mean(axis=0) >= 0.5
            if not mask.any():
                logging.warning("saliency: patient '%s' left out; empty mask", run.cohort.patients[row])
                continue
            regions = nodule_regions(mask, run.cohort.spacing_mm)
            inside = [jacobian[regions[name]].astype(np.float64) for name in PARTS]
            grams = grams + np.stack([part.T @ part for part in inside])
            pixels += [len(part) for part in inside]
        pulled = _gene_pull(fold)
        energy += (pulled * (grams @ pulled)).sum(axis=1) if np.ndim(grams) else 0.0
    if not pixels[:2].any():
        raise InputError("patients: no synthesised mask reaches 0.5 in any pixel, so there is no region; train longer.")
    energy, total = np.maximum(energy, 0.0), np.maximum(energy, 0.0).sum(axis=0)
    rms = np.sqrt(energy / np.where(pixels > 0, pixels, np.nan)[:, None])
    return xarray.Dataset(
        {"saliency": (("region", "gene"), rms, {"units": "HU per gene SD, RMS over the region's pixels"}),
         "share": (("region", "gene"), energy / np.where(total > 0, total, np.nan))},
        coords={"region": list(PARTS), "gene": list(run.cohort.genes)},
        attrs={"margin_mm": MARGIN_MM, "note": "raw derivative, not weighted by co-expression"},
    ).astype(np.float32)
