import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import SimpleITK

from radiogenomics.data import expression, files, images
from radiogenomics.errors import InputError


def write_tables(folder, patients):
    generator = np.random.default_rng(0)
    values = pd.DataFrame(generator.lognormal(2, 1, (6, len(patients))), index=list("ABCDEF"), columns=patients)
    values.loc["F", patients[1:]] = np.nan
    values.to_csv(folder / "GSE103584_test_RNAseq.txt.gz", sep="\t", na_rep="NA")
    rows = [f"{patient},VA,Adenocarcinoma,8/13/1994" for patient in patients]
    text = "\n".join(["Case ID,Patient affiliation,Histology ,CT Date", *rows])
    (folder / "X_DATA_LABELS_1.csv").write_text(text)


@pytest.fixture(scope="module")
def shape():
    return (24, 80, 100)


@pytest.fixture
def source(tmp_path, study, shape):
    """P1 complete, P2 with a second SEG part, P3 without SEG, P4 without expression, P5 with its SEG elsewhere."""
    volume, mask = study.make_chest(shape, nodule_center=(12, 40, 30))
    for patient in ("P1", "P2", "P3", "P4", "P5"):
        folder = tmp_path / "08-13-1994-study" / patient
        datasets = study.write_ct(folder / "ct", patient, volume)
        if patient == "P3":
            continue
        drawn = mask.copy()
        drawn[2, 10, 10] |= patient == "P2"
        if patient == "P5":
            datasets = study.write_ct(tmp_path / "elsewhere", patient, volume)
        study.write_seg(folder / "seg.dcm", datasets, [drawn])
    for path in (tmp_path / "elsewhere").iterdir():
        path.unlink()
    write_tables(tmp_path, ["P1", "P2", "P3", "P5"])
    return tmp_path


def test_patients_are_kept_or_dropped_with_the_reason(source, files_config):
    collected = files.collect(files_config, source)
    rows = {row["patient"]: row for row in collected.qc}
    assert {name: row["reason"] for name, row in rows.items()} == {
        "P1": "",
        "P2": "",
        "P3": "no segmentation (DICOM SEG)",
        "P4": "no expression profile in the expression table",
        "P5": "segmentation: it refers to none of the 1 CT series, and none has slices at its planes.",
    }
    assert [name for name, row in rows.items() if row["kept"]] == ["P1", "P2"]
    assert [patient.patient for patient in collected.patients] == ["P1", "P2"]
    assert {name: row["has_semantic"] for name, row in rows.items()} == dict.fromkeys(rows, False)
    assert rows["P1"]["background_fallback"] == "none" and rows["P1"]["backgrounds"] == 3
    assert rows["P1"]["warnings"] == [] and "1 smaller parts of the mask left out" in rows["P2"]["warnings"][0]


def test_patients_carry_what_the_files_say(source, files_config, study, shape):
    patient = files.collect(files_config, source).patients[0]
    _, mask = study.make_chest(shape, nodule_center=(12, 40, 30))
    assert patient.nodule_image_hu.shape[1:] == patient.nodule_mask.shape[1:] == (16, 16)
    assert patient.background_image_hu.shape == (3, 16, 16)
    assert patient.measurements["volume_mm3"] == pytest.approx(mask.sum() * 8.0)
    assert patient.nodule_image_hu[patient.nodule_mask > 0].mean() > -150  # The mask is on the nodule ...
    assert patient.background_image_hu.mean() < -400  # ... and the background is lung.
    assert patient.spacing_mm == 1.5
    assert patient.covariates["site"] == "VA" and patient.covariates["kernel"] == "B45f/3"
    assert patient.covariates["sequencing_batch"] == "1" and patient.covariates["kvp"] == 120.0


def test_samples_findings_and_expected_counts_are_handed_on(source, files_config):
    collected = files.collect(files_config, source)
    assert list(collected.samples.index) == ["P1", "P2", "P3", "P5"]
    assert {"detected_share", "outlier", "component_1", "batch", "site"} <= set(collected.samples)
    assert set(collected.samples["batch"]) == {"1"} and set(collected.samples["site"]) == {"VA"}
    assert isinstance(collected.findings, tuple) and len(collected.explained) == 5
    assert collected.expected == {
        "subjects": 211, "with segmentation": 144, "with expression": 130, "with both": 117,
    }  # fmt: skip


def test_semantic_tables_become_covariates(source, files_config):
    (source / "aim_semantic_x.csv").write_text("patient,Nodule Attenuation\nP1,Solid\nP3,Non-Solid\n")
    collected = files.collect(files_config, source)
    rows = {row["patient"]: row["has_semantic"] for row in collected.qc}
    assert rows == {"P1": True, "P2": False, "P3": True, "P4": False, "P5": False}
    told = [patient.covariates["semantic_attenuation"].casefold() for patient in collected.patients]
    assert told == ["solid", "unknown"]
    assert len({tuple(patient.covariates) for patient in collected.patients}) == 1


def test_a_small_field_of_view_is_recorded(source, files_config):
    files_config.data.extent_mm, files_config.data.size = 170.0, 64
    row = files.collect(files_config, source).qc[0]
    assert "beyond the field of view" in row["background_fallback"] and row["backgrounds"] >= 1


