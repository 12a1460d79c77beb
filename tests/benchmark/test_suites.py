import pandas as pd
import pytest

from radiogenomics.benchmark import ceilings, feature_speed, growth, jacobian_speed, recovery, speed, training_speed
from radiogenomics.errors import InputError


def test_recovery_scores_every_route_on_every_link(config, monkeypatch, tmp_path):
    # As the other tests of the tiny run, so that nothing is compiled anew.
    monkeypatch.setattr(recovery, "POOL", 24)
    monkeypatch.setattr(recovery, "COHORTS", 4)
    monkeypatch.setattr(recovery, "NODULES", 1)
    monkeypatch.setattr(recovery, "_unadjusted_generator", lambda *_: {"map": "generator, unadjusted", "hits": 0})
    targets = recovery.run_suite(config, tmp_path, seeds=1, patients=(), effects=())
    written = pd.read_csv(tmp_path / "recovery.csv")
    assert len(written) == len(recovery.ROUTES) * len(config.phantom.links)
    assert written["average_precision"].between(0, 1).all() and written["auroc"].between(0, 1).all()
    assert set(written["route"][written["power"].notna()]) == {route.name for route in recovery.ROUTES if route.tested}
    located = pd.read_csv(tmp_path / "localisation.csv")
    assert len(located) == 3 * len(config.phantom.links) and located["auroc"].between(0, 1).all()
    found = pd.read_csv(tmp_path / "discoveries.csv")
    assert set(found["map"]) > {"generator", "spearman", "spearman, unadjusted", "generator, features unadjusted"}
    assert {"measured", "needed", "reached"} == set(targets.columns)
    # A second call reads what the first has measured.
    monkeypatch.setattr(recovery, "score_phantom", None)
    assert recovery.run_suite(config, tmp_path, seeds=1, patients=(), effects=()).equals(targets)


def test_phantoms_differ_in_kind_and_seed(full_config):
    config = full_config("phantom")
    varied = recovery.vary_phantom(config, (60, 0.3), 2)
    assert (varied.phantom.patients, varied.phantom.effect, varied.seed) == (60, 0.3, 2 * config.data.folds)
    assert recovery.vary_phantom(config, (130, 0.9), 0) == config


def test_recovery_needs_a_planted_truth_of_one_effect(make_config, config, tmp_path):
    with pytest.raises(InputError, match="data.source: 'files'"):
        recovery.run_suite(make_config("nsclc"), tmp_path)
    with pytest.raises(InputError, match="--seeds: 0"):
        recovery.run_suite(config, tmp_path, seeds=0)
    config.phantom.links = [dict(link) | {"effect": 0.5} for link in config.phantom.links]
    with pytest.raises(InputError, match="a link with an effect of its own"):
        recovery.run_suite(config, tmp_path)


@pytest.mark.long
def test_speed_compares_equal_jacobians(config, monkeypatch, tmp_path):
    """The published generator in a small size: what is timed is the same code."""
    small = {"data.size": 16, "model.width": 2, "model.scales": 2, "model.encoder_hidden": 8, "model.code_size": 12}
    monkeypatch.setattr(jacobian_speed, "PUBLISHED", jacobian_speed.PUBLISHED | small)
    for name, value in {"GENES": 60, "PATIENTS": 2, "RIVAL_PASSES": 4, "REPEATS": 1}.items():
        monkeypatch.setattr(jacobian_speed, name, value)
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
    for name in ("default", "published 64 x 64"):
        note = table.loc[f"Jacobian, {name}: factored (s a patient)", "note"]
        assert float(note.split()[-1]) < 1e-5 and "MB of the process" in note
        for rival in ("batched jacfwd", "jacrev"):
            assert "extrapolated" in table.loc[f"Jacobian, {name}: {rival} (s a patient)", "note"]
    assert (tmp_path / "speed.csv").is_file() and (tmp_path / "speed.json").is_file()
