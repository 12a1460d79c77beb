"""Exhausted memory is told; other errors pass."""

import jax
import pytest

from radiogenomics.errors import TrainingStopped
from radiogenomics.train import exhaustion


@pytest.mark.parametrize("error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 GB\nmore")])
def test_settings_are_named_with_their_values(config, error):
    with pytest.raises(TrainingStopped, match=r"out of memory .*train.replicas=1.* train.batch_size \(now 8\)") as told:
        with exhaustion.name_settings(config):
            raise error
    assert "\n" not in str(told.value)
    assert "a larger train.accumulate" in str(told.value) and "model.remat=True" in str(told.value)


def test_the_published_objective_is_not_told_of_what_it_cannot_use(config):
    config.train.objective = "published"
    with pytest.raises(TrainingStopped, match="train.steps_per_call=1, or begin a new run with lower"):
        with exhaustion.name_settings(config):
            raise MemoryError


def test_other_errors_pass(config):
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"), exhaustion.name_settings(config):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")
