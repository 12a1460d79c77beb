import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from soft_agreement import find_disagreements

from radiogenomics.errors import InputError
from radiogenomics.radiomics import batch_soft_features, exact_features, feature_names, soft_features

NAMES = feature_names(2)


@pytest.mark.parametrize("kind", ["binary", "soft"])
def test_soft_features_rank_nodules_as_the_exact_ones_do(nodules, kind):
    assert find_disagreements(nodules["image_hu"], nodules[kind], nodules["spacing_mm"]) == {}


@pytest.mark.parametrize("ndim, size", [(2, 32), (3, 20)])
def test_both_faces_agree_in_value_on_a_binary_mask(draw_ball, ndim, size):
    generator, names = np.random.default_rng(0), feature_names(ndim)
    mask = draw_ball(size, ndim, 6.0, stretch=1.3)
    tissue = generator.normal(0.0, 300.0, mask.shape) - 400.0 * draw_ball(size, ndim, 3.0, stretch=1.3)
    image = ndimage.gaussian_filter(np.where(mask, tissue, -800.0), 0.7)
    names = tuple(name for name in names if not name.startswith("glcm_"))  # see the test at the bins' centres
    exact = exact_features(image, mask, 1.5, names)
    soft = dict(zip(names, np.asarray(batch_soft_features(image[None], mask[None], 1.5, names))[0], strict=True))
    for name in names:
        # the soft edge is sampled at voxel corners, which lie a little off a diagonal contour
        relative = {"edge_sharpness_hu_per_mm": 0.15, "core_to_rim_hu": 0.15}.get(name, 0.03)
        absolute = {"p10_hu": 15.0, "median_hu": 15.0, "p90_hu": 15.0}.get(name, 0.01)
        assert soft[name] == pytest.approx(exact[name], rel=relative, abs=absolute), name


@pytest.mark.parametrize("ndim", [2, 3])
def test_texture_of_both_faces_is_the_same_at_the_centres_of_the_bins(draw_ball, ndim):
    names = tuple(name for name in feature_names(ndim) if name.startswith("glcm_"))
    mask = draw_ball(12, ndim, 4.0, stretch=1.3)
    image = np.random.default_rng(5).integers(-3, 31, mask.shape) * 50.0 - 975.0  # beyond the range of the bins, too
    exact = exact_features(image, mask, 1.5, names)
    soft = np.asarray(batch_soft_features(image[None], mask[None], 1.5, names))[0]
    np.testing.assert_allclose(soft, list(exact.values()), rtol=2e-4)


def test_a_disc_has_its_diameter_and_is_round_and_smooth(draw_ball):
    mask = ndimage.gaussian_filter(draw_ball(32, 2, 9.0).astype(float), 0.8)[None]
    names = ("equivalent_diameter_mm", "circularity", "elongation", "spiculation")
    diameter, circularity, elongation, spiculation = np.asarray(batch_soft_features(0.0 * mask, mask, 1.5, names))[0]
    assert diameter == pytest.approx(27.0, rel=0.02)
    assert circularity == pytest.approx(1.0, abs=0.05)
    assert elongation == pytest.approx(1.0, abs=1e-3)
    assert spiculation < 0.03


def test_one_list_of_names_serves_both_dimensions():
    patch = jax.ShapeDtypeStruct((12, 12, 12), jnp.float32)
    features = jax.eval_shape(lambda image, mask: soft_features(image, mask, 1.0, NAMES), patch, patch)
    assert features.shape == (len(NAMES),) and features.dtype == jnp.float32


