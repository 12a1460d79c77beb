"""The published discriminator: its size, and what each head sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.models.discriminator import make_discriminator

HASTY = {"xla_backend_optimization_level": 0}


def test_parameter_count(full_config):
    patch = jnp.zeros((1, 128, 128, 1))
    network = make_discriminator(full_config("paper"))
    shapes = jax.eval_shape(network.init, jax.random.key(0), patch, patch, jnp.zeros((1, 128)))
    assert set(shapes) == {"params"}
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 8_560_131


@pytest.fixture(scope="module", params=[2, 3])
def network(make_config, request):
    """(discriminator, its variables, images, masks, codes) of three patients."""
    ndim = request.param
    network = make_discriminator(make_config("paper", data={"ndim": ndim, "size": 8}))
    image, mask = jax.random.normal(jax.random.key(0), (2, 3, *(8,) * ndim, 1))
    code = jax.random.normal(jax.random.key(1), (3, 6))
    initialise = jax.jit(network.init, compiler_options=HASTY)
    return network, initialise(jax.random.key(2), image, mask, code), image, mask, code


def test_what_each_head_sees(network):
    network, variables, image, mask, code = network
    verdict = jax.jit(lambda *inputs: network.apply(variables, *inputs), compiler_options=HASTY)
    plain, other_code, other_mask = verdict(image, mask, code), verdict(image, mask, -code), verdict(image, -mask, code)
    assert plain.image.shape == plain.pair.shape == plain.match.shape == (3,)
    np.testing.assert_array_equal(other_code.image, plain.image)
    np.testing.assert_array_equal(other_code.pair, plain.pair)
    assert (other_code.match != plain.match).all()
    np.testing.assert_array_equal(other_mask.image, plain.image)
    assert (other_mask.pair != plain.pair).all() and (other_mask.match != plain.match).all()


def test_patients_of_a_batch_are_normalised_together(network):
    """What a patient scores depends on the company; the first layer of each encoder is not normalised."""
    network, variables, image, mask, code = network
    apply = jax.jit(network.apply, compiler_options=HASTY)
    company, other_company = (apply(variables, each, mask, code) for each in (image, image.at[1:].set(image[:2])))
    assert abs(float(company.image[0] - other_company.image[0])) > 1e-4
    norms = [name for name in variables["params"]["image_encoder"] if name.startswith("LayerNorm")]
    assert len(norms) == len(network.widths) - 1


def test_several_batches_at_once_are_normalised_each_by_itself(network):
    network, variables, image, mask, code = network
    apply = jax.jit(network.apply, compiler_options=HASTY)
    batches = [(image, mask), (-image, mask), (2.0 * image, -mask)]
    together = apply(variables, *(jnp.stack(each, axis=1) for each in zip(*batches, strict=True)), code)
    for number, batch in enumerate(batches):
        alone = apply(variables, *batch, code)
        np.testing.assert_allclose(together.image[:, number], alone.image, atol=1e-4)
        np.testing.assert_allclose(together.pair[:, number], alone.pair, atol=1e-4)
        np.testing.assert_allclose(together.match[:, number], alone.match, atol=1e-4)
