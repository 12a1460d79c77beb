"""Growth of a step's cost: the exponent of known costs, every quantity varied alone, and the figure."""

import numpy as np
import pytest

from radiogenomics.benchmark import growth, training_speed
from radiogenomics.benchmark.timing import Cost


def test_exponent_of_a_power_law():
    sizes = np.array([10, 100, 1000])
    assert growth.fit_exponent(sizes, 3.0 * sizes**1.5) == pytest.approx(1.5)


def test_every_quantity_has_its_own_exponent(config, monkeypatch, tmp_path):
    """A made-up cost with a known exponent of each quantity is read off each."""
    monkeypatch.setattr(growth, "PATIENTS", (4, 8, 16))
    monkeypatch.setattr(growth, "GENES", (10, 20))

    def seconds(compiled, count):
        problem, replicas = compiled
        patients, pixels = len(problem.arrays.scaled.components), problem.arrays.patches.nodule_hu[0].size
        return Cost(patients**0.5 * problem.components**1.0 * pixels**1.5 * replicas**2.0 / count, 0.0)

    monkeypatch.setattr(training_speed, "compile_step", lambda problem, replicas: (problem, replicas))
    monkeypatch.setattr(training_speed, "time_step", seconds)
    rows = growth.time_growth(config, tmp_path)
    assert [row["value"] for row in rows] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert "4 times as many take 16.00 times as long" in rows[-1]["note"]
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_the_published_architecture_is_left_out_on_a_cpu(make_config, tmp_path):
    assert growth.time_growth(make_config("paper"), tmp_path) == []
