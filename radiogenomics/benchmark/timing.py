"""Wall-clock time of repeated calls."""

import time
from typing import NamedTuple

import numpy as np


class Cost(NamedTuple):
    """What a call costs: on a machine with other work the processor's time says more than the clock's."""

    seconds: float
    cpu_seconds: float  # of all threads of this process


def median_cost(function, repeats):
    """The median `Cost` of `repeats` calls; `function` must have done its work when it returns."""
    costs = []
    for _ in range(repeats):
        began = time.perf_counter(), time.process_time()
        function()
        costs.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return Cost(*np.median(costs, axis=0).tolist())


def time_calls(function, *arguments, repeats):
    """Seconds of each of `repeats` calls; `function` must have done its work when it returns."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function(*arguments)
        seconds.append(time.perf_counter() - began)
    return seconds
