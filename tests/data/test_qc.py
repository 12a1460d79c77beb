import base64
import io
import json
import re

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from radiogenomics.data import cohort, qc
from radiogenomics.errors import InputError

SAMPLES = 30
GENES = 120


def make_patient(name, expression, batch="1", shape=(48, 48), radius=9.0):
    generator = np.random.default_rng(len(name) + int(radius * 10))
    distance = np.sqrt(sum((axis - side / 2) ** 2 for axis, side in zip(np.indices(shape), shape, strict=True)))
    mask = np.repeat((distance < radius)[None], 3, axis=0).astype(np.uint8)
    mask[[0, 2]] = 0
    lung = generator.normal(-850, 60, (3, *shape))
    return cohort.Patient(
        patient=name,
        nodule_image_hu=np.where(mask, 20, lung).astype(np.int16),
        nodule_mask=mask,
        nodule_slice=np.arange(3, dtype=np.int32),
        background_image_hu=lung[:1].astype(np.int16),
        background_slice=np.zeros(1, np.int32),
        spacing_mm=1.25,
        expression=np.asarray(expression, np.float32),
        covariates={"site": "A", "sequencing_batch": batch},
        measurements={"diameter_mm": 2.5 * radius},
    )


def make_row(number, name):
    """No mask for every sixth, no expression for every tenth, no semantic annotation for every third."""
    mask, expressed = number % 6 != 5, number % 10 != 9
    row = {
        "patient": name,
        "kept": mask and expressed,
        "reason": "" if mask and expressed else "no segmentation (DICOM SEG)" if not mask else "no expression profile",
        "warnings": ["<script>alert(1)</script>"] if number == 0 else [],
        "has_ct": True, "has_mask": mask, "has_expression": expressed, "has_semantic": number % 3 != 0,
    }  # fmt: skip
    volume_mm3 = 1000.0 + number
    return row | {
        "slices": 120, "rows": 512, "columns": 512, "slice_spacing_mm": 1.25, "pixel_spacing_mm": 0.703,
        "kernel": "B45f", "segmentation_volume_mm3": volume_mm3, "placed_volume_mm3": 0.996 * volume_mm3,
        "mask_volume_mm3": 0.99 * volume_mm3, "diameter_mm": float("nan") if number == 1 else 12.5,
    }  # fmt: skip


def make_samples(names, values, batch):
    logged = np.log2(1 + np.nan_to_num(values))
    left, size, _ = np.linalg.svd(logged - logged.mean(axis=0), full_matrices=False)
    samples = pd.DataFrame({"detected_share": (values > 0).mean(axis=1), "outlier": ""}, index=names)
    samples.loc[names[4], "outlier"] = "quantile curve far from the cohort's"
    for number in range(5):
        samples[f"component_{number + 1}"] = left[:, number] * size[number]
    samples["batch"] = batch
    samples["site"] = np.where(np.arange(SAMPLES) % 4, "VA", "Stanford")
    return samples, tuple(size[:5] ** 2 / (size**2).sum())


@pytest.fixture
def collected():
    generator = np.random.default_rng(0)
    names = [f"R01-{number:03d}" for number in range(1, SAMPLES + 1)]
    batch = np.where(np.arange(SAMPLES) < 19, "1", "2")
    values = 2 ** (generator.normal(5, 1, (SAMPLES, GENES)) + (batch == "2")[:, None] * generator.normal(0, 1, GENES))
    values[generator.random(values.shape) < 0.05] = np.nan
    values[:, 0] = 30.0
    values[2, 7] = 3e8
    rows = [make_row(number, name) for number, name in enumerate(names)]
    samples, explained = make_samples(names, values, batch)
    kept = [number for number, row in enumerate(rows) if row["kept"]]
    return cohort.Collected(
        patients=[make_patient(names[number], values[number], batch[number]) for number in kept],
        genes=["ALWAYS", "3-Mar", *(f"G{number}" for number in range(2, GENES))],
        qc=rows,
        samples=samples,
        findings=("component 1 follows the sample order: it breaks after R01-019 (AUC 0.97, p 0.001)",),
        explained=explained,
        expected={"subjects": 30, "with segmentation": 24, "with expression": 27, "with both": 23},
    )


@pytest.fixture
def written(tmp_path, collected):
    qc.write_qc(tmp_path, collected)
    return json.loads((tmp_path / "qc.json").read_text()), (tmp_path / "qc.html").read_text()


