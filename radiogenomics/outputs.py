"""Outputs that appear whole or not at all: written aside, then renamed."""

import contextlib
import errno
import json
import os
import pathlib
import shutil
import tempfile

import numpy as np

from radiogenomics.errors import InputError, OutputError

# What a file system that is full or shut answers; other errors are no matter of writing.
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@contextlib.contextmanager
def tell_failed_writes(path):
    """OutputError naming `path` where the block finds the disk full, its folder read-only, or the like."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        elsewhere = error.filename and not str(error.filename).startswith(str(pathlib.Path(path).parent))
        if error.errno not in REFUSALS or elsewhere:
            raise
        raise OutputError(f"{path}: cannot be written ({tell_reason(error)}).") from error


def tell_reason(error):
    """Why writing failed, in the system's words; libraries that are not Python's hide them in a long message."""
    told = [os.strerror(number) for number in REFUSALS if os.strerror(number) in str(error)]
    return (told or str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def new_file(path):
    """Yields a temporary path beside `path` that replaces it when the block ends without an error."""
    path = pathlib.Path(path)
    # The temporary name keeps the suffix, because writers (matplotlib, netCDF) choose the format by it.
    aside = path.with_name(f".{os.getpid()}-{path.name}")
    with tell_failed_writes(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(path):
    """Yields a temporary folder that becomes `path`; InputError where `path` already holds something."""
    path = pathlib.Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: already exists and is not an empty folder; choose a new folder.")
    with tell_failed_writes(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            yield aside
            aside.chmod(0o755)  # mkdtemp makes private folders; a cohort is shared in a group.
            os.replace(aside, path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def write_text(path, text):
    """Writes a text file atomically."""
    with new_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Writes JSON atomically; NaN becomes null, because NaN is not JSON."""
    write_text(path, json.dumps(_plain(value), indent=1, allow_nan=False) + "\n")


def read_json(path):
    """Reads a JSON file; InputError where it is missing or not JSON."""
    path = pathlib.Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a JSON file ({error}).") from error


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
