"""Peak memory of training: what the compiled step says it needs, and what was in fact used."""

import logging
import resource
import sys

import jax

MEGABYTE = 2**20


def predict_peak(run_steps, *given):
    """Bytes that a device holds at most during one call: arguments, results and temporary arrays, less what is donated.

    Args:
      run_steps: a jitted function; what is compiled here is what a call with the same shapes runs.
      *given: its arguments.
    """
    needs = run_steps.lower(*given).compile().memory_analysis()
    return (
        needs.argument_size_in_bytes + needs.output_size_in_bytes + needs.temp_size_in_bytes
        - needs.alias_size_in_bytes
    )


def measure_peak():
    """Bytes in use at most so far, and of what: the first device of this process, or on a CPU the process itself."""
    device = jax.local_devices()[0]
    used = device.memory_stats()
    if used:
        return used["peak_bytes_in_use"], str(device)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, which Linux counts in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "this process, everything included"


def tell_predicted(title, count):
    """One line for the predicted peak; a step that came compiled from a cache no longer knows what it needs."""
    if count <= 0:
        logging.info("%s: peak memory not predicted, because the training step came compiled from a cache", title)
        return
    logging.info("%s: peak memory predicted %.1f MB a device for the training step", title, count / MEGABYTE)


def tell_measured(title):
    """One line for the measured peak."""
    count, owner = measure_peak()
    logging.info("%s: peak memory measured %.0f MB (%s)", title, count / MEGABYTE, owner)
