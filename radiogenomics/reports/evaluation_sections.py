"""The sections of a report about the evaluation on held-out patients: what the page is given of each.

Every function takes `ReportFiles`; a section that an older evaluation.json cannot fill is None.
"""

import numpy as np

from radiogenomics.reports import evaluation_figures, evaluation_tables, likeness_tables, map_tables, style

SCATTERS = 4


def gate_section(files):
    """Gate table, forest plot, scatter of the best features, retrieval."""
    rows = evaluation_tables.gate_rows(files.evaluation["gate"], files.dataset)
    panels = _patient_panels(files, rows)
    names = [f"fold {number}" for number in range(len(files.evaluation["folds"]))]
    labels = map_tables.feature_labels(files.dataset)
    return {
        "rows": rows,
        "forest": style.encode(evaluation_figures.draw_gate(rows)),
        "sentence": evaluation_tables.describe_gate(files.evaluation.get("gate_summary") or {}, labels),
        "scatter": style.encode(evaluation_figures.draw_patients(panels, names)) if panels else None,
        "retrieval": evaluation_tables.retrieval_rows(files.evaluation),
    }


def _patient_panels(files, rows):
    """Real and synthesised values by fold of the features with the highest r, supported ones first."""
    values = files.evaluation.get("values")
    if not values:
        return []
    real, synthetic = (np.array(values[name], float) for name in ("adjusted", "synthetic"))
    folds = _fold_rows(files)
    known = [row for row in rows if row["feature"] in values["features"] and row["r"] is not None]
    best = sorted(known, key=lambda row: (not row["supported"], -row["r"]))[:SCATTERS]
    return [
        row | {"folds": [(synthetic[fold, column], real[fold, column]) for fold in folds]}
        for row in best
        for column in [values["features"].index(row["feature"])]
    ]


def _fold_rows(files):
    """Rows of each fold's patients in the evaluation's order."""
    position = {patient: row for row, patient in enumerate(files.evaluation["patients"])}
    return [np.array([position[patient] for patient in fold], int) for fold in files.evaluation["folds"]]


def variance_section(files):
    """What moves each synthesised feature: stacked bars and their table."""
    rows = evaluation_tables.variance_rows(files.evaluation, map_tables.feature_labels(files.dataset))
    return rows and {
        "rows": rows,
        "figure": style.encode(evaluation_figures.draw_variance(rows)),
        "sentence": evaluation_tables.describe_variance(rows),
    }


def gene_code_section(files):
    """Gene codes of each fold's held-out patients, coloured by the real feature that follows them best."""
    found, values = files.evaluation.get("gene_code"), files.evaluation.get("values")
    if files.gene_code is None or not values:
        return None
    codes, real = files.gene_code.to_numpy(float), np.array(values["adjusted"], float)
    folds = _fold_rows(files)
    agreement = evaluation_tables.agreement_by_feature(codes, real, folds, found["neighbours"])
    best = int(np.argmax(agreement))
    label = map_tables.feature_labels(files.dataset).get(values["features"][best], values["features"][best])
    panels = []
    for number, rows in enumerate(folds):
        points, explained = evaluation_tables.embed_codes(codes[rows], real[rows, best])
        panels.append({"name": f"fold {number}", "points": points, "values": real[rows, best], "explained": explained})
    return found | {
        "sentence": evaluation_tables.describe_gene_code(found),
        "figure": style.encode(evaluation_figures.draw_gene_codes(panels, label)),
        "best": label,
        "best_agreement": agreement[best],
    }


def likeness_section(files):
    """Realism, masks and memorisation beside what learned nothing, and the spread of each feature over patients."""
    tables = likeness_tables.likeness_tables(files.evaluation)
    if tables is None:
        return None
    scores = files.evaluation["realism"]["generator"] or {}
    ratios = likeness_tables.spread_ratios(scores.get("sd_between_patients") or {})
    labels = map_tables.feature_labels(files.dataset)
    return {"tables": tables, "spread": [(labels.get(name, name), ratio) for name, ratio in ratios.items()]}
