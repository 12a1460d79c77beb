"""Every result says where it comes from."""

import hashlib
import json

import pytest
import xarray

from radiogenomics import provenance


def assert_described(found, fingerprint, seed=0):
    assert found["config"]["seed"] == seed and found["cohort_fingerprint"] == fingerprint
    environment = found["environment"]
    assert environment["packages"]["jax"] and environment["packages"]["radiogenomics"] == "0.1.0"
    assert environment["devices"] and environment["git_revision"] and environment["python"]


def test_described_with_plain_values(config):
    config.seed = 5
    described = provenance.describe(config, "abc")
    assert_described(json.loads(json.dumps(described)), "abc", seed=5)
    text = provenance.attributes(config, "abc")
    assert all(isinstance(value, str) for value in text.values())
    assert_described({"cohort_fingerprint": text["cohort_fingerprint"]}
                     | {name: json.loads(text[name]) for name in ("config", "environment")}, "abc", seed=5)


def test_digest_of_tables(tmp_path):
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    assert provenance.digest_files([tmp_path / "a", tmp_path / "b"]) == hashlib.sha256(b"onetwo").hexdigest()


def test_evaluation(evaluated, cohort):
    assert_described(evaluated["provenance"], cohort.fingerprint)


@pytest.mark.parametrize("name", ["map.nc", "dose_response.nc"])
def test_maps(mapped, workdir, cohort, name):
    with xarray.open_dataset(workdir / name, engine="h5netcdf") as stored:
        found = dict(stored.attrs)
    assert_described(found | {part: json.loads(found[part]) for part in ("config", "environment")}, cohort.fingerprint)
