"""Every launcher explains itself and shows its configuration without writing anything."""

import ast
import json
import pathlib

import pytest

LAUNCH = pathlib.Path(__file__).parents[2] / "launch"
LAUNCHERS = sorted(path.stem for path in LAUNCH.glob("*.py") if path.stem != "entry")


def required_flags(name):
    """{flag: kind} of the flags without which a launcher does not start, read from its source."""
    found = {}
    for node in ast.walk(ast.parse((LAUNCH / f"{name}.py").read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        required = ast.literal_eval(keywords["required"]) if "required" in keywords else None
        if node.func.attr == "define_folder" and required is not False or required:
            found[node.args[0].value] = node
    return found


def value_for(node, folder):
    """A value that the flag accepts: a path that does not exist, or the first choice."""
    if node.func.attr in ("DEFINE_enum", "DEFINE_multi_enum"):
        return ast.literal_eval(node.args[2])[0]
    return "1" if node.func.attr in ("DEFINE_integer", "DEFINE_float") else str(folder / "nothing")


def test_there_are_launchers():
    assert {"prepare", "train", "evaluate", "map", "baseline"} <= set(LAUNCHERS)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_help_exits_with_status_0(launch, name):
    outcome = launch(name, "--help")
    assert outcome.code == 0, outcome.stderr
    assert "Traceback" not in outcome.stderr
    for flag in (*required_flags(name), "dry_run"):
        assert flag in outcome.stdout


@pytest.mark.parametrize("name", LAUNCHERS)
def test_dry_run_prints_json_and_writes_nothing(launch, name, tmp_path):
    required = {flag: value_for(node, tmp_path) for flag, node in required_flags(name).items()}
    with_config = "define_config" in (LAUNCH / f"{name}.py").read_text()
    arguments = [f"--{flag}={value}" for flag, value in required.items()]
    if with_config:
        arguments += [f"--config={LAUNCH.parent / 'configs' / 'phantom.py'}", "--config.data.folds=7"]
    outcome = launch(name, *arguments, "--dry_run")
    assert outcome.code == 0, outcome.stderr
    shown = json.loads(outcome.stdout)
    for flag, value in required.items():
        assert shown[flag] in (value, [value])
    if with_config:
        assert shown["config"]["data"]["folds"] == 7
    assert list(tmp_path.iterdir()) == []
