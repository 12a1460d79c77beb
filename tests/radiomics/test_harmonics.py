import numpy as np
import pytest
from scipy.special import sph_harm_y

from radiogenomics.radiomics.harmonics import explain_variance, list_columns


def _directions(ndim, count):
    directions = np.random.default_rng(0).normal(size=(ndim, count))
    return directions / np.linalg.norm(directions, axis=0)


@pytest.mark.parametrize("ndim, columns", [(2, 9), (3, 25)])
def test_there_are_as_many_columns_as_low_frequencies(ndim, columns):
    assert len(list_columns(ndim)) == columns


@pytest.mark.parametrize("frequency, explained", [(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0), (5, 0.0), (7, 0.0)])
def test_on_the_circle_frequencies_up_to_four_are_explained(frequency, explained):
    angle = np.linspace(0.0, 2 * np.pi, 400, endpoint=False)
    values = 1.0 + np.cos(frequency * angle + 0.3)
    found = explain_variance(np.stack([np.cos(angle), np.sin(angle)]), values, np.full(400, 1 / 400))
    assert found == pytest.approx(explained * 0.5, abs=0.02)


@pytest.mark.parametrize("degree, order", [(1, 0), (2, 1), (3, 2), (4, 4), (6, 3)])
def test_on_the_sphere_degrees_up_to_four_are_explained(degree, order):
    directions = _directions(3, 4000)
    values = sph_harm_y(degree, order, np.arccos(directions[2]), np.arctan2(directions[1], directions[0])).real
    found = explain_variance(directions, values, np.full(4000, 1 / 4000))
    assert found / values.var() == pytest.approx(float(degree <= 4), abs=0.1)


def test_a_rotation_changes_nothing():
    directions, values = _directions(3, 300), np.random.default_rng(1).normal(size=300)
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    shares = np.full(300, 1 / 300)
    assert explain_variance(rotation @ directions, values, shares) == pytest.approx(
        explain_variance(directions, values, shares)
    )
