"""Two maps compared from the command line."""

import numpy as np
import pandas as pd
import pytest
import xarray


@pytest.fixture
def folders(tmp_path):
    """Two folders with a small map each."""
    generator, dims = np.random.default_rng(0), ("gene", "feature")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        score = generator.uniform(size=(30, 2))
        xarray.Dataset(
            {"score": (dims, score), "q": (dims, 1.0 - score), "association": (dims, score),
             "metagene_loading": (("gene", "metagene"), np.repeat(np.eye(3), 10, axis=0))},
            coords={"gene": [f"G{number}" for number in range(30)], "feature": ["size", "shape"]},
        ).to_netcdf(tmp_path / name / "map.nc", engine="h5netcdf")
    return tmp_path


def test_the_table_is_printed_and_written(launch, folders):
    out = folders / "out" / "table.csv"
    outcome = launch("compare", f"--a={folders / 'one'}", f"--b={folders / 'two'}", f"--out={out}")
    assert outcome.code == 0, outcome.stderr
    assert "rank correlation" in outcome.stdout and "block bootstrap over 3 groups" in outcome.stdout
    assert list(pd.read_csv(out, comment="#")["feature"]) == ["size", "shape", "all"]


@pytest.mark.parametrize("argument, expected", [("--b={}/absent", "--b: "), ("--fdr=2", "--fdr: 2"),
                                                ("--variable=beauty", "no variable 'beauty'")])
def test_bad_input_is_told_in_one_sentence(launch, folders, argument, expected):
    arguments = [f"--a={folders / 'one'}", f"--b={folders / 'two'}", argument.format(folders)]
    outcome = launch("compare", *arguments)
    assert outcome.code == 1 and "Traceback" not in outcome.stderr
    assert expected in outcome.stderr and outcome.stderr.count("error: ") == 1
