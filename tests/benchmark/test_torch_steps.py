"""The rival in PyTorch: layer for layer our parameters, and a step that trains both networks."""

import jax
import numpy as np
import pytest

from radiogenomics.benchmark import training_speed
from radiogenomics.errors import InputError
from radiogenomics.train.state import create_state, make_players

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # Threads that wait for each other cost minutes on a busy machine.
torch_steps = pytest.importorskip("radiogenomics.benchmark.torch_steps")
PUBLISHED_COUNTS = {"built": 44_077_952, "unused": 647_904, "discriminator": 8_560_131}


def sizes(network):
    return sorted(values.numel() for values in network.parameters())


def build(config, components):
    return torch_steps.choose_networks(config).make_networks(config, components)


@pytest.mark.parametrize("name, components", [("phantom", 30), ("paper", 5172)])
def test_layers_hold_the_parameters_of_ours(full_config, name, components):
    config = full_config(name)
    players = make_players(config)
    state = jax.eval_shape(lambda key: create_state(config, players, components, key), jax.random.key(0))
    ours = (state.generator["params"], state.discriminator["params"])
    for network, params in zip(build(config, components), ours, strict=True):
        assert sizes(network) == sorted(leaf.size for leaf in jax.tree.leaves(params))


def test_published_counts(full_config):
    generator, discriminator = build(full_config("paper"), 5172)
    assert sum(sizes(generator)) + PUBLISHED_COUNTS["unused"] == PUBLISHED_COUNTS["built"]
    assert sum(sizes(discriminator)) == PUBLISHED_COUNTS["discriminator"]


@pytest.mark.parametrize("name", ["phantom", "paper"])
def test_a_step_trains_both_networks(make_config, name):
    problem = training_speed.make_problem(make_config(name), genes=40)
    step, networks = torch_steps.make_step(problem.config, problem.arrays, problem.components, compiled=False)
    before = [[values.detach().clone() for values in network.parameters()] for network in networks]
    for _ in range(2):  # A warm-up may begin at rate 0.
        loss = step(torch_steps.place(problem.indices))
    assert np.isfinite(loss.item())
    for network, start in zip(networks, before, strict=True):
        moved = [bool((old != new).any()) for old, new in zip(start, network.parameters(), strict=True)]
        assert np.mean(moved) > 0.8  # Biases of hinge heads have no gradient yet.
        assert all(values.requires_grad for values in network.parameters())


def test_other_configurations_have_no_rival(make_config):
    with pytest.raises(InputError, match="data.ndim: 3"):
        torch_steps.choose_networks(make_config(data={"ndim": 3}))
    with pytest.raises(InputError, match="the default's features"):
        torch_steps.choose_networks(make_config(model={"response": False}))
