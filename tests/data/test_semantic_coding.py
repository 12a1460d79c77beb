"""What radiologists ticked becomes numbers by a table."""

import numpy as np
import pandas as pd
import pytest

from radiogenomics.data import aim, semantic_coding


@pytest.fixture
def semantics():
    """Two patients: one with terms, one of whom nothing is known."""
    frame = pd.DataFrame("unknown", index=["A", "B"], columns=list(aim.SEMANTIC_COLUMNS), dtype=object)
    frame.loc["A", "semantic_attenuation"] = "partially solid|Solid greaterThan 5mm"
    frame.loc["A", "semantic_margins"] = "spiculated"
    frame.loc["A", "semantic_margins_secondary"] = "smooth"
    frame.loc["A", "semantic_associated_findings"] = "attachment to pleura|attachment to vessel"
    frame.loc["A", "semantic_emphysema"] = "present"
    frame.loc["A", "semantic_emphysema_severity"] = "moderate severity (26-50%)"
    return frame


def test_terms_become_numbers(semantics):
    one = semantic_coding.code_semantics(semantics).loc["A"]
    expected = {"solidity": 2, "spiculated_margin": 1, "smooth_margin": 1, "lobulated_margin": 0,
                "vessel_attachment": 1, "entering_airway": 0, "emphysema_extent": 2}
    assert one[list(expected)].to_dict() == expected


def test_unanswered_questions_are_unknown_but_an_empty_check_list_is_none(semantics):
    nobody = semantic_coding.code_semantics(semantics).loc["B"]
    assert np.isnan(nobody["solidity"]) and np.isnan(nobody["emphysema_extent"])
    assert nobody["vessel_attachment"] == 0 and nobody["reticulation"] == 0


def test_the_table_names_questions_of_the_template():
    for questions, values in semantic_coding.CODING.values():
        assert set(questions) <= set(aim.SEMANTIC_COLUMNS)
        assert all(term == term.casefold() for term in values)
