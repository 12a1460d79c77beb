"""The published generator: its size, what its mask blends, where its genes reach, and MC-GAN's fusion."""

import math

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from radiogenomics.analysis import jacobian
from radiogenomics.errors import InputError
from radiogenomics.models import published_generator
from radiogenomics.models.generator import make_generator

HASTY = {"xla_backend_optimization_level": 0}
PUBLISHED_COUNT = 44_077_952


def make_inputs(config, batch=3, gene_count=20):
    """Backgrounds, genes and noises."""
    keys = jax.random.split(jax.random.key(0), 3)
    shape = (batch, *(config.data.size,) * config.data.ndim, 1)
    background = jax.random.uniform(keys[0], shape, minval=-1.0)
    genes = jax.random.normal(keys[1], (batch, gene_count))
    return background, genes, jax.random.normal(keys[2], (batch, config.model.noise_size))


def make_network(config, **flags):
    """(generator, its variables, inputs)."""
    config.model.update(flags)
    generator, inputs = make_generator(config), make_inputs(config)
    return generator, jax.jit(generator.init, compiler_options=HASTY)(jax.random.key(1), *inputs), inputs


def apply(generator, variables, *inputs):
    return jax.jit(generator.apply, compiler_options=HASTY)(variables, *inputs)


def change(variables, path, function):
    """The variables with one parameter, or statistic, replaced by a function of itself."""
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    return flax.traverse_util.unflatten_dict(flat | {path: function(flat[path])}, sep="/")


@pytest.fixture(scope="module")
def network(make_config):
    """The tiny published generator, faults included."""
    return make_network(make_config("paper"))


def test_parameter_count(full_config):
    config = full_config("paper")
    generator, inputs = make_generator(config), make_inputs(config, batch=1, gene_count=5172)
    shapes = jax.eval_shape(generator.init, jax.random.key(0), *inputs)
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    assert count == pytest.approx(PUBLISHED_COUNT, rel=0.02)
    # What the authors built at 128 x 128 and never used: a style head, a fusion block, a first convolution.
    style_head = 138 * 2 * 32 * 64 + 2 * 2 * 32 * 64
    block = (9 * 32 * 64 + 128) + (9 * 64 * 64 + 128) + (9 * 32 * 64 + 128)
    assert count + style_head + block + (9 * 32 + 64) == PUBLISHED_COUNT
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]["mapper"])) == 5172 * 512 + 512 * 128


def test_the_preset_has_both_faults_and_the_default_none(full_config):
    paper, default = full_config("paper").model, full_config("phantom").model
    assert paper.double_tanh and paper.style_after_gate and paper.fusion == "own"
    assert not default.double_tanh and not default.style_after_gate


def test_double_tanh_never_blends_wholly(network):
    generator, variables, inputs = network
    # A head a thousand times as strong squashes everything to its ends.
    strong = change(variables, "params/head/kernel", lambda kernel: 1e3 * kernel)
    for double_tanh, low, high in ((True, 0.119, 0.881), (False, 0.0, 1.0)):
        synthesis = apply(generator.clone(double_tanh=double_tanh), strong, *inputs)
        assert float(synthesis.mask.min()) == 0.0 and float(synthesis.mask.max()) == 1.0
        weight = (synthesis.image - inputs[0]) / (synthesis.foreground - inputs[0])
        weight = np.asarray(weight)[np.abs(synthesis.foreground - inputs[0]) > 0.1]
        assert weight.min() == pytest.approx(low, abs=1e-3) and weight.max() == pytest.approx(high, abs=1e-3)


def test_repaired_image_is_the_mask_blending_foreground_and_background(network):
    generator, variables, inputs = network
    synthesis = apply(generator.clone(double_tanh=False), variables, *inputs)
    blended = synthesis.foreground * synthesis.mask + inputs[0] * (1.0 - synthesis.mask)
    np.testing.assert_allclose(synthesis.image, blended, atol=1e-6)


def blend_in_halves(style, style_after_gate):
    """Objects behind a gate that is shut (1) in the left half and open (0) in the right."""
    objects, background = jax.random.normal(jax.random.key(0), (2, 1, 4, 4, 2))
    gate = jnp.zeros((1, 4, 4, 2)).at[:, :, :2].set(1.0)
    fused = published_generator.blend(objects, gate, background, style, style_after_gate)
    return fused[:, :, :2], fused[:, :, 2:], background[:, :, :2]


def test_genes_stay_out_where_the_gate_is_shut_only_if_style_comes_before_it():
    one, two = jax.random.normal(jax.random.key(1), (2, 1, 4, 4, 2)) + 1.0
    shut, open_half, background = blend_in_halves(one, False)
    other_shut, other_open, _ = blend_in_halves(two, False)
    np.testing.assert_array_equal(shut, background)
    np.testing.assert_array_equal(shut, other_shut)
    assert float(jnp.abs(open_half - other_open).max()) > 0.1
    leaked, other_leaked = blend_in_halves(one, True)[0], blend_in_halves(two, True)[0]
    assert float(jnp.abs(leaked - background).min()) > 0.1
    assert float(jnp.abs(leaked - other_leaked).max()) > 0.1


def test_style_is_mean_and_sd_of_the_style_map():
    style = 3.0 + 2.0 * jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    objects = jax.random.normal(jax.random.key(1), (2, 16, 16, 3))
    nothing = jnp.zeros_like(objects)
    styled = published_generator.blend(objects, nothing, nothing, style, False)
    np.testing.assert_allclose(styled.mean((1, 2)), style.mean((1, 2)), atol=1e-4)
    np.testing.assert_allclose(styled.std((1, 2)), style.std((1, 2)), rtol=1e-3)


