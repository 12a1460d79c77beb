"""Codes come from the fold that never saw the patient, and near codes are told from far ones."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from radiogenomics.analysis import gene_code

FOLDS = [np.arange(0, 25), np.arange(25, 50)]


def draw(seed, carried):
    """Codes [50, 8] and features [50, 3]; `carried` is how strongly the codes carry the features."""
    generator = np.random.default_rng(seed)
    real = generator.standard_normal((50, 3))
    codes = carried * real @ generator.standard_normal((3, 8)) + generator.standard_normal((50, 8))
    codes[FOLDS[1]] = 100.0 - codes[FOLDS[1]][:, ::-1]  # Another fold's network has another code.
    return codes, real


def test_codes_that_carry_the_features_are_found():
    found = gene_code.neighbour_agreement(*draw(0, 3.0), FOLDS, 5, 499, 0)
    assert found["agreement"] > 0.5 and found["p"] == 1 / 500 and found["neighbours"] == 5
    assert -0.2 < found["chance"] < 0.0


def test_p_is_calibrated_for_codes_that_carry_nothing():
    p = [gene_code.neighbour_agreement(*draw(seed, 0.0), FOLDS, 5, 99, seed)["p"] for seed in range(200)]
    assert np.mean(np.array(p) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert abs(np.mean(p) - 0.5) < 4 / np.sqrt(12 * 200)


def test_agreement_against_a_plain_loop():
    codes, real = draw(1, 1.0)
    correlations = []
    for rows in FOLDS:
        near = []
        for row in rows:
            others = sorted(set(rows) - {row}, key=lambda other: np.linalg.norm(codes[row] - codes[other]))
            near.append(real[others[:4]].mean(axis=0))
        correlations += [np.corrcoef(a, b)[0, 1] for a, b in zip(np.transpose(near), real[rows].T, strict=True)]
    found = gene_code.neighbour_agreement(codes, real, FOLDS, 4, 9, 0)
    assert found["agreement"] == pytest.approx(np.mean(correlations), abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_small_folds_and_missing_features_are_survived():
    codes, real = draw(2, 3.0)
    real[3, 0], real[:, 1] = np.nan, 5.0
    found = gene_code.neighbour_agreement(codes[:6], real[:6], [np.arange(3), np.arange(3, 6)], 5, 9, 0)
    assert found["neighbours"] == 2 and np.isfinite(found["agreement"])


def test_file_holds_the_code_of_the_fold_that_never_saw_the_patient(run, tmp_path):
    run = dataclasses.replace(run, workdir=tmp_path)
    real = np.random.default_rng(0).standard_normal((24, 2))
    found = gene_code.score_gene_code(run, ("mean_hu", "sd_hu"), real, 19, 0)
    assert set(found) == {"neighbours", "agreement", "chance", "p", "features", "file"}
    assert found["features"] == ["mean_hu", "sd_hu"]
    assert [path.name for path in tmp_path.iterdir()] == [found["file"]]
    table = pd.read_csv(tmp_path / found["file"])
    assert list(table)[:3] == ["patient", "fold", "code_000"] and table.shape == (24, 2 + run.config.model.code_size)
    assert list(table["patient"]) == list(run.cohort.patients)
    for number, fold in enumerate(run.folds):
        assert set(np.flatnonzero(table["fold"] == number)) == set(fold.held_out)
        code = run.generator.apply(fold.variables, fold.components[fold.held_out[:1]], method="encode")
        np.testing.assert_allclose(table.iloc[fold.held_out[0], 2:].to_numpy(float), code[0], rtol=1e-5, atol=1e-6)
