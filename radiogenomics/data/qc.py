"""The quality report of a cohort: qc.json and a self-contained qc.html with one row a patient."""

import base64
import io
import pathlib

import jinja2
import matplotlib.image
import numpy as np
from skimage.segmentation import find_boundaries

from radiogenomics import outputs
from radiogenomics.data import expression

THUMBNAIL_PIXELS = 128
THUMBNAIL_WINDOW_HU = (-1000.0, 400.0)
OUTLINE_COLOR = (1.0, 0.25, 0.15)
PRESENCE = {"has_ct": "CT", "has_mask": "mask", "has_expression": "expression"}
NOT_MEASUREMENTS = {"patient", "kept", "reason", "warnings", *PRESENCE}


def write_qc(directory, collected):
    """Writes `qc.json` and `qc.html` into a folder.

    `qc.json` is {"patients": the rows of `collected.qc`, "genes": `gene_quality`, "counts": `count_patients`}.

    Args:
      directory: the folder.
      collected: cohort.Collected; its rows need patient, kept, reason and warnings, and may hold presence flags
        (has_ct, has_mask, has_expression) and plain measurements.
    """
    directory = pathlib.Path(directory)
    quality = {
        "patients": collected.qc,
        "genes": gene_quality(collected.patients, collected.genes),
        "counts": count_patients(collected.qc),
    }
    outputs.write_json(directory / "qc.json", quality)
    outputs.write_text(directory / "qc.html", render(quality, collected.patients))


def count_patients(rows):
    """Patients met, kept and dropped and, where the rows tell, those with CT, mask, expression and all of them."""
    counts = {"met": len(rows), "kept": sum(bool(row["kept"]) for row in rows)}
    counts["dropped"] = counts["met"] - counts["kept"]
    counts["with warnings"] = sum(bool(row["warnings"]) for row in rows)
    if rows and all(flag in row for row in rows for flag in PRESENCE):
        counts |= {name: sum(bool(row[flag]) for row in rows) for flag, name in PRESENCE.items()}
        counts["CT and mask"] = sum(row["has_ct"] and row["has_mask"] for row in rows)
        counts["CT, mask and expression"] = sum(all(row[flag] for flag in PRESENCE) for row in rows)
    return counts


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
    values = np.stack([patient.expression for patient in patients])
    share = expression.detection(values)
    quality["detected_share"] = {gene: round(float(part), 4) for gene, part in zip(genes, share, strict=True)}
    for row, column in np.argwhere(expression.absurd(values)):
        found = quality["implausible"].setdefault(genes[column], {})
        found[patients[row].patient] = float(values[row, column])
    return quality


def render(quality, patients):
    """The HTML page of a quality report; `patients` are the kept ones, for the thumbnails."""
    images = {patient.patient: (nodule_thumbnail(patient), background_thumbnail(patient)) for patient in patients}
    names = {key: None for row in quality["patients"] for key in row if key not in NOT_MEASUREMENTS}
    rows = sorted(quality["patients"], key=lambda row: (bool(row["kept"]), not row["warnings"]))
    shares = np.array(list(quality["genes"]["detected_share"].values()))
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(PAGE)
    return page.render(
        counts=quality["counts"],
        genes=quality["genes"],
        everywhere=int((shares == 1).sum()),
        rows=rows,
        names=list(names),
        headings=[_heading(name) for name in names],
        show=_show,
        images=images,
    )


def nodule_thumbnail(patient):
    """PNG (base64) of the patch with the largest mask and the mask's outline; in 3-D of its middle slice."""
    masks = patient.nodule_mask.reshape(-1, *patient.nodule_mask.shape[-2:])
    planes = patient.nodule_image_hu.reshape(-1, *patient.nodule_image_hu.shape[-2:])
    largest = int(masks.sum(axis=(1, 2)).argmax())
    return _encode(planes[largest], masks[largest])