def test_a_shut_gate_keeps_genes_out_of_the_image(network):
    """Through the finest block whole: its gate shut everywhere, nothing of the genes arrives unless styled after it."""
    generator, variables, (background, genes, noise) = network
    shut = change(
        variables, "params/blocks_1/BatchNorm_1/bias", lambda bias: bias.at[len(bias) // 2 :].set(30.0)
    )
    for style_after_gate in (False, True):
        network = generator.clone(style_after_gate=style_after_gate)
        one, other = (apply(network, shut, background, values, noise).image for values in (genes, -genes))
        assert bool((one != other).any()) == style_after_gate


def test_patients_mix_in_training_but_not_at_evaluation(network):
    generator, variables, inputs = network
    changed = [values.at[0].set(-values[0]) for values in inputs]
    one, other = (apply(generator, variables, *each).image for each in (inputs, changed))
    np.testing.assert_array_equal(one[1:], other[1:])
    assert (one[0] != other[0]).any()

    train = jax.jit(
        lambda *inputs: generator.apply(variables, *inputs, True, mutable="batch_stats"), compiler_options=HASTY
    )
    (one, stats), (other, _) = train(*inputs), train(*changed)
    assert (one.image[1:] != other.image[1:]).any()
    for old, new in zip(*map(jax.tree.leaves, (variables["batch_stats"], stats["batch_stats"])), strict=True):
        assert (old != new).any()
    assert (apply(generator, variables | stats, *inputs).image != apply(generator, variables, *inputs).image).any()


def test_jacobian_across_the_code_is_the_whole(network):
    generator, variables, (background, genes, noise) = network

    def decode(code):
        return generator.apply(variables, background[:1], code[None], noise[:1], method="decode").image[0, ..., 0]

    def encode(genes):
        return generator.apply(variables, genes[None], method="encode")[0]

    def whole(genes):
        return generator.apply(variables, background[:1], genes[None], noise[:1]).image[0, ..., 0]

    factored = jax.jit(lambda values: jacobian.code_factors(decode, encode, values), compiler_options=HASTY)
    by_code, by_gene = factored(genes[0])
    exact = jax.jit(jax.jacfwd(whole), compiler_options=HASTY)(genes[0])
    assert float(jnp.abs(exact).max()) > 0.0
    np.testing.assert_allclose(by_code @ by_gene, exact, atol=1e-5 * float(jnp.abs(exact).max()) + 1e-7)


def test_mcgan_fusion_paints_the_whole_image(make_config):
    generator, variables, inputs = make_network(make_config("paper"), fusion="mcgan")
    assert "style_heads_0" in variables["params"] and "style_heads_1" not in variables["params"]
    synthesis = apply(generator, variables, *inputs)
    np.testing.assert_array_equal(synthesis.image, synthesis.foreground)
    assert synthesis.image.shape == synthesis.mask.shape == (3, 16, 16, 1)
    assert 0.0 <= float(synthesis.mask.min()) < float(synthesis.mask.max()) <= 1.0
    background, genes, noise = inputs
    assert (apply(generator, variables, background, -genes, noise).image != synthesis.image).any()
    assert (apply(generator, variables, -background, genes, noise).image != synthesis.image).any()


def test_mcgan_gates_the_background_alone():
    block = published_generator.McganBlock()
    features, background = jax.random.normal(jax.random.key(0), (2, 2, 4, 4, 4))
    fuse = jax.jit(lambda *given: block.apply(*given, False), compiler_options=HASTY)
    initialise = jax.jit(lambda key: block.init(key, features, background, False), compiler_options=HASTY)
    variables = initialise(jax.random.key(1))
    for bias, seen in ((-200.0, False), (200.0, True)):
        gated = change(variables, "params/BatchNorm_1/bias", lambda old, bias=bias: old.at[4:].set(bias))
        one, other = (fuse(gated, features, spatial) for spatial in (background, -background))
        assert bool((one != other).any()) == seen
        assert (one != fuse(gated, -features, background)).any()


@pytest.mark.parametrize("fusion", ["own", "mcgan"])
def test_volumes(make_config, fusion):
    config = make_config("paper", data={"ndim": 3, "size": 8})
    generator, variables, inputs = make_network(config, fusion=fusion)
    assert variables["params"]["head"]["kernel"].shape == (3, 3, 3, 4, 2)
    assert apply(generator, variables, *inputs).image.shape == (3, 8, 8, 8, 1)


def test_all_scales_of_the_paper_fit_small_patches(make_config):
    config = make_config("paper", data={"size": 32}, model={"scales": 4})
    shapes = jax.eval_shape(make_generator(config).init, jax.random.key(0), *make_inputs(config))
    assert math.prod(shapes["params"]["style_heads_0"]["Dense_0"]["kernel"].shape[1:]) == 2 * 64 * 2 * 2


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"model": {"architecture": "resnet"}}, "model.architecture: 'resnet'; expected 'film' or 'published'"),
        ({"model": {"fusion": "sum"}}, "model.fusion: 'sum'; expected 'own' or 'mcgan'"),
        ({"data": {"size": 18}}, "data.size: 18 cannot be halved 2 times"),
        ({"data": {"size": 4}}, "data.size: 4 cannot be halved 2 times"),
        ({"data": {"ndim": 1}}, "data.ndim"),
    ],
)
def test_what_does_not_fit(make_config, changes, told):
    with pytest.raises(InputError, match=told):
        make_generator(make_config("paper", **changes))
