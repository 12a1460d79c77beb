"""Folds: every patient once, strata balanced, bad numbers refused."""

import numpy as np
import pandas as pd
import pytest

from radiogenomics.data import split
from radiogenomics.errors import InputError


def make_table(count, seed=0):
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {"histology": generator.choice(["A", "B"], count, p=[0.7, 0.3]), "site": generator.choice(["X", "Y"], count)},
        index=[f"P{number:03d}" for number in range(count)],
    )


def test_every_patient_is_held_out_once():
    table = make_table(53)
    folds = split.make_folds(table, ("histology", "site"), 5, seed=0)
    assert sorted(name for fold in folds for name in fold) == sorted(table.index)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


def test_strata_are_balanced():
    table = make_table(200)
    folds = split.make_folds(table, ("histology", "site"), 5, seed=0)
    for column in table:
        counts = np.array([table.loc[fold, column].value_counts().reindex(table[column].unique()) for fold in folds])
        assert (counts.max(axis=0) - counts.min(axis=0) <= 2).all()


def test_same_seed_same_folds_and_another_seed_others():
    table = make_table(40)
    one, again, other = (split.make_folds(table, ("site",), 4, seed) for seed in (1, 1, 2))
    assert one == again != other


def test_rare_levels_are_pooled():
    table = make_table(30)
    table.loc[table.index[:2], "histology"] = "rare"
    folds = split.make_folds(table, ("histology", "site"), 5, seed=0)
    assert [len(fold) for fold in folds] == [6] * 5


def test_unknown_column_is_left_out_with_a_warning(caplog):
    table = make_table(20)
    assert split.make_folds(table, ("grade", "site"), 2, 0) == split.make_folds(table, ("site",), 2, 0)
    assert "grade" in caplog.text


@pytest.mark.parametrize("count", [-1, 0, 1, 11])
def test_impossible_numbers_of_folds(count):
    with pytest.raises(InputError, match=f"data.folds: {count}"):
        split.make_folds(make_table(20), ("site",), count, 0)
