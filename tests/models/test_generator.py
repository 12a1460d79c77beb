"""The generator: what it may touch, what its mask reaches, and what depends on what."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.errors import InputError
from radiogenomics.models import generator as generators
from radiogenomics.models import outline


@pytest.fixture(scope="module")
def inputs():
    """Backgrounds, components and noises of three patients."""
    keys = jax.random.split(jax.random.key(0), 3)
    background = jax.random.uniform(keys[0], (3, 16, 16, 1), minval=-1.0)
    return background, jax.random.normal(keys[1], (3, 5)), jax.random.normal(keys[2], (3, 10))


@pytest.fixture(scope="module")
def apply(run):
    """The compiled generator, `(variables, *inputs, method)`."""
    return jax.jit(
        lambda variables, *inputs, method: run.generator.apply(variables, *inputs, method=method),
        static_argnames="method",
    )


def test_shapes_and_the_way_through_the_code(run, apply, inputs):
    variables, (background, components, noise) = run.folds[0].variables, inputs
    whole = apply(variables, *inputs, method="__call__")
    assert whole.image.shape == whole.mask.shape == whole.foreground.shape == (3, 16, 16, 1)
    code = apply(variables, components, method="encode")
    assert code.shape == (3, 12)
    by_code = apply(variables, background, code, noise, method="decode")
    np.testing.assert_allclose(whole.image, by_code.image, atol=1e-5)
    assert float(jnp.abs(whole.foreground).max()) <= 1.0


def test_background_is_untouched_outside_the_mask_exactly(run, apply, inputs):
    # A few steps of training do not sharpen the mask yet; its bias does.
    head = run.folds[0].variables["params"]["head"]
    changed = run.folds[0].variables["params"] | {"head": head | {"bias": head["bias"] + jnp.array([0.0, 5.0])}}
    synthesis = jax.device_get(apply(run.folds[0].variables | {"params": changed}, *inputs, method="__call__"))
    outside, inside = synthesis.mask == 0.0, synthesis.mask == 1.0
    assert outside.any() and inside.any()
    np.testing.assert_array_equal(synthesis.image[outside], np.asarray(inputs[0])[outside])
    np.testing.assert_array_equal(synthesis.image[inside], synthesis.foreground[inside])


def test_patients_of_a_batch_do_not_mix(run, apply, inputs):
    together = apply(run.folds[0].variables, *inputs, method="__call__").image
    changed = [values.at[0].set(-values[0]) for values in inputs]
    other = apply(run.folds[0].variables, *changed, method="__call__").image
    np.testing.assert_array_equal(together[1:], other[1:])
    assert (together[0] != other[0]).any()


def test_mask_reaches_both_ends_and_has_a_gradient_between():
    mask = generators.full_range_mask(jnp.array([-20.0, -4.0, 0.0, 4.0, 20.0]))
    np.testing.assert_allclose(mask, [0.0, 0.0, 0.5, 1.0, 1.0], atol=1e-6)
    assert float(mask[0]) == 0.0 and float(mask[-1]) == 1.0
    assert float(jax.grad(generators.full_range_mask)(0.3)) > 0.1


@pytest.mark.parametrize("ndim", [2, 3])
def test_ball_is_centred_and_symmetric(ndim):
    prior = np.asarray(outline.ball(8, ndim))[..., 0]
    assert prior.shape == (8,) * ndim
    for axis in range(ndim):
        np.testing.assert_allclose(prior, np.flip(prior, axis), atol=1e-6)
    assert prior[(4,) * ndim] == prior.max() > 0.0 > prior[(0,) * ndim] == prior.min()


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"data": {"ndim": 1}}, "data.ndim"),
        ({"data": {"size": 17}}, "data.size"),
        ({"model": {"scales": 5}}, "data.size"),
        ({"model": {"noise_size": 8}}, "model.noise_size"),
        ({"model": {"fusion": "sum"}}, "model.fusion"),
        ({"model": {"dtype": "float64"}}, "model.dtype"),
        ({"genes": {"front_end": "none"}}, "model.response"),
    ],
)
def test_sizes_that_do_not_fit(make_config, changes, field):
    with pytest.raises(InputError, match=field):
        generators.make_generator(make_config(**changes))


def test_half_precision_stays_near_and_ends_in_single(run, inputs, make_config):
    half = generators.make_generator(make_config(model={"dtype": "bfloat16"}))
    exact, rounded = (jax.jit(model.apply)(run.folds[0].variables, *inputs) for model in (run.generator, half))
    assert rounded.image.dtype == rounded.mask.dtype == jnp.float32
    assert 0.0 < float(jnp.abs(exact.image - rounded.image).max())
    assert float(jnp.abs(exact.image - rounded.image).mean()) < 0.01
    outside = np.asarray(rounded.mask) == 0.0
    np.testing.assert_array_equal(np.asarray(rounded.image)[outside], np.asarray(inputs[0])[outside])


def test_jacobian_of_half_precision_is_single(run, inputs, make_config):
    half = generators.make_generator(make_config(model={"dtype": "bfloat16"}))
    background, components, noise = inputs

    def synthesise(components):
        return half.apply(run.folds[0].variables, background, components, noise)

    moved = jax.eval_shape(lambda along: jax.jvp(synthesise, (components,), (along,))[1], components)
    gradient = jax.eval_shape(jax.grad(lambda components: synthesise(components).image.sum()), components)
    assert {leaf.dtype for leaf in jax.tree.leaves((moved, gradient))} == {jnp.dtype("float32")}


def test_nothing_inside_a_scale_is_kept_with_recomputation(make_config):
    """Volumes; what the backward pass needs beside the outline's fixed tables is counted, nothing is computed."""
    shapes = [(2, 16, 16, 16, 1), (2, 5), (2, 10)]
    given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    kept, trees = {}, {}
    for remat in (False, True):
        model = generators.make_generator(make_config(data={"ndim": 3}, model={"remat": remat}))
        variables = jax.eval_shape(model.init, jax.random.key(0), *given)

        def pull_back(params, variables, given, model=model):
            return jax.vjp(lambda params: model.apply(variables | {"params": params}, *given).image, params)[1]

        residuals = jax.eval_shape(pull_back, variables["params"], variables, given)
        kept[remat] = sum(leaf.size for leaf in jax.tree.leaves(residuals) if leaf.shape[:3] != (16, 16, 16))
        trees[remat] = jax.tree.map(lambda leaf: leaf.shape, variables)
    assert trees[False] == trees[True]
    assert kept[True] < 0.5 * kept[False]


@pytest.mark.parametrize("changes", [{"fusion": "mcgan"}, {"outline": False, "grain": 0}, {"gene_scales": 1}])
def test_genes_reach_the_image_in_every_variant(make_config, inputs, changes):
    generator = generators.make_generator(make_config(model=changes))
    variables = jax.jit(generator.init)(jax.random.key(0), *inputs)
    background, components, noise = inputs
    image = jax.jit(generator.apply)(variables, *inputs).image
    other = jax.jit(generator.apply)(variables, background, -components, noise).image
    assert image.shape == (3, 16, 16, 1) and float(jnp.abs(image - other).max()) > 1e-4
