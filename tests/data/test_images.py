"""What is told of a segmentation that does not belong to the CT as it is found."""

import types

import numpy as np
import pytest

from radiogenomics.data import geometry, images


def pair(pixel_mm=(0.7, 0.7), referred=("1", "2", "3"), found=("1", "2", "3")):
    """(segmentation, scan, headers) of three slices; the CT has pixels of 0.7 mm."""
    drawn, scanned = (
        geometry.Grid(np.zeros(3), np.eye(3), np.array([2.0, *edges]), (3, 8, 8)) for edges in (pixel_mm, (0.7, 0.7))
    )
    segmentation = types.SimpleNamespace(grid=drawn, instances=frozenset(referred))
    headers = [types.SimpleNamespace(instance=name) for name in found]
    return segmentation, types.SimpleNamespace(grid=scanned), headers


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, []),
        ({"referred": ()}, []),
        ({"pixel_mm": (0.703, 0.703)}, []),
        ({"found": ("1", "3")}, ["1 of 3 CT slices that the segmentation refers to are missing"]),
        ({"pixel_mm": (2.1, 0.7)}, ["segmentation drawn on pixels of 0.7 x 2.1 mm, but the CT has 0.7 x 0.7 mm"]),
    ],
)
def test_other_slices_and_other_pixels_are_told(changes, expected):
    told = images._compare_geometry(*pair(**changes))
    assert len(told) == len(expected)
    assert all(sentence.startswith(start) for sentence, start in zip(told, expected, strict=True))
