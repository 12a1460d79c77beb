import pandas as pd
import pytest

from radiogenomics.benchmark import feature_speed, jacobian_speed, recovery, speed
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
    """The published generator in a small size: what is timed is the same code."""
    small = {"data.size": 16, "model.width": 2, "model.scales": 2, "model.encoder_hidden": 8, "model.code_size": 12}
    monkeypatch.setattr(jacobian_speed, "PUBLISHED", jacobian_speed.PUBLISHED | small)
    for name, value in {"GENES": 60, "PATIENTS": 2, "RIVAL_PASSES": 4, "REPEATS": 1}.items():
        monkeypatch.setattr(jacobian_speed, name, value)
    monkeypatch.setattr(speed, "GENES", 60)
    monkeypatch.setattr(feature_speed, "CASES", {2: (8, 16, (3.0, 5.0)), 3: (4, 12, (3.0, 5.0))})
    monkeypatch.setattr(feature_speed, "RIVAL_REGIONS", {"pyradiomics": 1, "mirp": 1})
    monkeypatch.setattr(feature_speed, "SOFT_PATCHES", 2)
    table = speed.run_suite(config, tmp_path)
    assert (table["value"] > 0).all()
    for name in ("default", "published 64 x 64"):
        note = table.loc[f"Jacobian, {name}: factored (s a patient)", "note"]
        assert float(note.split()[-1]) < 1e-5 and "MB of the process" in note
        for rival in ("batched jacfwd", "jacrev"):
            assert "extrapolated" in table.loc[f"Jacobian, {name}: {rival} (s a patient)", "note"]
    assert (tmp_path / "speed.csv").is_file() and (tmp_path / "speed.json").is_file()
