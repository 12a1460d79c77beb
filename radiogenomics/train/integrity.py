"""Seals of folders: the SHA-256 of every file, so that damage is found before anything is read."""

import hashlib

from radiogenomics import outputs
from radiogenomics.errors import InputError

SEAL = "sha256.json"


def seal(directory):
    """Writes `sha256.json` into a folder: {path below it: SHA-256} of every file."""
    outputs.write_json(directory / SEAL, {path: _digest(directory / path) for path in _files(directory)})


def find_damage(directory):
    """What is wrong with a sealed folder, in a few words that name the file; None where it is as it was sealed."""
    if not (directory / SEAL).is_file():
        return f"no {SEAL} in it"
    try:
        sealed = outputs.read_json(directory / SEAL)
    except InputError:
        return f"{SEAL} is damaged"
    if not isinstance(sealed, dict) or not sealed:
        return f"{SEAL} is damaged"
    missing = sorted(sealed.keys() - set(_files(directory)))
    if missing:
        return f"{missing[0]} is missing"
    changed = [path for path, digest in sealed.items() if _digest(directory / path) != digest]
    return f"{changed[0]} is not what was written" if changed else None


def _files(directory):
    """Paths of the files below a folder, the seal aside; names in a seal are compared with them, never opened."""
    return [
        path.relative_to(directory).as_posix() for path in sorted(directory.rglob("*"))
        if path.is_file() and path != directory / SEAL
    ]


def _digest(path):
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
