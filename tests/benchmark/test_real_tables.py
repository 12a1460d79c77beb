"""The worked example on made-up tables in the shape of the public ones: a batch moves genes and a radiologist's eye."""

import json

import numpy as np
import pandas as pd
import pytest

from radiogenomics import settings
from radiogenomics.analysis import map_files
from radiogenomics.benchmark import real_tables
from radiogenomics.errors import InputError

PATIENTS = [f"R01-{number:03d}" for number in range(60)]


@pytest.fixture
def sources(tmp_path):
    """Paths of a table of z-scores (G0 to G9 follow the batch, G10 squamous histology), of terms, of clinical data."""
    generator = np.random.default_rng(0)
    batch, squamous = np.arange(60) >= 36, np.arange(60) % 4 == 0
    genes = generator.standard_normal((60, 30))
    genes[:, :10] += 3 * batch[:, None]
    genes[:, 10] += 4 * squamous
    scores = pd.DataFrame(genes, index=PATIENTS, columns=[f"G{number}" for number in range(30)])
    ((scores - scores.mean()) / scores.std()).to_csv(tmp_path / "z.csv")
    ticked = np.where(generator.random(60) < np.where(batch, 0.1, 0.95), "attachment to vessel", "attachment to pleura")
    margins = generator.choice(["spiculated", "lobulated"], 60)
    pd.DataFrame(
        {"subject": PATIENTS, "Nodule Associated Findings": ticked, "Nodule Margins-Primary Pattern": margins}
    ).to_csv(tmp_path / "terms.csv", index=False)
    pd.DataFrame({
        "Case ID": PATIENTS, "Patient affiliation": generator.choice(["VA", "Stanford"], 60),
        "Histology": np.where(squamous, "Squamous cell carcinoma", "Adenocarcinoma"),
        "Gender": generator.choice(["Male", "Female"], 60),
    }).to_csv(tmp_path / "clinical.csv", index=False)
    return [tmp_path / name for name in ("z.csv", "terms.csv", "clinical.csv")]


@pytest.fixture
def config():
    config = settings.default_config()
    config.map.permutations, config.map.metagenes = 999, 4
    return config


def test_the_batch_is_the_strongest_link_until_it_is_adjusted_for(sources, config, tmp_path):
    summary = real_tables.run_example(*sources, tmp_path / "out", config, standardised=True)
    stored = json.loads((tmp_path / "out" / "summary.json").read_text())
    provenance = stored.pop("provenance")
    assert set(provenance) == {"config", "cohort_fingerprint", "environment"} and summary == stored
    mapped = map_files.read_map(tmp_path / "out" / "controls")
    assert mapped.attrs["cohort_fingerprint"] == provenance["cohort_fingerprint"]
    strongest = summary["strongest_unadjusted_link"]
    assert summary["strongest"]["unadjusted"]["feature"] in ("vessel_attachment", "pleural_attachment")
    assert strongest["gene_with_batch"] > 0.6 and abs(strongest["feature_with_batch"]["rho"]) > 0.6
    assert strongest["score"]["unadjusted"] > 0.5 > strongest["score"]["adjusted"]
    assert summary["hits"]["unadjusted"]["gene_pairs"] >= 10 > summary["hits"]["adjusted"]["gene_pairs"]
    assert summary["squamous"]["gene"] == summary["squamous_adjusted"]["gene"] == "G10"
    assert (tmp_path / "out" / "real_tables.png").stat().st_size < 150_000


def test_strangers_are_told(sources, config, tmp_path):
    terms = pd.read_csv(sources[1]).assign(subject=lambda table: "X" + table["subject"])
    terms.to_csv(sources[1], index=False)
    with pytest.raises(InputError, match="neither its first row nor its first column"):
        real_tables.run_example(*sources, tmp_path / "out", config, standardised=True)


def test_a_table_without_the_controls_is_told(sources, config, tmp_path):
    clinical = pd.read_csv(sources[2]).assign(Histology="Adenocarcinoma")
    clinical.to_csv(sources[2], index=False)
    with pytest.raises(InputError, match="'squamous' is the same for all patients"):
        real_tables.run_example(*sources, tmp_path / "out", config, standardised=True)
