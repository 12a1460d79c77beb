"""Outputs appear whole or not at all."""

import json

import numpy as np
import pytest

from radiogenomics import outputs
from radiogenomics.errors import InputError, OutputError


def test_a_failed_file_leaves_the_old_one(tmp_path):
    outputs.write_text(tmp_path / "deep" / "a.txt", "old")
    with pytest.raises(RuntimeError), outputs.new_file(tmp_path / "deep" / "a.txt") as aside:
        aside.write_text("half")
        raise RuntimeError
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.txt"]
    assert (tmp_path / "deep" / "a.txt").read_text() == "old"


def test_a_failed_folder_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), outputs.new_directory(tmp_path / "new") as aside:
        (aside / "file").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_told_and_the_old_file_stays(tmp_path):
    """A device that is always full stands for the disk; a file elsewhere that cannot be read is another matter."""
    outputs.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(OutputError, match=r"a.txt: cannot be written \(No space left on device\)"):
        with outputs.new_file(tmp_path / "a.txt"), open("/dev/full", "w", encoding="utf-8") as full:
            full.write("new")
    for error, kept in ((OSError(30, "Read-only file system"), False), (PermissionError(13, "no", "/elsewhere"), True)):
        with pytest.raises(type(error) if kept else OutputError) as told, outputs.new_directory(tmp_path / "new"):
            raise error
        assert (told.value is error) is kept
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


def test_a_folder_with_content_is_not_overwritten(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match="already exists"), outputs.new_directory(path):
            pass
    with outputs.new_directory(tmp_path / "empty") as aside:
        (aside / "file").write_text("whole")
    assert (tmp_path / "empty" / "file").read_text() == "whole"


def test_json_of_arrays_and_of_what_is_not_finite(tmp_path):
    value = {1: np.float32(2.5), "a": np.array([1.0, np.nan]), "b": (np.int64(3), np.inf), "c": np.bool_(True)}
    outputs.write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text()) == {"1": 2.5, "a": [1.0, None], "b": [3, None], "c": True}
    assert outputs.read_json(tmp_path / "a.json")["c"] is True


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", None])
def test_what_is_no_json_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match="a.json"):
        outputs.read_json(tmp_path / "a.json")
