"""The summary in plain sentences."""

from made_up import PATIENTS, TRUTH, make_baseline, make_evaluation, make_map

from radiogenomics.reports.summary import summarise


def test_summary_tells_what_is_supported_and_found():
    told = summarise(make_evaluation(), make_map(), 0.05)
    assert len(told) == 4
    assert told[0].startswith("24 patients in 3 folds, 20 genes, 3 image features")
    assert "1 of 3" in told[1] and "equivalent diameter (mm) r 0.70 [0.50, 0.80]" in told[1]
    assert "not supported: mean attenuation (HU), elongation" in told[1]
    assert "4 genes (4 gene-feature pairs) have q < 0.05" in told[3]
    assert "the strongest is G01 for equivalent diameter (mm) (score 0.80, 8.00 mm per gene SD)" in told[3]


def test_summary_compares_and_scores_in_six_lines():
    told = summarise(make_evaluation(), make_map(), 0.05, make_baseline(), TRUTH)
    assert len(told) == 6 and not any("\n" in sentence for sentence in told)
    assert "same 1 feature the classical Spearman map has 4 gene-feature pairs" in told[4]
    assert "against 4 here, 3 in both" in told[4]
    assert "2 links" in told[5] and "misses: " in told[5]


def test_summary_says_that_nothing_is_supported():
    evaluation = make_evaluation()
    for row in evaluation["gate"].values():
        row["supported"] = False
    told = summarise(evaluation, make_map(supported=(False, False, False)), 0.05)
    assert "none of the 3" in told[1] and "no gene is reported as found" in told[3]


def test_summary_says_that_there_is_no_hit():
    told = summarise(make_evaluation(), make_map(supported=(True, False, False)), 0.05)
    assert told[3] == "No gene has q < 0.05 on a supported feature."


def test_summary_warns_of_a_baseline_on_other_patients():
    baseline = make_baseline().assign_coords(patient=[*PATIENTS[:20], "X1", "X2", "X3", "X4"])
    assert "it has 24 patients, of whom 20 are the same" in summarise(
        make_evaluation(), make_map(), 0.05, baseline)[4]
