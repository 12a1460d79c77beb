import pandas as pd
import pytest

from radiogenomics.benchmark import ceilings, feature_speed, growth, recovery, speed, training_speed
from radiogenomics.errors import InputError


def test_recovery_scores_every_route_on_every_link(make_config, tmp_path):
    config = make_config(train={"steps": 2})
    table = recovery.run_suite(config, tmp_path)
    assert list(table.index) == sorted(name for name, _, _ in recovery.ROUTES)
    assert table.drop(columns="mean").shape[1] == len(config.phantom.links)
    assert ((table > 0) & (table <= 1)).all().all()
    written = pd.read_csv(tmp_path / "recovery.csv")
    assert len(written) == len(recovery.ROUTES) * len(config.phantom.links)


def test_recovery_needs_a_planted_truth(make_config, tmp_path):
    with pytest.raises(InputError, match="data.source: 'files'"):
        recovery.run_suite(make_config("nsclc"), tmp_path)


def test_speed_compares_equal_jacobians(config, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "GENES", 60)
    monkeypatch.setattr(speed, "REPEATS", 1)
    monkeypatch.setattr(feature_speed, "CASES", {2: (8, 16, (3.0, 5.0)), 3: (4, 12, (3.0, 5.0))})
    monkeypatch.setattr(feature_speed, "RIVAL_REGIONS", {"pyradiomics": 1, "mirp": 1})
    monkeypatch.setattr(feature_speed, "SOFT_PATCHES", 2)
    monkeypatch.setattr(ceilings, "MATRIX_SIDE", {"cpu": 64})
    monkeypatch.setattr(ceilings, "COPIED_MB", 1)
    monkeypatch.setattr(training_speed, "STEPS", 1)
    monkeypatch.setattr(training_speed, "time_rivals", lambda problem, second: [])
    monkeypatch.setattr(growth, "time_growth", lambda config, out: [])
    table = speed.run_suite(config, tmp_path)
    assert (table["value"] > 0).all()
    assert table.loc["compilation, from the persistent cache (s)", "value"] < table.loc[
        "compilation of the step (s)", "value"
    ]
    error = float(table.loc["Jacobian, factored (s a patient)", "note"].split()[-1])
    assert error < 1e-5
    assert (tmp_path / "speed.csv").is_file() and (tmp_path / "speed.json").is_file()
