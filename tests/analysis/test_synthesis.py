"""Measurement in groups is measurement."""

import numpy as np

from radiogenomics.analysis import synthesis


def test_groups_measure_what_one_call_does(run):
    fold = run.folds[0]
    draws = synthesis.make_draws(run, fold, 1, 1)
    measure = synthesis.measured_images(run, ("mean_hu",))
    components = fold.components[:13]
    parts = synthesis.measure_in_groups(measure, fold, components, draws)
    for part, whole in zip(parts, measure(fold.variables, components[None], draws), strict=True):
        np.testing.assert_allclose(part, whole[0], rtol=1e-4, atol=1e-3)


def test_blocks_hold_every_patient_once():
    assert [list(block) for block in synthesis.patient_blocks(3)] == [[0], [1], [2]]
    assert synthesis.patient_blocks(1)[0].tolist() == [0]
