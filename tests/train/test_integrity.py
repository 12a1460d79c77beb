"""A seal: every kind of damage to every file of a folder is found."""

import json

import numpy as np
import pytest

from radiogenomics.train import integrity


@pytest.fixture
def sealed(tmp_path):
    (tmp_path / "deep").mkdir()
    for name, content in (("a.bin", np.arange(50, dtype=np.uint8).tobytes()), ("deep/b.txt", b"text"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
    integrity.seal(tmp_path)
    return tmp_path


def test_whole(sealed):
    assert integrity.find_damage(sealed) is None
    (sealed / "later").write_text("added")  # Nobody reads it.
    assert integrity.find_damage(sealed) is None


def test_every_flipped_bit_is_found(sealed):
    for name in ("a.bin", "deep/b.txt"):
        content = (sealed / name).read_bytes()
        for place in range(8 * len(content)):
            changed = bytearray(content)
            changed[place // 8] ^= 1 << place % 8
            (sealed / name).write_bytes(changed)
            assert integrity.find_damage(sealed) == f"{name} is not what was written"
        (sealed / name).write_bytes(content)


@pytest.mark.parametrize("name", ["a.bin", "deep/b.txt", "empty"])
def test_missing_and_changed_files(sealed, name):
    (sealed / name).write_bytes(b"x")
    assert integrity.find_damage(sealed) == f"{name} is not what was written"
    (sealed / name).unlink()
    assert integrity.find_damage(sealed) == f"{name} is missing"


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"a.bin": 3, "../../outside": "x"}'])
def test_damaged_seals(sealed, text):
    (sealed / integrity.SEAL).write_text(text)
    assert integrity.find_damage(sealed)
    (sealed / integrity.SEAL).unlink()
    assert integrity.find_damage(sealed) == "no sha256.json in it"


def test_a_seal_lists_everything_but_itself(sealed):
    assert json.loads((sealed / integrity.SEAL).read_text()).keys() == {"a.bin", "deep/b.txt", "empty"}
