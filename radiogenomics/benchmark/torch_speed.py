"""Seconds of the training step in PyTorch, imported only where it is installed."""

import time

import torch

from radiogenomics.benchmark import torch_steps
from radiogenomics.benchmark.timing import median_cost

STEPS = 10


def time_steps(problem, ours):
    """Rows of the eager and the compiled step at the same batch and precision; `ours` is our `Cost`."""
    rows = []
    for name, compiled in (("eager", False), ("compiled", True)):
        began = time.perf_counter()
        step, _ = torch_steps.make_step(problem.config, problem.arrays, problem.components, compiled)
        indices = torch_steps.place(problem.indices)

        def call(step=step, indices=indices):
            step(indices)
            torch_steps.wait()

        call()
        first = time.perf_counter() - began
        call()
        cost = median_cost(call, STEPS)
        note = f"{cost.seconds / ours.seconds:.2f}x ours, {cost.cpu_seconds / ours.cpu_seconds:.2f}x its CPU time; "
        note += f"first step {first:.0f} s; {torch.get_num_threads()} threads"
        rows.append({"what": f"training step, PyTorch {torch.__version__} {name} (ms)", "value": 1e3 * cost.seconds,
                     "note": note})
    return rows