def test_a_manifest_takes_the_place_of_dicom(source, files_config, study, shape):
    wanted = files.collect(files_config, source).patients[0]
    volume, mask = study.make_chest(shape, nodule_center=(12, 40, 30))
    for name, array in (("image.nrrd", volume), ("mask.nrrd", mask.astype(np.uint8))):
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing((2.0, 2.0, 2.0))
        image.SetOrigin((-60.0, -50.0, -100.0))
        SimpleITK.WriteImage(image, str(source / name))
    (source / "manifest.csv").write_text("patient,image,mask\nP1,image.nrrd,mask.nrrd\n")
    files_config.files.manifest = "manifest.csv"
    collected = files.collect(files_config, source)
    assert [(row["patient"], row["reason"]) for row in collected.qc] == [("P1", "")]
    np.testing.assert_array_equal(collected.patients[0].nodule_image_hu, wanted.nodule_image_hu)
    np.testing.assert_array_equal(collected.patients[0].nodule_mask, wanted.nodule_mask)
    np.testing.assert_array_equal(collected.patients[0].background_image_hu, wanted.background_image_hu)
    assert collected.patients[0].covariates["kernel"] == "unknown"


def test_genes_are_those_detected_among_the_kept(source, files_config):
    files_config.genes.min_detection = 0.6
    collected = files.collect(files_config, source)
    assert collected.genes == list("ABCDE")
    assert collected.patients[0].expression.shape == (5,) and collected.patients[0].expression.dtype == np.float32
    files_config.genes.min_detection = 0.5
    kept = files.collect(files_config, source)
    assert kept.genes == list("ABCDEF") and np.isnan(kept.patients[1].expression[5])


def test_no_name_and_no_date_reaches_the_cohort(source, files_config, study):
    collected = files.collect(files_config, source)
    rows = [(patient.patient, patient.covariates, patient.measurements) for patient in collected.patients]
    told = json.dumps([collected.qc, rows])
    for secret in (study.name, study.date, "1994", str(source)):
        assert secret not in told


def test_collecting_is_repeatable(source, files_config):
    first, again = (files.collect(files_config, source, progress=list) for _ in range(2))
    for one, other in zip(first.patients, again.patients, strict=True):
        for field in dataclasses.fields(one):
            np.testing.assert_equal(getattr(one, field.name), getattr(other, field.name))


def test_a_missing_source_is_told(tmp_path, files_config):
    with pytest.raises(InputError, match="no such folder"):
        files.collect(files_config, tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no DICOM file"):
        files.collect(files_config, tmp_path)


def test_a_missing_or_doubtful_expression_table_is_told(source, files_config):
    table = source / "GSE103584_test_RNAseq.txt.gz"
    (source / "GSE103584_other_RNAseq.txt").write_bytes(b"")
    with pytest.raises(InputError, match="matches GSE103584_other_RNAseq.txt, GSE103584_test_RNAseq.txt; expected one"):
        files.collect(files_config, source)
    (source / "GSE103584_other_RNAseq.txt").unlink()
    table.unlink()
    with pytest.raises(InputError, match="files.expression"):
        files.collect(files_config, source)


def test_small_nodules_are_dropped_by_their_diameter(source, files_config):
    files_config.files.min_diameter_mm = 20.0
    rows = files.collect(files_config, source).qc
    assert rows[0]["reason"].startswith("nodule: diameter 1") and not rows[0]["kept"]


@pytest.mark.parametrize("field", ("expression", "clinical", "semantics"))
@pytest.mark.parametrize("pattern", ("/data/table.csv", "a**/table.csv"))
def test_a_pattern_that_cannot_be_searched_for_is_named(source, files_config, field, pattern):
    files_config.files[field] = pattern
    with pytest.raises(InputError) as caught:
        files.make_plan(files_config, source)
    assert str(caught.value).startswith(f"files.{field}: '{pattern}'; expected a file name or pattern")


def make_batches():
    """A plan and results of 40 patients in two batches that scanner and a semantic feature follow.

    Nobody of the second batch is in the clinical table.
    """
    generator = np.random.default_rng(0)
    names, second = [f"P{number:02d}" for number in range(40)], np.arange(40) >= 20
    values = pd.DataFrame(2 ** generator.normal(5, 1, (40, 100)), names, [f"G{number}" for number in range(100)])
    values.loc[names[20:], values.columns[:50]] *= 16.0
    levels = {
        "semantic_margins": np.where(second, "Smooth", "Spiculated"),
        "semantic_shape": np.where(np.arange(40) < 36, "unknown", np.where(np.arange(40) < 38, "Round", "Oval")),
    }
    sites = pd.DataFrame([files.clinical.covariates_of(None, name) | {"site": "VA"} for name in names[:20]], names[:20])
    table = expression.ExpressionTable(values, ())
    plan = files.Plan((), table, sites, pd.DataFrame(levels, index=names))
    arrays = {array: np.zeros((1, 2, 2), np.int16) for array in images.ARRAYS}
    results = [
        ({"patient": name, "has_expression": True, "warnings": []},
         arrays | {"measurements": {}, "acquisition": {"kernel": kernel, "kvp": kvp}})
        for name, kernel, kvp in zip(
            names, np.where(second, "B45f", "LUNG"), generator.choice([100.0, 120.0], 40), strict=True)
    ]
    return plan, results


def test_batches_are_compared_with_scanners_and_semantic_features(files_config, monkeypatch):
    asked, find = [], files.batches.find_batches
    monkeypatch.setattr(files.batches, "find_batches", lambda values, covariates, *rest: (
        asked.append(covariates), find(values, covariates, *rest))[1])
    plan, results = make_batches()
    told = files.assemble(plan, results, files_config).findings
    for name in ("kernel", "semantic_margins"):
        assert any(finding.startswith(f"the two batches differ by {name} (eta2 1.00") for finding in told), told
    assert not any("semantic_shape" in finding or "kvp" in finding for finding in told)
    assert {"site", "kernel", "semantic_margins"} <= set(asked[0]) and "semantic_shape" not in asked[0]
    assert asked[0]["kvp"].notna().all()
