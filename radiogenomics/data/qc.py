"""The quality report of a cohort: qc.json and a self-contained qc.html that say what happened to every patient.

Only what is listed here by name goes into them: fields of the rows, columns of the samples, and plain measurements
whose names end with a unit. Whatever else a row may hold stays out, so that nothing identifying can slip through.
"""

import base64
import io
import numbers
import pathlib

import jinja2
import matplotlib.image
import numpy as np
import pandas as pd
from skimage.measure import find_contours
from skimage.transform import resize

from radiogenomics import outputs
from radiogenomics.data import expression, patches, qc_figures
from radiogenomics.errors import InputError

THUMBNAIL_PIXELS = 96  # stored at most; larger patches are reduced
THUMBNAIL_WINDOW_HU = (-1000.0, 400.0)
GENES_LISTED = 15
PATIENTS_LISTED = 8
PRESENCE = {"has_ct": "CT", "has_mask": "mask", "has_expression": "expression", "has_semantic": "semantic"}
SCAN_FIELDS = ("kernel", "slices", "rows", "columns", "slice_spacing_mm", "pixel_spacing_mm", "slice_thickness_mm",
               "lowest_hu", "highest_hu", "lung_fraction", "backgrounds", "background_fallback")  # fmt: skip
MASK_FIELDS = ("segmentation_volume_mm3", "placed_volume_mm3", "mask_volume_mm3", "diameter_mm", "mean_hu",
               "nodule_slices", "nodule_slices_missing")  # fmt: skip
ROW_FIELDS = ("patient", "kept", "reason", "warnings", *PRESENCE, *SCAN_FIELDS, *MASK_FIELDS)
UNITS = {"mm": "mm", "mm3": "mm³", "ml": "ml", "hu": "HU", "degrees": "°", "share": "", "fraction": ""}
SAMPLE_FIELDS = ("detected_share", "median_log2", "iqr_log2", "quantile_distance", "implausible_values", "outlier",
                 *(f"component_{number}" for number in range(1, 6)), "batch", "site")  # fmt: skip
# Names of expected counts and what a patient must have to be counted.
EXPECTED = {
    "subjects": (),
    "with CT": ("has_ct",),
    "with segmentation": ("has_mask",),
    "with expression": ("has_expression",),
    "with semantic": ("has_semantic",),
    "with both": ("has_mask", "has_expression"),
}


def write_qc(directory, collected):
    """Writes `qc.json` and `qc.html` into a folder.

    `qc.json` is what `describe_quality` returns; `qc.html` shows it with thumbnails of the kept patients.

    Args:
      directory: the folder.
      collected: cohort.Collected; its rows need patient, kept, reason and warnings, and may hold presence flags
        (has_ct, has_mask, has_expression, has_semantic) and the measurements of `ROW_FIELDS`.

    Raises:
      InputError: for an expected count that has no meaning here.
    """
    directory = pathlib.Path(directory)
    quality = describe_quality(collected)
    outputs.write_json(directory / "qc.json", quality)
    outputs.write_text(directory / "qc.html", render(quality, collected.patients))


def describe_quality(collected):
    """The content of `qc.json`, a dict.

    Keys: "patients" (rows), "genes" (`gene_quality`), "counts" (`count_patients`), "overlap" (`count_overlap`),
    "expected" (`compare_counts`), "samples" ({sample: `SAMPLE_FIELDS` that are known}), "findings" (sentences, None
    where no batches were looked for) and "explained" (shares of the variance, by component).
    """
    rows = [clean_row(row) for row in collected.qc]
    samples = sample_table(collected)
    return {
        "patients": rows,
        "genes": gene_quality(collected.patients, collected.genes),
        "counts": count_patients(rows),
        "overlap": count_overlap(rows),
        "expected": compare_counts(rows, collected.expected or {}),
        "samples": samples.to_dict(orient="index"),
        "findings": None if collected.samples is None else list(collected.findings),
        "explained": [float(share) for share in collected.explained],
    }


def clean_row(row):
    """The fields of a row that may be shown: those of `ROW_FIELDS`, and numbers whose names end with a unit."""
    return {name: value for name, value in row.items() if name in ROW_FIELDS or _is_measurement(name, value)}


def _is_measurement(name, value):
    number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    return number and name.rpartition("_")[2] in UNITS


def count_patients(rows):
    """Patients met, kept and dropped and, where the rows tell, those with CT, mask, expression and all of them."""
    counts = {"met": len(rows), "kept": sum(bool(row["kept"]) for row in rows)}
    counts["dropped"] = counts["met"] - counts["kept"]
    counts["with warnings"] = sum(bool(row["warnings"]) for row in rows)
    known = _known_flags(rows)
    counts |= {PRESENCE[flag]: _count_with(rows, (flag,)) for flag in known}
    if {"has_ct", "has_mask", "has_expression"} <= set(known):
        counts["CT and mask"] = _count_with(rows, ("has_ct", "has_mask"))
        counts["CT, mask and expression"] = _count_with(rows, ("has_ct", "has_mask", "has_expression"))
    return counts


