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


def test_other_errors_pass(config):
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"), exhaustion.name_settings(config):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")
