"""Axes and saliency from sums equal those of Jacobians written out, patient by patient."""

import numpy as np
import pytest

from radiogenomics.analysis import explore, synthesis
from radiogenomics.analysis.axes import axes, region_saliency
from radiogenomics.analysis.regions import nodule_regions
from radiogenomics.errors import InputError


@pytest.fixture(scope="module")
def patients(run):
    """Two patients of each fold."""
    return [run.cohort.patients[row] for fold in run.folds for row in fold.held_out[:2]]


@pytest.fixture(scope="module")
def found(run, patients):
    return axes(run, 3, patients)


@pytest.fixture(scope="module")
def explicit(run, patients):
    """Jacobians [patients, y, x, G] written out."""
    factored = [explore.patient_jacobian(run, name) for name in patients]
    return np.stack([one.image_by_code @ one.code_by_gene for one in factored]).astype(np.float64)


def test_axes_are_those_of_the_stacked_jacobians(found, explicit, patients):
    assert list(found["patient"].values) == patients
    _, strengths, right = np.linalg.svd(explicit.reshape(-1, explicit.shape[-1]), full_matrices=False)
    loading = found["gene_loading"].values
    np.testing.assert_allclose(np.abs((right[:3] * loading.T).sum(axis=1)), 1.0, atol=1e-3)
    np.testing.assert_allclose(found["share"], (strengths**2 / (strengths**2).sum())[:3], atol=1e-4)
    change = explicit @ loading
    norms = np.square(explicit).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(
        found["patient_share"], np.square(change).sum(axis=(1, 2)) / norms[:, None], atol=1e-3
    )
    pattern = change.mean(axis=0) * found["score"].values.std(axis=0)
    np.testing.assert_allclose(found["pattern"], np.moveaxis(pattern, -1, 0), atol=1e-3 * np.abs(pattern).max())


def test_shares_of_the_mean_and_what_it_keeps(found, explicit):
    mean = explicit.mean(axis=0)
    share = np.square(mean @ found["gene_loading"].values).sum(axis=(0, 1)) / np.square(mean).sum()
    np.testing.assert_allclose(found["mean_share"], share, atol=1e-3)
    kept = np.square(mean).sum() / np.square(explicit).sum(axis=(1, 2, 3)).mean()
    assert found.attrs["mean_kept"] == pytest.approx(kept, rel=1e-3) and 0.0 < kept <= 1.0


def test_saliency_is_that_of_the_jacobians_in_the_regions(run, patients, explicit, monkeypatch):
    square = np.zeros((16, 16), bool)
    square[5:11, 4:12] = True
    monkeypatch.setattr(
        synthesis, "images_of", lambda run, fold, component, draws: (None, square[None].astype(float))
    )
    dataset = region_saliency(run, patients)
    for name, region in nodule_regions(square, run.cohort.spacing_mm).items():
        inside = explicit[:, region]
        expected = np.sqrt(np.square(inside).mean(axis=(0, 1)))
        np.testing.assert_allclose(dataset["saliency"].sel(region=name), expected, atol=1e-3 * expected.max() + 1e-6)
    acting = dataset["saliency"].sum("region") > 0  # a gene that carries no factor changes nothing anywhere
    assert 0.9 < float(acting.mean()) < 1.0
    np.testing.assert_allclose(dataset["share"].sum("region"), acting, atol=1e-5)
    monkeypatch.setattr(
        synthesis, "images_of", lambda run, fold, component, draws: (None, np.zeros((1, 16, 16)))
    )
    with pytest.raises(InputError, match="no synthesised mask"):
        region_saliency(run, patients[:1])


def test_unknown_patients_and_no_axis_are_told(run):
    with pytest.raises(InputError, match="no patient 'nobody'"):
        axes(run, patients=["nobody"])
    with pytest.raises(InputError, match="count: 0"):
        axes(run, 0)


def test_nobody_is_told(run):
    for ask in (axes, region_saliency):
        with pytest.raises(InputError, match="patients: none given"):
            ask(run, patients=[])
