"""A run's folder belongs to one configuration and one cohort."""

import dataclasses
import json

import pytest

from radiogenomics.errors import InputError
from radiogenomics.train import rundir


def test_opened_once_and_checked_afterwards(cohort, config, make_config, tmp_path):
    rundir.check_run(config, cohort, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    rundir.open_run(config, cohort, tmp_path / "run")
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    assert "phantom" not in stored and stored["model"]["width"] == 4
    rundir.check_run(config, cohort, tmp_path / "run")
    with pytest.raises(InputError, match="trained with train.steps=4, not 5"):
        rundir.check_run(make_config(train={"steps": 5}), cohort, tmp_path / "run")
    other = dataclasses.replace(cohort, fingerprint="0" * 64)
    with pytest.raises(InputError, match=f"fingerprint {cohort.fingerprint[:12]}.*000000000000"):
        rundir.check_run(config, other, tmp_path / "run")


def test_what_a_run_goes_on_with_is_recorded(cohort, config, make_config, tmp_path):
    """Settings that only say how devices are used and what is kept, and the precision, whose checkpoints are the same;
    nothing is written where nothing is new."""
    def continued():
        return json.loads((tmp_path / "environment.json").read_text()).get("continued", [])

    rundir.open_run(config, cohort, tmp_path)
    rundir.record_continuation(config, tmp_path)
    assert continued() == []
    other = make_config(model={"dtype": "bfloat16"}, train={"checkpoint_minutes": 1.5})
    rundir.check_run(other, cohort, tmp_path)
    for _ in range(2):
        rundir.record_continuation(other, tmp_path)
        (told,) = continued()
        assert told["settings"] == {"train.checkpoint_minutes": 1.5, "model.dtype": "bfloat16"}
        assert told["packages"]["jax"] and told["devices"]
    rundir.record_continuation(config, tmp_path)
    assert [each["settings"] for each in continued()] == [told["settings"], {}]


def test_negative_minutes(cohort, make_config, tmp_path):
    with pytest.raises(InputError, match="train.checkpoint_minutes: -1.0; expected 0 or more"):
        rundir.check_run(make_config(train={"checkpoint_minutes": -1.0}), cohort, tmp_path)


def test_how_the_phantom_was_made_does_not_matter(cohort, config, make_config, tmp_path):
    rundir.open_run(config, cohort, tmp_path)
    rundir.check_run(make_config(phantom={"effect": 0.1}), cohort, tmp_path)


@pytest.mark.parametrize("key", rundir.AT_LEAST_ONE)
def test_settings_that_must_be_positive(cohort, make_config, tmp_path, key):
    section, field = key.split(".")
    with pytest.raises(InputError, match=f"{key}: 0; expected at least 1"):
        rundir.check_run(make_config(**{section: {field: 0}}), cohort, tmp_path)


def test_cohort_of_another_size(cohort, make_config, tmp_path):
    for changes, told in (
        ({"size": 32}, "patches are 16 x 16, but the config says 32 x 32"), ({"ndim": 3}, "16 x 16 x 16"),
        ({"extent_mm": 40.0}, "32 mm wide, but data.extent_mm is 40"),
    ):
        with pytest.raises(InputError, match=told):
            rundir.check_run(make_config(data=changes), cohort, tmp_path)


def test_missing_setting(cohort, config, tmp_path):
    del config.train["beta2"]
    with pytest.raises(InputError, match="train.beta2: missing"):
        rundir.check_run(config, cohort, tmp_path)