def background_thumbnail(patient):
    """PNG (base64) of a background patch, in 3-D of its middle slice; empty text without any."""
    if not len(patient.background_image_hu):
        return ""
    plane = patient.background_image_hu[0]
    return _encode(plane if plane.ndim == 2 else plane[len(plane) // 2], None)


def _encode(image_hu, mask):
    low, high = THUMBNAIL_WINDOW_HU
    times = max(1, round(THUMBNAIL_PIXELS / image_hu.shape[0]))
    grey = np.kron(np.clip((image_hu - low) / (high - low), 0, 1), np.ones((times, times)))
    picture = np.repeat(grey[..., None], 3, axis=-1)
    if mask is not None:
        picture[find_boundaries(np.kron(mask, np.ones((times, times), mask.dtype)), mode="inner")] = OUTLINE_COLOR
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, picture, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _heading(name):
    words = name.split("_")
    unit = {"mm": "mm", "mm3": "mm³", "hu": "HU"}.get(words[-1])
    return " ".join(words[:-1]) + f" ({unit})" if unit else " ".join(words)


def _show(value):
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"
    return str(value)


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Cohort quality</title>
<style>
body { font: 14px/1.45 system-ui, sans-serif; color: #1d2530; background: #fff; margin: 24px; }
h1 { font-size: 22px; margin: 0 0 4px; }
h2 { font-size: 16px; margin: 28px 0 8px; }
p { margin: 4px 0; max-width: 900px; }
.note { color: #5a6675; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0; }
.tile { border: 1px solid #d7dde5; border-radius: 6px; padding: 8px 14px; min-width: 72px; }
.tile b { display: block; font-size: 20px; }
.tile span { color: #5a6675; font-size: 12px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: 6px 10px; border-bottom: 1px solid #e5e9ef; }
th { font-size: 12px; color: #5a6675; white-space: nowrap; background: #f6f8fa; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.why { min-width: 300px; max-width: 420px; }
td.why ul { margin: 0; padding-left: 16px; }
img { width: 96px; height: 96px; display: block; background: #000; }
tr.dropped { background: #fdf3f1; }
.state { font-weight: 600; white-space: nowrap; }
td.kept { color: #1d7a45; }
td.dropped, .reason { color: #b3361f; }
</style>
</head>
<body>
<h1>Cohort quality</h1>
<p class="note">Research software; not a medical device.</p>
<div class="tiles">
{% for name, count in counts.items() %}
<div class="tile"><b>{{ count }}</b><span>{{ name }}</span></div>
{% endfor %}
<div class="tile"><b>{{ genes.count }}</b><span>genes</span></div>
</div>
<h2>Genes</h2>
<p>{{ everywhere }} of {{ genes.count }} genes are detected in all kept patients.</p>
<p>Symbols that a spreadsheet turned into dates: {{ genes.date_like_symbols | join(", ") or "none" }}.</p>
<p>Implausible values (kept as published; the gene transform clips them) in {{ genes.implausible | length }} genes.</p>
{% if genes.implausible %}
<details>
<summary>Show them</summary>
<table>
<tr><th>gene</th><th>patient</th><th>value</th></tr>
{% for gene, found in genes.implausible.items() %}
{% for patient, value in found.items() %}
<tr><td>{{ gene }}</td><td>{{ patient }}</td><td class="number">{{ show(value) }}</td></tr>
{% endfor %}
{% endfor %}
</table>
</details>
{% endif %}
<h2>Patients</h2>
<p class="note">Dropped ones first, then those with warnings. Window -1000 to 400 HU; the outline is the mask.</p>
<div class="wide">
<table>
<tr><th>patient</th><th>nodule</th><th>background</th><th>state</th><th>reason, warnings</th>
{% for heading in headings %}<th>{{ heading }}</th>{% endfor %}</tr>
{% for row in rows %}
<tr class="{{ 'kept' if row.kept else 'dropped' }}">
<td class="state">{{ row.patient }}</td>
{% for position in (0, 1) %}
<td>
{% if row.patient in images and images[row.patient][position] %}
<img src="data:image/png;base64,{{ images[row.patient][position] }}" alt="{{ ('nodule', 'background')[position] }}">
{% endif %}
</td>
{% endfor %}
<td class="state {{ 'kept' if row.kept else 'dropped' }}">{{ "kept" if row.kept else "dropped" }}</td>
<td class="why">
{% if row.reason %}<div class="reason">{{ row.reason }}</div>{% endif %}
{% if row.warnings %}<ul>{% for warning in row.warnings %}<li>{{ warning }}</li>{% endfor %}</ul>{% endif %}
</td>
{% for name in names %}
<td{% if row.get(name) is number %} class="number"{% endif %}>{{ show(row.get(name)) }}</td>
{% endfor %}
</tr>
{% endfor %}
</table>
</div>
</body>
</html>
"""
