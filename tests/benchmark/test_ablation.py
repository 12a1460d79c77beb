import json

import numpy as np
import pandas as pd
import pytest

from radiogenomics.benchmark import ablation, training_runs
from radiogenomics.benchmark.ablation import Variant
from radiogenomics.errors import InputError
from radiogenomics.train import rundir
from radiogenomics.train.state import make_players


@pytest.mark.parametrize("variant", ablation.VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_is_a_configuration_that_differs(full_config, variant):
    config = full_config("phantom")
    varied = ablation.vary_by(config, variant, seed=0, folds=2)
    rundir.check_settings(varied)
    make_players(varied)
    assert (varied == config) == (variant.changes == {})
    assert all(varied.get_ref(key.split(".")[0]) is not None for key in variant.changes)


def test_variants_have_folders_of_their_own():
    folders = [training_runs.folder_name(variant.name) for variant in ablation.VARIANTS]
    assert len(set(folders)) == len(folders)


def test_seeds_do_not_share_the_seed_of_a_fold(full_config):
    config, variant = full_config("phantom"), ablation.VARIANTS[0]
    runs = [ablation.vary_by(config, variant, seed, folds=2).seed for seed in range(3)]
    assert len({run + fold for run in runs for fold in range(2)}) == 6


def test_two_folds_train_on_as_many_patients(full_config):
    config = full_config("phantom")
    halved = ablation.split_in_two(config)
    training = config.phantom.patients * (config.data.folds - 1) / config.data.folds
    assert (halved.data.folds, halved.phantom.patients / 2) == (2, training)
    assert ablation.split_in_two(full_config("nsclc")) == full_config("nsclc")


def make_control():
    """What `control.score_control` gives, as far as it is read."""
    rows = {
        "equivalent_diameter_mm": ("linear", 0.8), "mean_hu": ("linear", 0.6), "core_to_rim_hu": ("u", 0.1),
        "elongation": ("interaction", 0.0), "edge_sharpness_hu_per_mm": (None, 0.5), "sd_hu": (None, np.nan),
    }
    return {
        "gate": {name: {"link": link, "r": r} for name, (link, r) in rows.items()},
        "retrieval": {"r_at_1": 0.25},
        "diversity": {"mean_hu": {"ratio": 0.5}, "sd_hu": {"ratio": np.nan}, "elongation": {"ratio": 0.1}},
    }


def test_control_in_one_row():
    scores = ablation.summarise_control(make_control(), in_loss=("equivalent_diameter_mm", "mean_hu", "elongation"))
    assert scores == pytest.approx({
        "gate r, linear": 0.7, "gate r, core_to_rim_hu (u)": 0.1, "gate r, elongation (interaction)": 0.0,
        "gate r, unseen": 0.3, "retrieval R@1": 0.25, "noise diversity": 0.3,
    })


def test_control_without_planted_truth_is_over_the_features_of_the_loss():
    controlled = make_control()
    for row in controlled["gate"].values():
        row["link"] = None
    scores = ablation.summarise_control(controlled, in_loss=("mean_hu", "elongation"))
    assert scores["gate r, linear"] == pytest.approx(0.3)
    assert not [name for name in scores if "(u)" in name]


def make_frame():
    values = {"b": (1.0, 3.0), "a": (np.nan, 5.0)}
    rows = [
        {"variant": variant, "seed": seed, "gate r, linear": value, "AP, score": 0.5 * seed}
        for variant, pair in values.items() for seed, value in enumerate(pair)
    ]
    return pd.DataFrame(rows)


def test_summary_is_mean_and_sd_over_seeds_in_the_order_of_the_variants():
    summary = ablation.summarise(make_frame())
    assert list(summary.index) == ["b", "a"]
    assert tuple(summary.loc["b", "gate r, linear"]) == pytest.approx((2.0, np.sqrt(2.0)))
    assert summary.loc["a", ("gate r, linear", "mean")] == 5.0
    assert np.isnan(summary.loc["a", ("gate r, linear", "sd")])
    text = ablation.tabulate(summary)
    assert text.loc["b", "gate r, linear"] == "2 ± 1.4"
    assert text.loc["a", "gate r, linear"] == "5"


@pytest.mark.long
def test_one_variant_with_one_seed(config, tmp_path, monkeypatch):
    # As the other tests of the tiny run, so that nothing is compiled anew.
    monkeypatch.setattr(ablation, "MEASURED", {})
    variants = (Variant("Often logged", "?", {"train.log_every": 2}),)
    table = ablation.run_suite(config, tmp_path, seeds=1, variants=variants)
    runs = pd.read_csv(tmp_path / "ablation_runs.csv")
    assert list(table.index) == list(runs.variant) == ["Often logged"]
    assert 0 < runs["AP, score"][0] <= 1 and 0 < runs["AP, |association|"][0] <= 1
    assert -1 <= runs["gate r, linear"][0] <= 1 and runs["noise diversity"][0] > 0
    assert runs["seconds per step"][0] > 0
    stored = json.loads((tmp_path / "runs" / "often-logged" / "seed_0" / "config.json").read_text())
    assert stored["train"]["log_every"] == 2
    # A second call reads what the first has measured, and nothing that was measured with other settings.
    monkeypatch.setattr(training_runs, "train_run", None)
    assert ablation.run_suite(config, tmp_path, seeds=1, variants=variants).equals(table)
    with pytest.raises(InputError, match="train.log_every=2"):
        ablation.run_suite(config, tmp_path, seeds=1, variants=(Variant("Often logged", "?", {}),))


def test_no_seed_is_refused(config, tmp_path):
    with pytest.raises(InputError, match="--seeds: 0"):
        ablation.run_suite(config, tmp_path, seeds=0)
