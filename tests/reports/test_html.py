"""The page: complete, self-contained, escaped, and still there when parts are missing."""

import html.parser
import json
import shutil

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from made_up import (
    GENES,
    add_regions,
    make_audit,
    make_baseline,
    make_cohort,
    make_evaluation,
    make_gene_code,
    make_map,
    make_older_evaluation,
)

from radiogenomics import outputs
from radiogenomics.errors import InputError
from radiogenomics.reports import style
from radiogenomics.reports.html import read_files, write_report


class Page(html.parser.HTMLParser):
    """Tags, links and text of a page, scripts aside."""

    def __init__(self, path):
        super().__init__()
        self.sources, self.targets, self.words, self.inside = [], [], [], None
        self.tags = []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.inside = tag if tag in ("script", "style") else None
        for name, value in attributes:
            if name == "src":
                self.sources.append(value)
            if name == "href":
                self.targets.append(value)

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if not self.inside:
            self.words.append(data)


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves the drawing of SVG out, which takes most of a report's time."""
    monkeypatch.setattr(style, "encode", lambda figure: "data:image/svg+xml;base64,")


@pytest.fixture
def baseline(tmp_path):
    folder = tmp_path / "classical"
    folder.mkdir()
    make_baseline().to_netcdf(folder / "map.nc", engine="h5netcdf")
    return folder


def write_training(workdir):
    for fold in ("fold_2", "fold_10", "fold_all"):
        (workdir / fold / "samples").mkdir(parents=True)
        for step, shade in ((4, 0.1), (20, 0.9)):
            grid = np.full((32, 64), shade)
            path = workdir / fold / "samples" / f"step_{step:07d}.png"
            matplotlib.image.imsave(path, grid, cmap="gray", vmin=0, vmax=1)
        metrics = {"radiomic_loss": 1.0, "score_real": 0.5, "score_fake": 0.1}
        lines = [json.dumps({"step": step} | metrics) + "\n" for step in (2, 4)]
        (workdir / fold / "metrics.jsonl").write_text("".join(lines))


def test_a_full_report_is_one_self_contained_page(workdir, baseline):
    write_training(workdir)
    path = write_report(workdir, baseline)
    page = Page(path)
    assert path == workdir / "report.html"
    assert page.sources and all(source.startswith("data:image/") for source in page.sources)
    assert page.targets and all(target.startswith("#") for target in page.targets)
    assert "link" not in page.tags
    for words in ("24 patients in 3 folds", "equivalent diameter (mm) r 0.70", "fails", "Top genes side by side",
                  "In features of an untrained network", "nothing added", "look more alike than chance",
                  "Over the features the genes account for", "Beside the best direct predictor", "−0.15 to 0.12",
                  "not a medical device", "abc123", "jax 1.2.3"):
        assert words in page.text
    assert sorted(item.name for item in workdir.glob("*report*")) == ["report.html"]


def test_every_entry_of_the_contents_has_its_section(workdir, undrawn):
    path = write_report(workdir)
    targets = {target[1:] for target in Page(path).targets}
    assert len(targets) == 13 and all(f'<h2 id="{target}">' in path.read_text() for target in targets)


def test_text_from_files_is_escaped(workdir):
    make_map(genes=["<script>alert(1)</script>", *GENES[1:]]).to_netcdf(workdir / "map.nc", engine="h5netcdf")
    text = write_report(workdir).read_text(encoding="utf-8")
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
    assert "&lt;b&gt;A&lt;/b&gt;" in text and "no &lt;i&gt;mask&lt;/i&gt;" in text


def test_without_baseline_and_training_output_the_page_says_so(workdir, undrawn):
    text = Page(write_report(workdir)).text
    assert "No classical map was given" in text and "kept no sample images" in text and "no training metrics" in text


def test_without_planted_truth_the_page_says_so(workdir, tmp_path, undrawn):
    make_cohort(tmp_path / "real", truth=None)
    environment = outputs.read_json(workdir / "environment.json")
    outputs.write_json(workdir / "environment.json", environment | {"cohort": str(tmp_path / "real")})
    text = Page(write_report(workdir)).text
    assert "This cohort has no planted truth" in text and "Against the planted truth" not in text