def plain_row(name, kept=True, reason=""):
    return {"patient": name, "kept": kept, "reason": reason, "warnings": []}


def text_of(page):
    """What a reader sees, spaces collapsed."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style.*?</style>", "", page, flags=re.S)).split())


def test_json_holds_patients_genes_and_counts(written):
    quality, _ = written
    assert [row["patient"] for row in quality["patients"]][:2] == ["R01-001", "R01-002"]
    assert quality["patients"][1]["diameter_mm"] is None
    assert quality["counts"] == {
        "met": 30, "kept": 23, "dropped": 7, "with warnings": 1, "CT": 30, "mask": 25, "expression": 27,
        "semantic": 20, "CT and mask": 25, "CT, mask and expression": 23,
    }  # fmt: skip
    assert quality["genes"]["count"] == GENES and quality["genes"]["detected_share"]["ALWAYS"] == 1.0
    assert quality["genes"]["date_like_symbols"] == ["3-Mar"]
    assert quality["genes"]["implausible"] == {"G7": {"R01-003": pytest.approx(3e8)}}
    assert list(quality["samples"])[4] == "R01-005" and quality["samples"]["R01-005"]["outlier"].startswith("quantile")
    assert quality["findings"][0].startswith("component 1") and len(quality["explained"]) == 5


def test_overlap_holds_every_combination_that_occurs(collected, written):
    overlap = written[0]["overlap"]
    assert overlap[0] == {
        "data": {"CT": True, "mask": True, "expression": True, "semantic": True}, "patients": 14, "kept": 14
    }
    occurring = {tuple(bool(row[flag]) for flag in qc.PRESENCE) for row in collected.qc}
    assert {tuple(line["data"].values()) for line in overlap} == occurring and len(overlap) == len(occurring)
    assert sum(line["patients"] for line in overlap) == 30 and sum(line["kept"] for line in overlap) == 23
    header, first, *_, total = re.findall(r"<tr.*?</tr>", written[1].split("What the patients have")[1], re.S)[:9]
    assert text_of(header) == "CT mask expression semantic patients kept"
    assert text_of(first) == "yes yes yes yes 14 14"


def test_counts_stand_beside_those_expected(written):
    quality, page = written
    assert quality["expected"][1:3] == [
        {"name": "with segmentation", "found": 25, "expected": 24},
        {"name": "with expression", "found": 27, "expected": 27},
    ]
    text = text_of(page)
    assert "with segmentation 25 24 1 more" in text and "with both 23 23 as expected" in text


def test_the_counts_of_the_full_collection_are_those_of_the_literature():
    """211 subjects, 144 with SEG, 130 with RNA, 117 with both (Bakr et al. 2018)."""
    rows = [
        plain_row(str(number)) | {"has_mask": number < 144, "has_expression": 27 <= number < 157}
        for number in range(211)
    ]
    expected = {"subjects": 211, "with segmentation": 144, "with expression": 130, "with both": 117}
    assert all(line["found"] == line["expected"] for line in qc.compare_counts(rows, expected))
    assert qc.compare_counts(rows[1:], expected)[0] == {"name": "subjects", "found": 210, "expected": 211}


def test_an_unknown_expected_count_is_refused():
    with pytest.raises(InputError, match="'with PET'; expected one of subjects, "):
        qc.compare_counts([], {"with PET": 201})


def test_page_is_safe_self_contained_and_small(written):
    page = written[1]
    assert "<script" not in page and "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "url(" not in page
    assert page.count('aria-label="nodule of') == 23 and page.count('aria-label="background of') == 23
    assert page.count("data:image/svg+xml") == 5
    assert len(page) * 130 / 23 < 3e6
    assert "@media print" in page and page.count("<details open>") == page.count("<details") == 2


def test_page_tells_what_happened(written):
    page = written[1]
    text = text_of(page)
    assert "not a medical device" in text
    assert "Component 1 follows the sample order: it breaks after R01-019 (AUC 0.97, p 0.001)" in text
    assert "Outliers: 1 of 30 samples" in text and "R01-005 kept quantile curve far from the cohort" in text
    assert "5 no segmentation (DICOM SEG) R01-006, R01-012, R01-018, R01-024, R01-030" in text
    assert "G7 1 3e+08 R01-003" in text and "3-Mar" in text
    assert "kernel B45f 1.25 × 0.703 × 0.703 mm 120 × 512 × 512 voxels" in text
    assert "drawn 1,002 mm³ placed 998 mm³ (-0.4 %) used 992 mm³ diameter 12.5 mm" in text
    table = page.split('<h2 id="patients">')[1]
    assert table.index("R01-006") < table.index("R01-001") < table.index("R01-002")  # What needs a look comes first.


def test_only_known_fields_are_shown(tmp_path, collected):
    secrets = {"patient_name": "Doe^Jane", "birth_date": "19510203", "phone": 5551234, "accession": "A77", "age": 68.5}
    collected.qc[0] |= secrets | {"gantry_tilt_degrees": 12.5, "comment_mm": "Doe^Jane"}
    collected.samples["patient_name"] = "Doe^Jane"
    collected.patients[0].covariates["patient_name"] = "Doe^Jane"
    collected.patients[0].measurements["phone"] = 5551234.0
    qc.write_qc(tmp_path, collected)
    for name in ("qc.json", "qc.html"):
        text = re.sub(r"base64,[^\"]+", "", (tmp_path / name).read_text())
        assert not [value for value in ("Doe", "Jane", "19510203", "5551234", "A77", "68.5") if value in text]
        assert "gantry" in text
    assert "gantry tilt 12.5 °" in text_of((tmp_path / "qc.html").read_text())


def test_a_phantom_has_a_report_without_samples_and_flags(tmp_path):
    patients = [make_patient("P1", [1.0, np.nan, 2.0], shape=(16, 16, 16), radius=4)]
    qc.write_qc(tmp_path, cohort.Collected(patients=patients, genes=["A", "B", "C"], qc=[plain_row("P1")]))
    quality = json.loads((tmp_path / "qc.json").read_text())
    assert quality["counts"] == {"met": 1, "kept": 1, "dropped": 0, "with warnings": 0}
    assert quality["overlap"] == [] and quality["expected"] == [] and quality["findings"] is None
    assert quality["samples"] == {"P1": {"detected_share": pytest.approx(2 / 3), "batch": "1", "site": "A"}}
    page = (tmp_path / "qc.html").read_text()
    assert page.count('aria-label="nodule of') == 1 and page.count("data:image/svg+xml") == 3
    assert "Batches were not looked for" in page and "whole collection" not in page and "<th>scan" not in page


def test_a_cohort_without_kept_patients_has_a_report(tmp_path):
    rows = [plain_row("P1", False, "no CT series")]
    qc.write_qc(tmp_path, cohort.Collected(patients=[], genes=["A"], qc=rows))
    page = (tmp_path / "qc.html").read_text()
    assert "no CT series" in page and "data:image" not in page


def test_missing_labels_of_samples_become_unknown(collected):
    collected.samples.loc["R01-002", ["batch", "site", "outlier"]] = [np.nan, None, np.nan]
    row = qc.sample_table(collected).loc["R01-002"]
    assert (row["batch"], row["site"], row["outlier"]) == ("unknown", "unknown", "")


def points_of(outline):
    return np.array([[float(number) for number in point.split()] for point in re.findall(r"[-\d.]+ [-\d.]+", outline)])


def test_the_thumbnail_shows_the_plane_and_the_outline():
    picture = qc.nodule_thumbnail(make_patient("P1", [1.0], radius=9))
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture["image"])), format="jpeg")
    assert pixels.shape[:2] == (48, 48) == (picture["height"], picture["width"])
    bright = 255 * 1020 / 1400  # 20 HU in a window of -1000 to 400
    assert pixels[24, 24, 0] == pytest.approx(bright, abs=8) and pixels[3, 3, 0] < 80
    # Voxel i covers i to i + 1, so a mask of voxels nearer than 9 to voxel 24 has its centre at 24.5.
    reach = np.linalg.norm(points_of(picture["outline"]) - 24.5, axis=1)
    assert len(reach) > 20 and reach.min() > 8 and reach.max() < 10


def test_large_patches_are_reduced_and_outlines_at_the_border_closed():
    mask = np.zeros((192, 192), np.uint8)
    mask[:40, :40] = 1
    picture = qc.make_thumbnail(np.full((192, 192), -800, np.int16), mask)
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture["image"])), format="jpeg")
    assert pixels.shape[:2] == (96, 96) and (picture["height"], picture["width"]) == (192, 192)
    points = points_of(picture["outline"])
    assert points.min() == 0 and points.max() == 40 and picture["outline"].endswith("Z")
    assert qc.make_thumbnail(np.zeros((9, 9), np.int16), None)["outline"] == ""