def count_overlap(rows):
    """Every combination of data that occurs, the most frequent first, with the patients met and kept.

    Returns:
      [{"data": {"CT": bool, ...}, "patients": count, "kept": count}], empty where the rows hold no presence flags.
    """
    flags = _known_flags(rows)
    groups = {}
    for row in rows if flags else ():
        groups.setdefault(tuple(bool(row.get(flag)) for flag in flags), []).append(bool(row["kept"]))
    names = [PRESENCE[flag] for flag in flags]
    return [
        {"data": dict(zip(names, group, strict=True)), "patients": len(kept), "kept": sum(kept)}
        for group, kept in sorted(groups.items(), key=lambda item: (-len(item[1]), [not there for there in item[0]]))
    ]


def compare_counts(rows, expected):
    """Counts found beside those that a collection is known to have.

    Args:
      rows: of the patients.
      expected: {name: count}, names as in `EXPECTED`.

    Returns:
      [{"name", "found", "expected"}] in the order of `EXPECTED`.

    Raises:
      InputError: for another name.
    """
    for name in expected:
        if name not in EXPECTED:
            raise InputError(f"expected counts: '{name}'; expected one of {', '.join(EXPECTED)}.")
    return [
        {"name": name, "found": _count_with(rows, flags), "expected": int(expected[name])}
        for name, flags in EXPECTED.items()
        if name in expected
    ]


def _known_flags(rows):
    return [flag for flag in PRESENCE if any(flag in row for row in rows)]


def _count_with(rows, flags):
    return sum(all(row.get(flag) for flag in flags) for row in rows)


def gene_quality(patients, genes):
    """Per gene of the kept patients: share in whom it is detected, implausible values, symbols turned into dates.

    Args:
      patients: list of cohort.Patient.
      genes: symbols.

    Returns:
      {"count", "detected_share": {gene: share}, "date_like_symbols": [gene], "implausible": {gene: {patient: value}}}.
    """
    quality = {"count": len(genes), "detected_share": {}, "implausible": {}}
    quality["date_like_symbols"] = expression.mangled_symbols(genes)
    if not patients:
        return quality
    values = _expression(patients)
    share = expression.detection(values)
    quality["detected_share"] = {gene: round(float(part), 4) for gene, part in zip(genes, share, strict=True)}
    for row, column in np.argwhere(expression.absurd(values)):
        found = quality["implausible"].setdefault(genes[column], {})
        found[patients[row].patient] = float(values[row, column])
    return quality


def sample_table(collected):
    """Quality of the samples, a DataFrame in the order of the expression table, columns out of `SAMPLE_FIELDS`.

    Where the source gave none: the share of the cohort's genes that is detected, batch and site of each kept patient.
    """
    samples = collected.samples
    if samples is None:
        patients = collected.patients
        samples = pd.DataFrame(
            {
                "detected_share": [float((patient.expression > 0).mean()) for patient in patients],
                "batch": [patient.covariates.get("sequencing_batch") for patient in patients],
                "site": [patient.covariates.get("site") for patient in patients],
            },
            index=[patient.patient for patient in patients],
        )
    samples = samples[[name for name in SAMPLE_FIELDS if name in samples]].copy()
    texts = {"outlier": "", "batch": "unknown", "site": "unknown"}
    for name in texts.keys() & set(samples):
        samples[name] = samples[name].astype(object).where(samples[name].notna(), texts[name]).astype(str)
    return samples


def _expression(patients):
    return np.stack([patient.expression for patient in patients])


def render(quality, patients):
    """The HTML page of a quality report; `patients` are the kept ones, for thumbnails and distributions."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    shares = np.array(list(quality["genes"]["detected_share"].values()))
    rows = sorted(quality["patients"], key=lambda row: (bool(row["kept"]), not row["warnings"]))
    return environment.get_template("qc.html").render(
        quality=quality,
        everywhere=int((shares == 1).sum()),
        dropped=_group_reasons(rows),
        implausible=_list_implausible(quality["genes"]["implausible"]),
        outliers=_list_outliers(quality),
        figures=qc_figures.draw_expression(quality, {patient.patient: patient.expression for patient in patients}),
        rows=[{"row": row, "scan": describe_scan(row), "mask": describe_mask(row)} for row in rows],
        presence={flag: PRESENCE[flag] for flag in _known_flags(rows)},
        thumbnails={
            patient.patient: (nodule_thumbnail(patient), background_thumbnail(patient)) for patient in patients
        },
        window_hu=THUMBNAIL_WINDOW_HU,
    )


def _group_reasons(rows):
    """[(reason, patients as text)] of those dropped, the most frequent reason first."""
    groups = {}
    for row in rows:
        if not row["kept"]:
            groups.setdefault(row["reason"] or "no reason recorded", []).append(row["patient"])
    return [
        {"reason": reason, "count": len(names), "patients": _shorten(names)}
        for reason, names in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def _list_implausible(found):
    """The genes with implausible values in most patients first, at most `GENES_LISTED`."""
    genes = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:GENES_LISTED]
    return [
        {"gene": gene, "count": len(values), "largest": f"{max(values.values()):.3g}", "patients": _shorten(values)}
        for gene, values in genes
    ]


def _list_outliers(quality):
    states = {row["patient"]: "kept" if row["kept"] else "dropped" for row in quality["patients"]}
    return [
        {"sample": name, "why": sample["outlier"], "state": states.get(name, "no images")}
        for name, sample in quality["samples"].items()
        if sample.get("outlier")
    ]


def _shorten(names):
    names = list(names)
    rest = len(names) - PATIENTS_LISTED
    return ", ".join(names[:PATIENTS_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def describe_scan(row):
    """Short lines on a patient's CT: kernel, spacing, size and range, as far as the row tells."""
    lines = [
        ("kernel {kernel}", "kernel"),
        ("{slice_spacing_mm:.4g} × {pixel_spacing_mm:.3g} × {pixel_spacing_mm:.3g} mm", "slice_spacing_mm",
         "pixel_spacing_mm"),
        ("slices {slice_thickness_mm:.4g} mm thick", "slice_thickness_mm"),
        ("{slices} × {rows} × {columns} voxels", "slices", "rows", "columns"),
        ("{lowest_hu:.0f} to {highest_hu:.0f} HU", "lowest_hu", "highest_hu"),
        ("lung {lung_fraction:.0%} of the volume", "lung_fraction"),
        ("{backgrounds} backgrounds", "backgrounds"),
    ]  # fmt: skip
    return _fill(lines, row)


