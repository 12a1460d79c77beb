"""Rows about realism, masks and memorisation."""

import pytest
from made_up import make_evaluation, make_older_evaluation

from radiogenomics.reports import likeness_tables


def rows_of(table):
    return {(row["measure"]): row for row in reversed(table["rows"])}


def test_every_measure_stands_beside_the_stand_ins():
    likeness, masks, memorisation = likeness_tables.likeness_tables(make_evaluation())
    assert likeness["columns"] == ["synthesised", "nothing added", "copied"]
    groups = [row["group"] for row in likeness["rows"] if row["group"]]
    assert groups == [*likeness_tables.SPACES.values(), "As distributions"]
    distance = rows_of(likeness)["kernel distance"]
    assert distance["better"] == "lower" and distance["reference"] == "−0.0010"
    assert distance["cells"][1] == {"value": "6.0", "interval": "4.8 to 7.2"}
    assert [cell["value"] for cell in rows_of(likeness)["spread between patients"]["cells"]] == ["80 %", "0 %", "100 %"]
    agreement = rows_of(masks)["agreement with the image"]
    assert agreement["reference"] == "0.80" and agreement["cells"][0]["interval"] == "0.65 to 0.75"
    assert [cell["value"] for cell in rows_of(masks)["largest change outside"]["cells"]] == ["below 0.001 HU", "–", "–"]
    assert [cell["value"] for cell in rows_of(memorisation)["copies"]["cells"]] == ["0 %", "0 %", "100 %"]
    assert rows_of(memorisation)["nearest training nodule (HU)"]["reference"] == "88.0"


def test_every_row_says_which_direction_is_better_and_has_a_cell_a_column():
    for table in likeness_tables.likeness_tables(make_evaluation()):
        assert all(row["better"] and len(row["cells"]) == len(table["columns"]) for row in table["rows"])


def test_missing_numbers_are_dashes():
    evaluation = make_evaluation()
    evaluation["realism"]["generator"] = {"radiomic": None, "frechet": None, "hu_wasserstein": {"value": None}}
    evaluation["realism"]["no-op"] = None
    evaluation["mask"]["generator"] = dict.fromkeys(evaluation["mask"]["generator"])
    likeness, masks, _ = likeness_tables.likeness_tables(evaluation)
    assert {row["cells"][0]["value"] for row in likeness["rows"]} == {"–"}
    assert {row["cells"][0]["value"] for row in masks["rows"][:-1]} == {"–"}


def test_a_space_that_was_not_scored_has_no_rows():
    evaluation = make_evaluation()
    for scores in evaluation["realism"].values():
        del scores["trained"]
    groups = {row["group"] for row in likeness_tables.likeness_tables(evaluation)[0]["rows"]}
    assert likeness_tables.SPACES["trained"] not in groups and likeness_tables.SPACES["random"] in groups


@pytest.mark.parametrize("evaluation", [{}, make_older_evaluation()])
def test_an_older_evaluation_has_no_tables(evaluation):
    assert likeness_tables.likeness_tables(evaluation) is None


def test_spread_is_told_where_both_sides_are_known():
    realism = make_evaluation()["realism"]["generator"]
    assert likeness_tables.spread_ratios(realism["sd_between_patients"]) == {"mean_hu": 0.8}