def test_an_older_evaluation_leaves_its_new_sections_out(workdir, undrawn):
    outputs.write_json(workdir / "evaluation.json", make_older_evaluation())
    (workdir / "gene_code.csv").unlink()
    text = Page(write_report(workdir)).text
    assert text.count("run launch/evaluate.py again") == 3
    assert "ceiling" in text and "planted link" not in text
    assert "equivalent diameter (mm) r 0.70" in text and "Beside the best direct predictor" not in text


def test_an_older_map_has_neither_dose_responses_nor_regions(workdir, undrawn):
    said = "The run has no dose-responses of this map; write them with launch/map.py"
    assert said not in Page(write_report(workdir)).text
    (workdir / "dose_response.nc").unlink()
    text = Page(write_report(workdir)).text
    assert said in text and "Regions of the nodule" not in text and "Trained anew" not in text


def test_damaged_dose_responses_are_named(workdir):
    (workdir / "dose_response.nc").write_bytes(b"nothing")
    with pytest.raises(InputError, match="dose_response.nc: not a readable table of dose-responses"):
        read_files(workdir)


def test_without_its_file_only_the_gene_codes_are_left_out(workdir, undrawn):
    (workdir / "gene_code.csv").unlink()
    text = Page(write_report(workdir)).text
    assert text.count("run launch/evaluate.py again") == 1 and "Real against real" in text


@pytest.mark.parametrize(
    ("damage", "message"),
    [(lambda table: table.iloc[1:], "its patients are not those"),
     (lambda table: table.drop(columns=["patient"]), "no columns 'patient'")],
)
def test_gene_codes_of_other_patients_are_refused(workdir, damage, message):
    damage(make_gene_code()).to_csv(workdir / "gene_code.csv", index=False)
    with pytest.raises(InputError, match=message):
        read_files(workdir)


def test_gene_codes_follow_the_patients_not_the_file(workdir):
    make_gene_code().iloc[::-1].to_csv(workdir / "gene_code.csv", index=False)
    files = read_files(workdir)
    assert list(files.gene_code.index) == files.evaluation["patients"] and files.gene_code.shape == (24, 4)


def write_sets(workdir, q):
    row = {"set": "HALLMARK_<b>X</b>", "feature": "mean_hu", "size": 12, "score": 0.2, "statistic": 7.0, "p": 0.001,
           "q": q, "p_max": 0.03, "leading_genes": "G01;G02", "supported": False, "null": "patients"}
    pd.DataFrame([row]).to_csv(workdir / "enrichment.csv", index=False)


def test_gene_sets_are_shown_or_said_to_be_absent(workdir, undrawn):
    assert "No gene sets were given" in Page(write_report(workdir)).text
    write_sets(workdir, q=0.3)
    assert "None of the 1 gene sets tested has q below 0.05" in Page(write_report(workdir)).text
    write_sets(workdir, q=0.01)
    path = write_report(workdir)
    assert "G01, G02" in Page(path).text and "HALLMARK <b>X" not in path.read_text(encoding="utf-8")
    (workdir / "enrichment.csv").write_text("set,feature\nA,mean_hu\n")
    with pytest.raises(InputError, match="enrichment.csv: has no column 'size'"):
        write_report(workdir)


def test_regions_and_an_audit_are_shown_where_they_are(workdir, undrawn):
    add_regions(make_map()).to_netcdf(workdir / "map.nc", engine="h5netcdf")
    outputs.write_json(workdir / "audit.json", make_audit())
    text = Page(write_report(workdir)).text
    assert "Regions of the nodule" in text and "core 0.77" in text and "G02 36" in text
    assert "Trained anew 3 times on fold 1" in text and "within strata of site" in text
    assert "in 1 (p 0.5)" in text and "is never reached for: mean_hu." in text and "in 1 of 3" in text


