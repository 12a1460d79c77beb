"""Speed of training: what is compiled is the real step, input is the real input, a missing rival is told."""

import importlib.util
import math
import re

import jax
import numpy as np
import pytest

from radiogenomics.benchmark import ceilings, training_speed


@pytest.fixture(scope="module")
def compiled(make_config):
    return training_speed.compile_step(training_speed.make_problem(make_config()))


def test_input_is_drawn_and_placed(config, compiled):
    drawn, placed = training_speed.time_input(config, compiled)
    assert 0.0 < drawn < 1.0 and 0.0 < placed < 1.0


def test_step_moves_the_state_on(compiled, monkeypatch):
    calls = []

    def run(state, *given):
        calls.append(state)
        return state + 1, {}

    assert training_speed.time_step(compiled._replace(run=run, state=0), count=3).seconds > 0.0
    assert calls == [0, 1, 2, 3]


def assert_written_in_place(compiled):
    """What the program copies of its donated state is next to nothing."""
    assert jax.default_backend() == "cpu"
    program = compiled.run.as_text()
    copies = re.findall(r"= f32\[([\d,]*)\]\S* copy\(", program[program.index("ENTRY"):])
    copied = sum(math.prod(int(side) for side in shape.split(",") if side) for shape in copies)
    assert 0 < copied < 0.1 * sum(leaf.size for leaf in jax.tree.leaves(compiled.state))


def test_state_is_written_in_place(compiled):
    assert_written_in_place(compiled)


def test_published_state_is_written_in_place(make_config):
    assert_written_in_place(training_speed.compile_step(training_speed.make_problem(make_config("paper"))))


def test_shares_are_work_over_time_over_ceiling(compiled, monkeypatch):
    monkeypatch.setattr(ceilings, "matmul_ceiling", lambda dtype: 1e9)
    monkeypatch.setattr(ceilings, "memory_ceiling", lambda: 1e9)
    operations, moved = ceilings.count_work(compiled.run)
    assert operations > 1e6 and moved > 1e6
    shares = [row["value"] for row in training_speed.describe_use(compiled, 2.0, "float32")]
    assert shares == pytest.approx([100 * operations / 2e9, 100 * moved / 2e9])


def test_a_fresh_cache_is_used_and_taken_away():
    before = jax.config.jax_compilation_cache_dir
    with training_speed.fresh_cache() as folder:
        assert jax.config.jax_compilation_cache_dir == folder
    assert jax.config.jax_compilation_cache_dir == before


def test_a_missing_rival_is_told(monkeypatch, caplog):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (row,) = training_speed.time_rivals(None, 1.0)
    assert np.isnan(row["value"]) and "not installed" in row["note"]
    assert "torch is not installed" in caplog.text
