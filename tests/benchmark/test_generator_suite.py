import numpy as np
import pandas as pd
import pytest

from radiogenomics.benchmark import generator, training_runs
from radiogenomics.benchmark.generator import Measured
from radiogenomics.errors import InputError
from radiogenomics.train import rundir
from radiogenomics.train.state import make_players


@pytest.mark.parametrize("size, scales", [(128, 4), (48, 4), (32, 4), (24, 3), (16, 3), (4, 1)])
def test_published_method_halves_the_patch_to_two_voxels_at_least(config, size, scales):
    config.data.size = size
    assert generator.published_method(config, {})["model.scales"] == scales


@pytest.mark.parametrize("changes", [changes for changes in generator.TRAINED.values() if changes is not None])
def test_published_method_is_a_configuration(full_config, changes):
    config = full_config("phantom")
    varied = training_runs.vary(config, generator.published_method(config, changes))
    rundir.check_settings(varied)
    make_players(varied)
    assert (varied.model.architecture, varied.train.objective, varied.genes.front_end) == (
        "published", "published", "none",
    )
    assert (varied.data, varied.train.steps) == (config.data, config.train.steps)


@pytest.mark.parametrize("size, reduced", [(128, set()), (32, set(generator.BUDGET))])
def test_published_rival_is_the_preset_but_for_smaller_networks_on_smaller_patches(full_config, size, reduced):
    preset = full_config("paper")
    preset.data.size = size
    config = training_runs.vary(preset, generator.published_method(preset, {}))
    different = {
        f"{section}.{key}" for section in ("model", "train", "genes") for key, value in config[section].items()
        if value != preset[section][key]
    }
    assert different == reduced


def test_table_of_measures_by_rivals():
    rows = [
        {"rival": "ours", **Measured("gate r, mean_hu", 0.8, 0.71, 0.9, p=0.001)._asdict()},
        {"rival": "ours", **Measured("seconds per step", 0.0812)._asdict()},
        {"rival": "no-op", **Measured("gate r, mean_hu", np.nan)._asdict()},
    ]
    table = generator.tabulate(pd.DataFrame(rows))
    assert list(table.columns) == ["ours", "no-op"]
    assert table.loc["gate r, mean_hu"].tolist() == ["0.8 (0.71 to 0.9) p=0.001", "-"]
    assert table.loc["seconds per step"].tolist() == ["0.0812", ""]


def test_files_need_a_cohort(make_config, tmp_path):
    with pytest.raises(InputError, match="--cohort: not given; data.source 'files'"):
        generator.run_suite(make_config("nsclc"), tmp_path)


def test_rivals_answer_the_same_questions(run, tmp_path, monkeypatch):
    monkeypatch.setattr(generator, "UNTRAINED", {"no-op": generator.rivals.no_op})
    frame = pd.DataFrame(generator.score_rivals({"default": run}, tmp_path))
    ours, nothing = (frame[frame.rival == name].set_index("measure") for name in ("default", "no-op"))
    assert list(ours.index[:-3]) == list(nothing.index)
    assert list(ours.index[-3:]) == ["parameters", "seconds per step", "training seconds"]
    assert ours.value["background, largest error (HU)"] == nothing.value["background, largest error (HU)"] == 0.0
    assert nothing.value["background, mean change (HU)"] == 0.0 <= ours.value["background, mean change (HU)"]
    # One yardstick: what the direct predictors reach does not depend on the rival.
    gate = [measure for measure in ours.index if measure.startswith("gate r")]
    assert ours.reference[gate].equals(nothing.reference[gate])
    assert (frame.low <= frame.high).sum() == frame.low.notna().sum() > 20
    assert (tmp_path / "direct.json").exists()


def test_background_change_is_the_mean_outside_of_the_margin(run):
    names = generator.features.feature_list(run.config)
    samples = generator.rivals.no_op(run, names)
    # By 6 HU everywhere for half of the patients: their nodules, and what is near them, do not count.
    shifted = [
        sample._replace(image_hu=sample.image_hu + (6.0 if number % 2 else 0.0) + 1000.0 * sample.mask)
        for number, sample in enumerate(samples)
    ]
    mean = generator.measure_background(run, shifted)[1]
    assert mean.value == pytest.approx(3.0, abs=1e-3) and mean.low < 3.0 < mean.high


def test_mean_ratio_without_planted_truth_is_over_all_features(run, tmp_path):
    names = generator.features.feature_list(run.config)
    predictions = training_runs.predict_once(tmp_path / "direct.json", run, names)
    real = generator.features.adjust_features(run, generator.features.real_features(run.cohort, names).to_numpy())
    folds = [fold.held_out for fold in run.folds]
    best = generator.direct.best_direct(predictions, real, folds)
    controlled = {"gate_summary": None, "values": {"features": names, "adjusted": real, "synthetic": best.predicted}}
    assert generator.mean_ratio(run, controlled, predictions) == pytest.approx((1.0, 1.0, 1.0))
