"""Numbers and names as people read them."""

import numpy as np
import pytest

from radiogenomics.reports import formatting


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.998, "0.998"), (-12.345, "−12.3"), (1234.5, "1,234"), (2e-6, "2.00e−06"), (None, "–"),
     (np.nan, "–")],
)
def test_numbers_have_three_significant_digits(value, text):
    assert formatting.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.float32(1e-4), "0.0001"), (0.00348, "0.0035"), (0.054, "0.054"), (0.5, "0.50"), (2e-7, "2e-07"), (None, "–")],
)
def test_p_values_keep_two_digits(value, text):
    assert formatting.p_value(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "50 %"), (0.038, "3.8 %"), (0.0, "0 %"), (1.2, "120 %"), (None, "–"), (np.nan, "–")]
)
def test_shares_are_percentages(value, text):
    assert formatting.share(value) == text


def test_units_follow_their_number():
    assert formatting.with_unit(6e-5, "HU") == "below 0.001 HU" and formatting.with_unit(12.3, "HU") == "12 HU"
    assert formatting.with_unit(None, "HU") == "–"


def test_intervals_need_both_ends():
    assert formatting.interval(-0.1, 0.25) == "−0.10 to 0.25"
    assert formatting.interval(0.8, 0.9, formatting.share) == "80 % to 90 %"
    assert formatting.interval(None, 0.2) == "" and formatting.interval(0.1, np.nan) == ""
