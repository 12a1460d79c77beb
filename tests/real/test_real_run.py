"""From downloaded files to a report, with a generator too small and too briefly trained to learn anything."""

import os
import pathlib

import pytest

from radiogenomics.analysis import baseline_files, evaluation, map_files
from radiogenomics.analysis.run import load_run
from radiogenomics.data import prepare
from radiogenomics.data.cohort import load_cohort
from radiogenomics.reports import html
from radiogenomics.train import loop

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = pathlib.Path(os.environ.get("RADIOGENOMICS_REAL_DATA", ROOT.parent / "shared" / "data" / "nsclc_mini"))

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no real data at {FOLDER} (set RADIOGENOMICS_REAL_DATA to the folder nsclc_mini)"
)


def test_files_become_a_map_and_a_report(make_config, tmp_path):
    config = make_config("nsclc", data={"extent_mm": 60.0, "size": 32, "folds": 2})
    prepare.prepare(config, tmp_path / "cohort", FOLDER)
    loop.train(config, load_cohort(tmp_path / "cohort"), tmp_path / "run")
    run = load_run(tmp_path / "run")
    evaluated = evaluation.evaluate(run)
    assert len(evaluated["patients"]) == 18
    assert evaluated["background_max_abs_error_hu"] == 0
    dataset = map_files.map_run(run)
    assert dataset.sizes["gene"] == 1119
    baseline_files.map_cohort(tmp_path / "cohort", tmp_path / "baseline", config)
    report = html.write_report(tmp_path / "run", tmp_path / "baseline").read_text()
    assert "R01-017" in report and str(tmp_path.parent) not in report
