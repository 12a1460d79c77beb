"""The discriminator: three verdicts, of which only the match sees the genes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models.discriminator import make_discriminator


@pytest.fixture(scope="module")
def judged(make_config):
    network = make_discriminator(make_config())
    keys = jax.random.split(jax.random.key(0), 4)
    image, mask = jax.random.normal(keys[0], (3, 16, 16, 1)), jax.random.normal(keys[1], (3, 16, 16, 1))
    components = jax.random.normal(keys[2], (3, 5))
    hasty = {"xla_backend_optimization_level": 0}
    initialise = jax.jit(network.init, static_argnums=4, compiler_options=hasty)
    variables = initialise(keys[3], image, mask, components, True)
    return network, variables, image, mask, components


def test_what_each_verdict_depends_on(judged):
    network, variables, image, mask, components = judged

    @jax.jit
    def verdict(image, mask, components):
        return network.apply(variables, image, mask, components, False)

    plain = verdict(image, mask, components)
    assert plain.image.shape == plain.pair.shape == plain.match.shape == (3,)
    other_genes, other_mask = verdict(image, mask, components[::-1]), verdict(image, mask[::-1], components)
    np.testing.assert_array_equal(other_genes.image, plain.image)
    np.testing.assert_array_equal(other_genes.pair, plain.pair)
    assert (other_genes.match[::2] != plain.match[::2]).all()
    np.testing.assert_array_equal(other_mask.image, plain.image)
    assert (other_mask.pair[::2] != plain.pair[::2]).all()


def test_judging_features_repeats_only_the_heads(judged):
    network, variables, image, mask, components = judged
    features = network.apply(variables, image, mask, False, method="features")
    again = network.apply(variables, features, components, False, method="judge")
    whole = network.apply(variables, image, mask, components, False)
    np.testing.assert_allclose(jnp.stack(jax.tree.leaves(again)), jnp.stack(jax.tree.leaves(whole)), atol=1e-6)


def test_power_iteration_moves_only_when_asked(judged):
    network, variables, image, mask, components = judged
    _, moved = network.apply(variables, image, mask, components, True, mutable="batch_stats")
    _, still = network.apply(variables, image, mask, components, False, mutable="batch_stats")
    before, after, kept = (jax.tree.leaves(each["batch_stats"]) for each in (variables, moved, still))
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    for a, b in zip(before, kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_what_enters_a_layer_is_kept_with_recomputation(make_config):
    """Volumes; what the backward pass needs is counted, nothing is computed."""
    image = jax.ShapeDtypeStruct((2, 16, 16, 16, 1), jnp.float32)
    components, kept, trees = jax.ShapeDtypeStruct((2, 5), jnp.float32), {}, {}
    for remat in (False, True):
        network = make_discriminator(make_config(data={"ndim": 3}, model={"remat": remat}))
        create = functools.partial(network.init, update_stats=True)
        variables = jax.eval_shape(create, jax.random.key(0), image, image, components)

        def pull_back(variables, image, network=network):
            def features(params):
                return network.apply(
                    variables | {"params": params}, image, image, True, method="features", mutable="batch_stats"
                )[0]

            return jax.vjp(features, variables["params"])[1]

        kept[remat] = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(pull_back, variables, image)))
        trees[remat] = jax.tree.map(lambda leaf: leaf.shape, variables)
    assert trees[False] == trees[True]
    assert kept[True] < 0.7 * kept[False]
