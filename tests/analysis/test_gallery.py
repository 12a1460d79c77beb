"""Strips in which one thing changes and everything else stays."""

import numpy as np
import pytest

from radiogenomics.analysis import gallery
from radiogenomics.errors import InputError


@pytest.fixture(scope="module")
def made(run):
    return gallery.make_gallery(run, "metagene 2", count=5)


def test_synthesised_strips_share_their_background(made):
    synthesised = made.sel(strip=["patients", "noises", "metagene"])
    image = synthesised["image_hu"].values.reshape(-1, 16, 16)
    outside = (synthesised["mask"].values.reshape(-1, 16, 16) == 0).all(axis=0)
    assert outside.any()
    np.testing.assert_array_equal(image[:, outside], np.broadcast_to(image[0, outside], image[:, outside].shape))


@pytest.mark.parametrize("strip", ["patients", "noises", "metagene"])
def test_what_a_strip_varies_shows(made, strip):
    images = made["image_hu"].sel(strip=strip).values
    assert all((images[0] != other).any() for other in images[1:])


def test_real_nodules_are_the_held_out_patients_own_from_small_to_large(made, run):
    cohort, held_out = run.cohort, max(run.folds, key=lambda fold: len(fold.held_out)).held_out
    chosen = made.sel(strip="real")
    rows = [cohort.patients.index(name) for name in chosen["label"].values]
    assert set(rows) <= set(held_out)
    np.testing.assert_array_equal(chosen["label"], made["label"].sel(strip="patients"))
    for row, image in zip(rows, chosen["image_hu"].values, strict=True):
        assert (cohort.nodules.image_hu[cohort.nodules.patient == row] == image).all(axis=(1, 2)).any()
    assert (np.diff(chosen["mask"].sum(("y", "x")).values) >= 0).all()


def test_fewer_patients_than_panels_leave_panels_empty(run):
    made = gallery.make_gallery(run, "metagene 1", count=14)
    assert made["label"].sel(strip="patients").values[-1] == "" and made["label"].sel(strip="noises").values[-1] != ""
    assert np.isnan(made["image_hu"].sel(strip="real").values[-1]).all()


def test_doses_run_from_minus_to_plus_three(made):
    assert list(made["label"].sel(strip="metagene").values) == ["-3 SD", "-1.5 SD", "0 SD", "+1.5 SD", "+3 SD"]


def test_an_unknown_metagene_is_named(run):
    with pytest.raises(InputError, match="metagenes: 'metagene 99' is unknown"):
        gallery.make_gallery(run, "metagene 99")
