"""One process a run folder: a lock that the system takes back when its holder dies, however it dies."""

import contextlib
import errno
import fcntl
import logging
import os
import pathlib
import socket

from radiogenomics import outputs
from radiogenomics.errors import InputError
from radiogenomics.train import hosts

FILE = "train.lock"
# Of file systems that know no locks, as some network ones.
UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


@contextlib.contextmanager
def hold(workdir):
    """Holds the lock of a run folder, which is made where it is missing, for the block; host 0 holds it for all.

    Raises:
      InputError: naming the process and the machine that hold it.
    """
    if not hosts.is_first():
        yield
        return
    path = pathlib.Path(workdir) / FILE
    with contextlib.ExitStack() as stack:
        with outputs.tell_failed_writes(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(open(path, "a+", encoding="utf-8"))
            _take(file, path)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # The file stays: removing it would let two processes lock two files of one name.


def check_free(workdir):
    """InputError where another process holds the lock of a run folder; makes nothing."""
    if (pathlib.Path(workdir) / FILE).exists():
        with hold(workdir):
            pass


def _take(file, path):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise InputError(
            f"{path.parent}: {file.read().strip() or 'another process'} trains in this folder; wait for it, stop it, "
            "or choose another --workdir."
        ) from error
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        logging.warning("%s: this file system knows no locks; see to it that no other process trains here", path)
