"""When to save out of turn: after some minutes, and when the machine is about to be taken away."""

import contextlib
import signal
import threading
import time

import jax
import numpy as np
from jax.experimental import multihost_utils

from radiogenomics.train import hosts


class Interruptions:
    """Tells the training loop, after every call of its step, whether to save or to stop."""

    def __init__(self, minutes):
        self.asked = False  # SIGTERM came
        self._seconds = 60.0 * minutes
        self._saved = time.monotonic()

    def must_stop(self, step):
        """Whether to save and stop after this step; all hosts get the same answer, whichever was told to end."""
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        return self.asked

    def must_save(self, at_log):
        """Whether the minutes between checkpoints are over.

        Clocks differ, so that among several hosts the first one's counts; they ask it only where the loop waits for the
        devices anyway (`at_log`).
        """
        over = 0 < self._seconds <= time.monotonic() - self._saved
        if jax.process_count() == 1:
            return over
        return bool(at_log and hosts.agree(np.bool_(over)))

    def saved(self):
        """Starts the minutes again."""
        self._saved = time.monotonic()


@contextlib.contextmanager
def watch(minutes):
    """Yields `Interruptions` that see SIGTERM for the length of the block; `minutes` 0: no checkpoints by the clock."""
    interruptions = Interruptions(minutes)
    # Python allows handlers in the main thread only; of several hosts JAX watches over the signal.
    if threading.current_thread() is not threading.main_thread() or jax.process_count() > 1:
        yield interruptions
        return

    def ask(number, frame):
        interruptions.asked = True

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield interruptions
    finally:
        signal.signal(signal.SIGTERM, before)
