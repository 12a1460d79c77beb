"""Metrics and samples on disk."""

import json

import numpy as np
import pytest
from matplotlib import image as matplotlib_image

from radiogenomics.train import writers


def read_steps(folder):
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_lines_after_the_checkpoint_are_dropped(tmp_path):
    with writers.open_metrics(tmp_path, 0) as write:
        for step in (2, 4, 6):
            write(step, {"loss": 1.0 / step})
    with open(tmp_path / "metrics.jsonl", "a") as lines:
        lines.write('{"step": 8, "lo')  # killed while writing
    with writers.open_metrics(tmp_path, 4) as write:
        assert read_steps(tmp_path) == [2, 4]
        write(6, {"loss": 0.5})
    assert read_steps(tmp_path) == [2, 4, 6]


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 8)])
def test_sample_grid(tmp_path, shape):
    rows = [np.full((3, *shape), value) for value in (0.0, 1.0)]
    rows[0][1] = 2.0  # clipped
    writers.write_samples(tmp_path / "samples" / "grid.png", rows)
    grid = matplotlib_image.imread(tmp_path / "samples" / "grid.png")[..., 0]
    assert grid.shape == (2 * 8 * 4, 3 * 8 * 4)
    assert grid[0, 0] == 0.0 and grid[0, 8 * 4] == 1.0 and grid[-1, -1] == 1.0
