"""Wall-clock and processor time of calls."""

import time

from radiogenomics.benchmark import timing


def test_sleep_costs_time_but_no_work():
    cost = timing.median_cost(lambda: time.sleep(0.05), repeats=3)
    assert cost.seconds >= 0.05 > 2 * cost.cpu_seconds


def test_every_call_is_timed():
    calls = []
    assert len(timing.time_calls(calls.append, 1, repeats=4)) == len(calls) == 4