def test_a_vanished_cohort_leaves_the_rest(workdir, undrawn):
    environment = outputs.read_json(workdir / "environment.json")
    outputs.write_json(workdir / "environment.json", environment | {"cohort": "/nowhere/cohort"})
    text = Page(write_report(workdir)).text
    assert "name the folder with --cohort" in text and "7 The map" in text


def test_a_moved_cohort_can_be_named(workdir, cohort_folder, tmp_path, undrawn):
    shutil.copytree(cohort_folder, tmp_path / "moved")
    environment = outputs.read_json(workdir / "environment.json")
    outputs.write_json(workdir / "environment.json", environment | {"cohort": "/nowhere/cohort"})
    assert "patients met" in Page(write_report(workdir, cohort=tmp_path / "moved")).text
    with pytest.raises(InputError, match="not a cohort folder"):
        write_report(workdir, cohort=tmp_path / "elsewhere")


def test_nothing_supported_is_said_and_nothing_marked(workdir, undrawn):
    make_map(supported=(False, False, False)).to_netcdf(workdir / "map.nc", engine="h5netcdf")
    evaluation = make_evaluation()
    evaluation["gate"]["equivalent_diameter_mm"]["supported"] = False
    outputs.write_json(workdir / "evaluation.json", evaluation)
    text = Page(write_report(workdir)).text
    assert "nothing in it is a finding" in text and "stamped with another evaluation" not in text


def test_a_map_of_another_evaluation_is_pointed_out(workdir, undrawn):
    make_map(supported=(True, True, False)).to_netcdf(workdir / "map.nc", engine="h5netcdf")
    assert "stamped with another evaluation" in Page(write_report(workdir)).text


def test_no_hit_is_said(workdir, undrawn):
    make_map(supported=(True, False, False)).to_netcdf(workdir / "map.nc", engine="h5netcdf")
    assert "No gene has q below 0.05 on a supported feature" in Page(write_report(workdir)).text


def test_volumes_show_their_middle_slice(workdir):
    make_map(volume=True).to_netcdf(workdir / "map.nc", engine="h5netcdf")
    assert "Middle slice of the volumes" in Page(write_report(workdir)).text


def test_few_genes_are_enough(workdir):
    make_map().isel(gene=[1]).to_netcdf(workdir / "map.nc", engine="h5netcdf")
    assert "1 gene (1 gene-feature pair)" in Page(write_report(workdir)).text


def test_a_baseline_of_other_genes_is_said_not_to_compare(workdir, tmp_path, undrawn):
    (tmp_path / "other").mkdir()
    other = make_baseline(genes=[f"H{number}" for number in range(20)])
    other.to_netcdf(tmp_path / "other" / "map.nc", engine="h5netcdf")
    assert "shares no gene or no feature" in Page(write_report(workdir, tmp_path / "other")).text


def test_folds_come_in_order_with_their_last_sample(workdir):
    write_training(workdir)
    files = read_files(workdir)
    assert list(files.samples) == ["fold_2", "fold_10"]
    assert files.samples["fold_2"].mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("name", "command"), [("evaluation.json", "launch/evaluate.py"), ("map.nc", "launch/map.py"),
                          ("config.json", "launch/train.py"), ("environment.json", "launch/train.py")],
)
def test_a_missing_file_names_the_command_that_makes_it(workdir, name, command):
    (workdir / name).unlink()
    with pytest.raises(InputError, match=command):
        write_report(workdir)
    assert not (workdir / "report.html").exists()


def test_a_missing_baseline_map_is_told(workdir, tmp_path):
    with pytest.raises(InputError, match="map.nc: no such file"):
        write_report(workdir, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("evaluation.json", "{}", "no field 'patients'"), ("fold_0/metrics.jsonl", "{", "not lines of JSON"),
     ("fold_0/samples/step_0000001.png", "x", "not a readable image")],
)
def test_damaged_files_are_named(workdir, name, text, message):
    outputs.write_text(workdir / name, text)
    with pytest.raises(InputError, match=message):
        write_report(workdir)
