"""Wall-clock time of repeated calls."""

import time


def time_calls(function, *arguments, repeats):
    """Seconds of each of `repeats` calls; `function` must have done its work when it returns."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function(*arguments)
        seconds.append(time.perf_counter() - began)
    return seconds
