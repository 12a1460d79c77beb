"""When training saves out of turn."""

import signal
import threading

import pytest

from radiogenomics.train import preemption


def test_sigterm_asks_to_stop_and_the_old_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with preemption.watch(0.0) as interruptions:
        assert not interruptions.must_stop(1)
        signal.raise_signal(signal.SIGTERM)
        assert interruptions.must_stop(2)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("minutes, expected", [(0.0, False), (1.0, False), (1.5, True), (2.0, True)])
def test_minutes_since_the_last_checkpoint(monkeypatch, minutes, expected):
    now = [0.0]
    monkeypatch.setattr(preemption.time, "monotonic", lambda: now[0])
    interruptions = preemption.Interruptions(1.5)
    now[0] = 60.0 * minutes
    assert interruptions.must_save(at_log=False) is expected
    interruptions.saved()
    assert not interruptions.must_save(at_log=True)
    never = preemption.Interruptions(0.0)
    now[0] = 1e9
    assert not never.must_save(at_log=True)


def test_threads_other_than_the_main_one_cannot_watch_signals():
    seen = []

    def use():
        with preemption.watch(0.0) as interruptions:
            seen.append(interruptions.must_stop(1))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [False]
