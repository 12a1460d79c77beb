import base64
import io
import json
import re

import matplotlib.image
import numpy as np
import pytest

from radiogenomics.data import cohort, qc


def make_patient(name, value=1.0, shape=(16, 16)):
    mask = np.zeros((2, *shape), np.uint8)
    mask[(1, *(slice(4, 9) for _ in shape))] = 1
    return cohort.Patient(
        patient=name,
        nodule_image_hu=np.full((2, *shape), -500, np.int16),
        nodule_mask=mask,
        nodule_slice=np.arange(2, dtype=np.int32),
        background_image_hu=np.full((1, *shape), -850, np.int16),
        background_slice=np.zeros(1, np.int32),
        spacing_mm=1.0,
        expression=np.array([value, np.nan, 2.0], np.float32),
        covariates={"site": "A"},
        measurements={"diameter_mm": 5.0},
    )


def row(name, kept=True, reason="", warnings=(), **more):
    return {"patient": name, "kept": kept, "reason": reason, "warnings": list(warnings)} | more


@pytest.fixture
def collected():
    flags = {"has_ct": True, "has_mask": True, "has_expression": True}
    rows = [
        row("P1", diameter_mm=float("nan"), **flags),
        row("P2", warnings=["<script>alert(1)</script>"], diameter_mm=12.5, kernel="B45f", **flags),
        row("P3", False, "no segmentation (DICOM SEG)", **(flags | {"has_mask": False})),
    ]
    return cohort.Collected(patients=[make_patient("P1"), make_patient("P2", 3e8)], genes=["A", "3-Mar", "B"], qc=rows)


def test_json_holds_patients_genes_and_counts(tmp_path, collected):
    qc.write_qc(tmp_path, collected)
    written = json.loads((tmp_path / "qc.json").read_text())
    assert [item["patient"] for item in written["patients"]] == ["P1", "P2", "P3"]
    assert written["patients"][0]["diameter_mm"] is None
    assert written["counts"] == {
        "met": 3, "kept": 2, "dropped": 1, "with warnings": 1, "CT": 3, "mask": 2, "expression": 3,
        "CT and mask": 2, "CT, mask and expression": 2,
    }  # fmt: skip
    assert written["genes"]["detected_share"] == {"A": 1.0, "3-Mar": 0.0, "B": 1.0}
    assert written["genes"]["date_like_symbols"] == ["3-Mar"]
    assert written["genes"]["implausible"] == {"A": {"P2": pytest.approx(3e8)}}


def test_page_is_safe_and_self_contained(tmp_path, collected):
    qc.write_qc(tmp_path, collected)
    page = (tmp_path / "qc.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert page.count('alt="nodule"') == 2 and page.count('alt="background"') == 2
    assert "no segmentation (DICOM SEG)" in page and "B45f" in page and "not a medical device" in page
    table = page.split("<h2>Patients")[1]
    assert table.index("P3") < table.index("P2") < table.index("P1")  # What needs a look comes first.


def test_rows_of_a_phantom_are_enough(tmp_path):
    patients = [make_patient("P1", shape=(16, 16, 16))]
    qc.write_qc(tmp_path, cohort.Collected(patients=patients, genes=["A", "B", "C"], qc=[row("P1")]))
    assert json.loads((tmp_path / "qc.json").read_text())["counts"] == {
        "met": 1, "kept": 1, "dropped": 0, "with warnings": 0
    }
    assert (tmp_path / "qc.html").read_text().count('alt="nodule"') == 1


def test_a_cohort_without_kept_patients_has_a_report(tmp_path):
    qc.write_qc(tmp_path, cohort.Collected(patients=[], genes=["A"], qc=[row("P1", False, "no CT series")]))
    assert "no CT series" in (tmp_path / "qc.html").read_text()


def test_the_thumbnail_shows_the_outline():
    picture = base64.b64decode(qc.nodule_thumbnail(make_patient("P1")))
    pixels = matplotlib.image.imread(io.BytesIO(picture))
    red = (pixels[..., 0] > 0.9) & (pixels[..., 1] < 0.5)
    assert pixels.shape[:2] == (128, 128)
    assert red[32:72, 32:72].any() and not red[40:64, 40:64].any() and not red[:32].any()
