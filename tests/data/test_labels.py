import pytest

from radiogenomics.data import labels


@pytest.mark.parametrize("text, good", (
    ("B45f 3", True), ("I70f^3", True), ("FC51", True), ("BONEPLUS", True), ("STANDARD", True), ("batch 12", True),
    ("DOE^JANE", False), ("DOE^JANE 1950-03-04", False), ("MRN 1234", False), ("12345", False), ("19500304", False),
    ("1950 03 04", False), ("Li Wu", False), ("a" * 17, False), ("", False), ("a@b", False),
))  # fmt: skip
def test_codes_are_told_from_names(text, good):
    assert labels.is_code(text) is good


@pytest.mark.parametrize("text, good", (
    ("Squamous cell carcinoma", True), ("EGFR L858R", True), ("T2a", True), ("2 margins", True), ("1-25%", True),
    ("1994-08-13", False), ("13 August 1994", False), ("Aug. 13", False), ("Doe^Jane", False), ("19940813", False),
    ("1.2.840.10008", False), ("http://x", False), ("a" * 65, False), ("a\x07", False),
))  # fmt: skip
def test_labels_are_told_from_identifiers(text, good):
    assert labels.is_label(text) is good
