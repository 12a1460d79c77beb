"""Every setting is read somewhere, everything read is a setting, and unknown ones are refused."""

import pathlib
import re

import pytest

from radiogenomics import settings
from radiogenomics.errors import InputError
from radiogenomics.train import rundir

ROOT = pathlib.Path(__file__).parents[1]
CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.py"))
SOURCES = {path: path.read_text() for path in sorted((ROOT / "radiogenomics").rglob("*.py"))}
# `settings = run.config.map`, alone or with a second name: a short name for a section inside of one file.
SHORT_NAME = re.compile(r"(\w+)(?:, \w+)? = (?:\w+\.)?config\.(\w+)\b(?!\.)")


def keys_read():
    """All (section, key) pairs that the package reads; (seed, "") for a setting without a section."""
    found = set()
    for text in SOURCES.values():
        found |= set(re.findall(r"\bconfig\.(\w+)\.(\w+)", text))
        found |= {(name, "") for name in re.findall(r"\bconfig\.(\w+)\b(?!\.)", text)}
        for short, section in SHORT_NAME.findall(text):
            found |= {(section, key) for key in re.findall(rf"\b{short}\.(\w+)", text)}
    return found


def leaves(config):
    pairs = set()
    for section, values in config.to_dict().items():
        pairs |= {(section, key) for key in values} if isinstance(values, dict) else {(section, "")}
    return pairs


@pytest.mark.parametrize("name", CONFIGS)
def test_every_setting_is_read(full_config, name):
    assert sorted(leaves(full_config(name)) - keys_read()) == []


def test_everything_read_is_a_setting(full_config):
    known = set().union(*(leaves(full_config(name)) for name in CONFIGS))
    sections = {section for section, key in known if key}
    read = {(section, key) for section, key in keys_read() if key and section in sections}
    assert sorted((read & {pair for pair in read if pair[1] not in dir(dict)}) - known) == []


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_keep_their_type_and_unknown_ones_are_refused(full_config, name):
    config = full_config(name)
    with pytest.raises(TypeError):
        config.train.steps = "many"
    rundir.check_settings(config)
    config.train.stepz = 3
    with pytest.raises(InputError, match="train.stepz: no such setting; .*train.steps"):
        rundir.check_settings(config)


def test_configurations_do_not_share_their_fields():
    one, two = settings.default_config(), settings.default_config()
    one.train.steps = 7
    assert two.train.steps != 7


def test_spacing(full_config):
    config = full_config("phantom")
    assert settings.spacing_mm(config) * config.data.size == pytest.approx(config.data.extent_mm)
