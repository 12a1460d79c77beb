"""The lock of a run folder: one holder, named to whoever comes second, and gone with its process."""

import errno
import fcntl
import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from radiogenomics.errors import InputError
from radiogenomics.train import lock

ROOT = pathlib.Path(__file__).parents[2]
HOLDER = """
import pathlib, sys, time
from radiogenomics.train import lock
with lock.hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_is_first_and_kill_frees(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "run"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        named = f"run: process {holder.pid} on {socket.gethostname()} trains in this folder"
        for enter in (lambda: lock.hold(tmp_path / "run").__enter__(), lambda: lock.check_free(tmp_path / "run")):
            with pytest.raises(InputError, match=named):
                enter()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with lock.hold(tmp_path / "run"):
        assert (tmp_path / "run" / lock.FILE).read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"
    assert (tmp_path / "run" / lock.FILE).read_text() == ""


def test_looking_makes_nothing(tmp_path):
    lock.check_free(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, caplog):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING), lock.hold(tmp_path):
        assert "knows no locks" in caplog.text
