"""Seconds of the training step in PyTorch, imported only where it is installed."""

import logging
import math
import time

import torch
import torch._dynamo

from radiogenomics.benchmark import torch_steps
from radiogenomics.benchmark.timing import median_cost

STEPS = 10


def time_steps(problem, ours):
    """Rows of the eager and the compiled step at the same batch and precision; `ours` is our `Cost`."""
    rows = [_time_step(problem, ours, "eager")]
    try:
        return [*rows, _time_step(problem, ours, "compiled")]
    except torch._dynamo.exc.TorchDynamoException as error:  # Without a C++ compiler, for instance.
        reason = str(error).strip().splitlines()[0]
        logging.warning("torch.compile: %s", reason)
        return [*rows, {"what": _name("compiled"), "value": math.nan, "note": f"not measured: {reason}"}]


def _name(how):
    return f"training step, PyTorch {torch.__version__} {how} (ms)"


def _time_step(problem, ours, how):
    began = time.perf_counter()
    step, _ = torch_steps.make_step(problem.config, problem.arrays, problem.components, how == "compiled")
    indices = torch_steps.place(problem.indices)

    def call():
        step(indices)
        torch_steps.wait()

    call()
    first = time.perf_counter() - began
    call()  # The second may still compile what the first has changed.
    cost = median_cost(call, STEPS)
    note = f"{cost.seconds / ours.seconds:.2f}x ours, {cost.cpu_seconds / ours.cpu_seconds:.2f}x its CPU time; "
    note += f"first step {first:.0f} s; {torch.get_num_threads()} threads"
    return {"what": _name(how), "value": 1e3 * cost.seconds, "note": note}
