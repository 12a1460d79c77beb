"""Several processes: what one alone does, and what is told where they cannot be joined. Two together train in
tests/launch/test_train.py."""

import jax
import numpy as np
import pytest

from radiogenomics.errors import InputError
from radiogenomics.train import hosts


def test_alone_a_process_is_the_first_and_waits_for_nobody():
    tree = {"a": np.arange(3)}
    assert hosts.is_first() and hosts.agree(tree) is tree
    hosts.wait_for_all("nobody")


@pytest.mark.parametrize("error", [ValueError("coordinator_address should be defined."), IndexError(), RuntimeError()])
def test_processes_that_cannot_be_joined_are_told(monkeypatch, error):
    def initialize(*given):
        assert given == ("host", 2, 0)
        raise error

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(InputError, match="--coordinator_address=host, --num_processes=2, --process_id=0: .* joined"):
        hosts.connect("host", 2, 0)


def test_what_is_not_given_is_left_to_jax(monkeypatch):
    seen = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *given: seen.append(given))
    hosts.connect()
    assert seen == [(None, None, None)]
