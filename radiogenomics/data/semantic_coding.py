"""Numbers from what radiologists ticked: the coding of the NSCLC Radiogenomics terms, in the open.

Most features are 1 where a term was ticked and 0 where not; `solidity` and `emphysema_extent` are ordinal.
"""

import numpy as np
import pandas as pd

# Questions of which nothing ticked means none; the others leave a patient without an answer unknown.
CHECK_LISTS = ("semantic_associated_findings", "semantic_internal_features", "semantic_parenchyma")
MARGINS = ("semantic_margins", "semantic_margins_secondary")
NODULES = ("semantic_nodules_same_lung", "semantic_nodules_contralateral")
FOUND = {"solid": 1, "partially solid": 1, "non-solid": 1}
# Feature -> (questions, {term: value}); the largest value of the ticked terms counts, 0 for any other answer.
CODING = {
    "upper_lobe": (("semantic_location",), {"upper lobe of right lung": 1, "upper lobe of left lung": 1}),
    "lower_lobe": (("semantic_location",), {"lower lobe of right lung": 1, "lower lobe of left lung": 1}),
    "central": (("semantic_axial_location",), {"central": 1}),
    "solidity": (  # ground glass 0, part-solid 1, its solid part above 5 mm 2, solid 3
        ("semantic_attenuation",), {"partially solid": 1, "solid greaterthan 5mm": 2, "solid": 3},
    ),
    "smooth_margin": (MARGINS, {"smooth": 1}),
    "lobulated_margin": (MARGINS, {"lobulated": 1}),
    "spiculated_margin": (MARGINS, {"spiculated": 1}),
    "irregular_margin": (MARGINS, {"irregular": 1}),
    "poorly_defined_margin": (MARGINS, {"poorly defined": 1}),
    "round_shape": (("semantic_shape",), {"round": 1}),
    "oval_shape": (("semantic_shape",), {"oval": 1}),
    "complex_shape": (("semantic_shape",), {"complex": 1}),
    "pleural_attachment": (("semantic_associated_findings",), {"attachment to pleura": 1}),
    "pleural_retraction": (("semantic_associated_findings",), {"pleural retraction": 1}),
    "vessel_attachment": (("semantic_associated_findings",), {"attachment to vessel": 1}),
    "vascular_convergence": (("semantic_associated_findings",), {"vascular convergence": 1}),
    "entering_airway": (("semantic_associated_findings",), {"entering airway": 1}),
    "septal_thickening": (("semantic_associated_findings",), {"septal thickening": 1}),
    "air_bronchogram": (("semantic_internal_features",), {"internal air bronchogram sign": 1}),
    "reticulation": (("semantic_internal_features",), {"reticulation": 1}),
    "cavitation": (("semantic_internal_features",), {"cavitated": 1}),
    "emphysema_around": (("semantic_periphery",), {"emphysema": 1}),
    "satellite_nodules": (("semantic_satellite_nodules",), FOUND),
    "nodules_elsewhere": (NODULES, FOUND),
    "nonsolid_nodules": ((*NODULES, "semantic_satellite_nodules"), {"non-solid": 1}),
    "centrilobular_nodules": (("semantic_centrilobular_nodules",), {"present": 1}),
    "emphysema_extent": (  # none 0, present 1 (1-25 %), 26-50 % 2, 51-75 % 3, above 75 % 4
        ("semantic_emphysema", "semantic_emphysema_severity"),
        {"present": 1, "moderate severity (26-50%)": 2, "moderately high severity (51-75%)": 3,
         "high severity (greaterthan 75%)": 4},
    ),
    "centrilobular_emphysema": (
        ("semantic_emphysema", "semantic_emphysema_pattern", "semantic_emphysema_secondary_pattern"),
        {"centrilobular": 1},
    ),
    "paraseptal_emphysema": (
        ("semantic_emphysema", "semantic_emphysema_pattern", "semantic_emphysema_secondary_pattern"),
        {"paraseptal": 1},
    ),
    "fibrosis": (("semantic_fibrosis",), {"present": 1}),
    "airway_abnormality": (("semantic_parenchyma",), {"airway abnormality": 1}),
    "bronchial_wall_thickening": (("semantic_parenchyma",), {"bronchial wall thickening": 1}),
    "airway_ectasia": (("semantic_parenchyma",), {"airway ectasia": 1}),
}  # fmt: skip


def code_semantics(semantics):
    """Semantic terms as numbers, by `CODING`.

    Args:
      semantics: DataFrame as `aim.read_semantics` gives it.

    Returns:
      DataFrame [patients, features of CODING], NaN where the questions were not answered.
    """
    answers = {name: column.str.casefold() for name, column in semantics.items()}
    coded = {name: _code(answers, *row) for name, row in CODING.items()}
    return pd.DataFrame(coded, index=semantics.index)


def _code(answers, questions, values):
    rows = zip(*(answers[name] for name in questions), strict=True)
    return [_largest(row, values, set(questions) <= set(CHECK_LISTS)) for row in rows]


def _largest(texts, values, check_list):
    terms = [term for text in texts for term in text.split("|") if term != "unknown"]
    if not terms and not check_list:
        return np.nan
    return float(max((values.get(term, 0) for term in terms), default=0))
