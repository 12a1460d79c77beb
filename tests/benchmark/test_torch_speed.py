"""Rows of the rival: ratios to ours, and a compiler that fails is told instead of ending the suite."""

import math

import pytest

from radiogenomics.benchmark import training_speed
from radiogenomics.benchmark.timing import Cost

torch = pytest.importorskip("torch")
torch_speed = pytest.importorskip("radiogenomics.benchmark.torch_speed")


def test_ratios_and_a_failing_compiler(make_config, monkeypatch):
    def make_step(config, arrays, components, compiled):
        def step(indices):
            if compiled:
                raise torch._dynamo.exc.TorchDynamoException("no C++ compiler\nand more")

        return step, None

    monkeypatch.setattr(torch_speed.torch_steps, "make_step", make_step)
    monkeypatch.setattr(torch_speed, "median_cost", lambda call, repeats: Cost(3.0, 5.0))
    problem = training_speed.make_problem(make_config())
    eager, compiled = torch_speed.time_steps(problem, Cost(2.0, 1.0))
    assert eager["value"] == 3000.0 and eager["note"].startswith("1.50x ours, 5.00x its CPU time")
    assert math.isnan(compiled["value"]) and compiled["note"] == "not measured: no C++ compiler"

