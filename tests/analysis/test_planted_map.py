"""Science, small: a generator trained for a minute on 60 simulated patients finds what was planted."""

import pytest

from radiogenomics.analysis.mapping import radiogenomic_map
from radiogenomics.analysis.run import load_run
from radiogenomics.data import prepare
from radiogenomics.data.cohort import load_cohort
from radiogenomics.train import loop

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def planted(make_config, tmp_path_factory):
    """(map, truth) of a phantom with nine modules, six of them linked to the image."""
    config = make_config(
        data={"extent_mm": 40.0, "slices_per_patient": 4},
        genes={"components": 9},
        model={"width": 8, "code_size": 32, "encoder_hidden": 16},
        train={"steps": 1200, "batch_size": 16, "log_every": 400, "checkpoint_every": 2000, "sample_every": 2000},
        phantom={"patients": 60, "genes": 400, "module_size": (30, 40), "diameter_mm": (8.0, 26.0)},
    )
    folder = tmp_path_factory.mktemp("planted")
    prepare.prepare(config, folder / "cohort")
    cohort = load_cohort(folder / "cohort")
    loop.train(config, cohort, folder / "run")
    return radiogenomic_map(load_run(folder / "run", cohort)), cohort.truth


@pytest.mark.parametrize("feature", ["equivalent_diameter_mm", "mean_hu"])
def test_association_ranks_the_planted_module_first(planted, feature):
    dataset, truth = planted
    link = next(link for link in truth["links"] if link["feature"] == feature)
    association = abs(dataset["association"].sel(feature=feature))
    by_module = {name: float(association.sel(gene=genes).mean()) for name, genes in truth["modules"].items()}
    assert max(by_module, key=by_module.get) == link["modules"][0]


def test_the_strongest_evidence_for_size_is_a_planted_gene(planted):
    dataset, truth = planted
    best = str(dataset["score"].sel(feature="equivalent_diameter_mm").idxmax("gene").values)
    assert best in truth["modules"]["M01"]