def describe_mask(row):
    """Short lines on a patient's nodule: volume as drawn, placed on the CT grid and used, size, and other numbers."""
    shown = dict(row)
    if _tells(row, "segmentation_volume_mm3", "placed_volume_mm3"):
        change = row["placed_volume_mm3"] / row["segmentation_volume_mm3"] - 1 if row["segmentation_volume_mm3"] else 0
        shown["change"] = f"{100 * change:+.1f} %"
    missing = row.get("nodule_slices_missing")
    lines = [
        ("drawn {segmentation_volume_mm3:,.0f} mm³", "segmentation_volume_mm3"),
        ("placed {placed_volume_mm3:,.0f} mm³ ({change})", "placed_volume_mm3", "change"),
        ("used {mask_volume_mm3:,.0f} mm³", "mask_volume_mm3"),
        ("diameter {diameter_mm:.3g} mm", "diameter_mm"),
        ("mean {mean_hu:.0f} HU", "mean_hu"),
        (f"{{nodule_slices}} slices{f', {missing} missing' if missing else ''}", "nodule_slices"),
    ]
    others = [name for name in row if name not in ROW_FIELDS and _tells(row, name)]
    return _fill(lines, shown) + [_label(name, row[name]) for name in others]


def _fill(lines, row):
    return [text.format(**row) for text, *names in lines if _tells(row, *names)]


def _tells(row, *names):
    return all(row.get(name) is not None and row[name] == row[name] for name in names)


def _label(name, value):
    words, _, unit = name.rpartition("_")
    shown = f"{words} {unit}" if not UNITS[unit] else words
    return f"{shown.replace('_', ' ')} {value:.4g} {UNITS[unit]}".strip()


def nodule_thumbnail(patient):
    """The patch plane with the largest mask and the mask's outline, as `make_thumbnail` returns it."""
    masks = patient.nodule_mask.reshape(-1, *patient.nodule_mask.shape[-2:])
    planes = patient.nodule_image_hu.reshape(-1, *patient.nodule_image_hu.shape[-2:])
    largest = int(masks.sum(axis=(1, 2)).argmax())
    return make_thumbnail(planes[largest], masks[largest])


def background_thumbnail(patient):
    """A background patch, in 3-D its middle plane, as `make_thumbnail` returns it; None without any."""
    if not len(patient.background_image_hu):
        return None
    return make_thumbnail(patches.middle_slice(patient.background_image_hu[0]), None)


def make_thumbnail(image_hu, mask):
    """A plane [y, x] in HU as a JPEG, and the outline of its mask as an SVG path in the plane's pixels.

    Returns:
      {"height", "width": pixels of the plane, "image": base64, "outline": SVG path data, empty without a mask}.
    """
    low, high = THUMBNAIL_WINDOW_HU
    grey = np.clip((image_hu.astype(float) - low) / (high - low), 0, 1)
    reduction = THUMBNAIL_PIXELS / max(grey.shape)
    if reduction < 1:
        grey = resize(grey, [round(side * reduction) for side in grey.shape], anti_aliasing=True)
    buffer = io.BytesIO()
    picture = np.repeat(grey[..., None], 3, axis=-1)
    matplotlib.image.imsave(buffer, picture, format="jpeg", pil_kwargs={"quality": 88})
    return {
        "height": image_hu.shape[0],
        "width": image_hu.shape[1],
        "image": base64.b64encode(buffer.getvalue()).decode(),
        "outline": "" if mask is None else _trace(mask),
    }


def _trace(mask):
    # Padding closes the outline of a mask that touches the border; the half pixel leads from centres to edges.
    contours = find_contours(np.pad(mask, 1).astype(float), 0.5)
    return "".join(
        "M" + "L".join(f"{x - 0.5:g} {y - 0.5:g}" for y, x in contour) + "Z" for contour in contours
    )
