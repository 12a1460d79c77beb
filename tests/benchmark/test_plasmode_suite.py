"""A plasmode of the tiny cohort's nodules with made-up profiles, from tables to a table."""

import json

import numpy as np
import pandas as pd
import pytest

from radiogenomics.benchmark import plasmode
from radiogenomics.errors import InputError


@pytest.fixture
def table(tmp_path):
    """Path of thirty z-scored profiles of 200 genes: two tight clusters of twenty, and chance."""
    generator = np.random.default_rng(0)
    latent, values = generator.standard_normal((30, 2)), generator.standard_normal((30, 200))
    values[:, :20] += 3 * latent[:, :1]
    values[:, 20:40] += 3 * latent[:, 1:]
    frame = pd.DataFrame(values, columns=[f"G{number}" for number in range(200)],
                         index=[f"S{number}" for number in range(30)])
    ((frame - frame.mean()) / frame.std()).to_csv(tmp_path / "profiles.csv", index_label="profile")
    return tmp_path / "profiles.csv"


@pytest.mark.long
def test_planted_modules_are_ranked_first_where_the_link_is_strong(cohort_folder, config, table, tmp_path):
    summary = plasmode.run_suite(config, cohort_folder, table, tmp_path / "out", seeds=1, strengths=(0.9,))
    rows = pd.read_csv(tmp_path / "out" / "plasmode.csv")
    assert len(rows) == 2 * len(plasmode.ROUTES) and (rows["patients"] == 24).all()
    assert (rows["patches"] > 24).all() and (rows["achieved"] > 0.6).all()
    classical = rows[rows["route"] == "classical: gene-wise Spearman"]
    assert (classical["average_precision"] > 0.5).all() and (classical["smallest_certifiable_correlation"] > 0.5).all()
    truth = json.loads(
        (tmp_path / "out" / "plasmodes" / "strength_0.9" / "seed_0" / "cohort" / "truth.json").read_text()
    )
    driving = {gene for link in truth["links"] for gene in truth["modules"][link["modules"][0]]}
    assert driving == {f"G{number}" for number in range(40)}
    assert len(summary) == len(rows)


def test_unusable_tables_are_told(cohort_folder, config, table, tmp_path):
    with pytest.raises(InputError, match="--seeds: 0"):
        plasmode.run_suite(config, cohort_folder, table, tmp_path / "out", seeds=0)
    frame = pd.read_csv(table, index_col=0)
    frame.head(5).to_csv(table)
    with pytest.raises(InputError, match="5 profiles; expected at least 10"):
        plasmode.read_profiles(table)
    frame.assign(G0="much").to_csv(table)
    with pytest.raises(InputError, match="column 'G0' holds text"):
        plasmode.read_profiles(table)