def _degenerate_masks(ndim, size):
    shape = (size,) * ndim
    one, two, cube = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    one[(size // 2,) * ndim] = 1.0
    two[(size // 2,) * (ndim - 1)][:2] = 1.0
    cube[(slice(4, 8),) * ndim] = 1.0
    return {
        "empty": np.zeros(shape),
        "full": np.ones(shape),
        "faint": np.full(shape, 0.01),
        "half": np.full(shape, 0.5),
        "one voxel": one,
        "two voxels at the border": two,
        "cube": cube,
    }


QUICK_COMPILE = {"xla_backend_optimization_level": 0}  # these tests compile more than they run


@functools.partial(jax.jit, static_argnames="names", compiler_options=QUICK_COMPILE)
def _values_and_jacobians(image, mask, names):
    """Values [F] and their Jacobians [F, *S] by the image and by the mask."""

    def features(image, mask):
        values = soft_features(image, mask, 1.5, names)
        return values, values

    jacobians, values = jax.jacrev(features, argnums=(0, 1), has_aux=True)(image, mask)
    return values, jacobians


@pytest.mark.parametrize("ndim, size", [(2, 32), (3, 9)])
def test_values_and_gradients_are_finite_on_degenerate_masks(ndim, size):
    noise = np.random.default_rng(1).normal(0.0, 300.0, (size,) * ndim).astype(np.float32)
    for image in (noise, np.full_like(noise, 30.0)):
        for case, mask in _degenerate_masks(ndim, size).items():
            values, jacobians = _values_and_jacobians(image, mask.astype(np.float32), feature_names(ndim))
            assert jnp.isfinite(values).all(), case
            for jacobian in jacobians:
                assert jnp.abs(jacobian).max() < 1e6, case  # false for NaN and infinity too


@pytest.mark.parametrize(
    "size, ndim, names",
    [
        (14, 2, NAMES),
        (8, 3, ("sphericity", "elongation", "flatness", "spiculation", "lobulation", "core_to_rim_hu",
                "maximum_diameter_mm", "glcm_contrast")),
    ],
)
def test_gradients_are_those_of_finite_differences(size, ndim, names):
    generator, step = np.random.default_rng(2), 1e-6
    mask = ndimage.gaussian_filter(generator.normal(size=(size,) * ndim), 1.5)
    mask = 1.0 / (1.0 + np.exp(-3.0 * mask / mask.std()))
    image, moves = generator.normal(0.0, 100.0, mask.shape), generator.normal(size=(2,) + mask.shape)
    with jax.enable_x64(True):
        _, (by_image, by_mask) = _values_and_jacobians(image, mask, names)
        for jacobian, (image_move, mask_move) in ((by_image, (moves[0], 0.0)), (by_mask, (0.0, moves[1]))):
            ahead, _ = _values_and_jacobians(image + step * image_move, mask + step * mask_move, names)
            behind, _ = _values_and_jacobians(image - step * image_move, mask - step * mask_move, names)
            expected = (np.asarray(jacobian) * (image_move + mask_move)).reshape(len(names), -1).sum(1)
            np.testing.assert_allclose((ahead - behind) / (2.0 * step), expected, rtol=1e-4, atol=1e-5)


def test_every_feature_has_a_gradient_where_a_nodule_can_change(nodules):
    image, mask = (nodules[field][2].astype(np.float32) for field in ("image_hu", "soft"))
    _, (by_image, by_mask) = _values_and_jacobians(image, mask, NAMES)
    shape_only = {
        "equivalent_diameter_mm", "circularity", "elongation", "spiculation", "area_mm2", "perimeter_mm",
        "maximum_diameter_mm", "lobulation",
    }
    for name, image_gradient, mask_gradient in zip(NAMES, by_image, by_mask, strict=True):
        assert jnp.abs(mask_gradient).max() > 0.0, name
        assert (jnp.abs(image_gradient).max() == 0.0) == (name in shape_only), name


def test_patches_of_a_batch_are_independent_and_compile_once(nodules):
    images, masks = nodules["image_hu"][:4], nodules["soft"][:4].astype(np.float32)
    traces = []

    @jax.jit
    def features(images, masks, spacing_mm):
        traces.append(1)
        return batch_soft_features(images, masks, spacing_mm, NAMES)

    batch = features(images, masks, 1.5)
    assert batch.shape == (4, len(NAMES)) and batch.dtype == jnp.float32
    np.testing.assert_allclose(features(images[::-1], masks[::-1], 1.5)[::-1], batch, rtol=1e-3, atol=1e-3)
    for other in (np.zeros_like(masks), np.ones_like(masks)):
        assert jnp.isfinite(features(images, other, 2.0)).all()
    assert len(traces) == 1


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="'elongation'"):
        soft_features(np.zeros((8, 8)), np.zeros((8, 8)), 1.0, ["elongatoin"])
    with pytest.raises(InputError, match="spacing_mm has shape .2,., expected one number"):
        soft_features(np.zeros((8, 8)), np.zeros((8, 8)), (1.0, 1.0), ["elongation"])
    with pytest.raises(InputError, match="mask has shape"):
        batch_soft_features(np.zeros((2, 8, 8)), np.zeros((2, 8, 7)), 1.0, NAMES)
