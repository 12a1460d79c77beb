"""A made-up run: 24 patients, 3 folds, 20 genes, 3 features; `size` is driven by module M1 and is supported."""

import numpy as np
import xarray

from radiogenomics.data import cohort as cohorts

PATIENTS = [f"P{number:02d}" for number in range(24)]
FOLDS = [PATIENTS[:8], PATIENTS[8:16], PATIENTS[16:]]
GENES = [f"G{number:02d}" for number in range(20)]
FEATURES = ["mean_hu", "equivalent_diameter_mm", "elongation"]
UNITS = ["HU", "mm", ""]
TRUTH = {
    "modules": {"M1": GENES[:4], "M2": GENES[4:8]},
    "links": [
        {"modules": ["M1"], "factor": "size", "feature": "equivalent_diameter_mm", "kind": "linear", "effect": 0.9},
        {"modules": ["M2"], "factor": "shape", "feature": "elongation", "kind": "u", "effect": 0.9},
    ],
    "decoys": {},
}


def make_map(supported=(False, True, False), genes=GENES, volume=False):
    """A map in which the first four genes are the only ones with q below 0.05, and only for the diameter."""
    generator = np.random.default_rng(0)
    shape = (len(genes), len(FEATURES))
    score = generator.uniform(-0.2, 0.2, shape)
    p = np.full(shape, 0.5)
    score[:4, 1], p[:4, 1] = [0.6, 0.8, 0.5, 0.7], 0.0001
    table = {"association": score * 10, "se": np.full(shape, 0.3), "score": score, "p": p, "q": p, "p_max": p}
    effect = np.array([[30.0, 1.0, 0.01], [-20.0, -4.0, 0.0]])
    plane = generator.normal(size=(2, 5, 8, 8) if volume else (2, 8, 8))
    axes = ("metagene", *("zyx" if volume else "yx"))
    dataset = xarray.Dataset({name: (("gene", "feature"), values) for name, values in table.items()})
    dataset["metagene_effect"] = (("metagene", "feature"), effect)
    for suffix, value in (("se", 0.5), ("score", 0.1), ("p", 0.4), ("q", 0.4), ("p_max", 0.9)):
        dataset[f"metagene_effect_{suffix}"] = (("metagene", "feature"), np.full(effect.shape, value))
    dataset["metagene_effect_p"][1, 1] = 0.001
    dataset["metagene_loading"] = (("gene", "metagene"), (np.arange(len(genes))[:, None] % 2 == [1, 0]) / 10.0)
    dataset["pixel_effect"], dataset["pixel_mask_effect"] = (axes, plane), (axes, plane / 100)
    dataset["feature_value"] = (("patient", "feature"), generator.normal(size=(24, 3)) * [100.0, 5.0, 0.1])
    dataset["supported"] = ("feature", np.array(supported))
    dataset.attrs = {"route": "generator", "adjusted_for": "sequencing_batch, site"}
    return dataset.assign_coords(
        gene=list(genes), feature=FEATURES, metagene=["metagene 1", "metagene 2"], patient=PATIENTS,
        unit=("feature", UNITS),
    )


def make_baseline(genes=GENES):
    """A classical map that finds the genes of the diameter but one, and a wrong one."""
    dataset = make_map(genes=genes)[["association", "score", "p", "q", "p_max", "feature_value"]]
    dataset["q"][3, 1], dataset["q"][10, 1] = 0.3, 0.01
    dataset["score"] = np.abs(dataset["score"])
    dataset["three_step_score"] = dataset["score"] * 0.5
    return dataset


def make_evaluation():
    """An evaluation in which the diameter passes the gate, and a feature has no numbers at all."""
    row = {"r": 0.1, "r_low": -0.2, "r_high": 0.3, "p": 0.4, "p_holm": 0.8, "r_shuffled": 0.0, "r_best_direct": 0.6,
           "best_direct": "ridge", "ceiling": None, "in_loss": False, "supported": False}
    gate = {
        "mean_hu": row,
        "equivalent_diameter_mm": row | {"r": 0.7, "r_low": 0.5, "r_high": 0.8, "p_holm": 0.0003, "ceiling": 0.9,
                                         "in_loss": True, "supported": True},
        "elongation": dict.fromkeys(row) | {"supported": False},
    }
    values = np.random.default_rng(1).normal(size=(24, 3)).tolist()
    values[3][1] = None
    return {
        "patients": PATIENTS,
        "folds": FOLDS,
        "gate": gate,
        "values": {"features": FEATURES, "real": values, "adjusted": values, "synthetic": values},
        "retrieval": {"mean_rank_share": 0.3, "r_at_1": 0.25, "chance_at_1": 0.125, "p_at_1": 0.01, "r_at_5": 0.8,
                      "chance_at_5": 0.625, "p_at_5": 0.05},
        "realism": {"radiomic": {"kid": 1.5, "kid_low": 1.2, "kid_high": 1.9, "floor": 0.1}, "hu_wasserstein": None,
                    "sd_between_patients": {"mean_hu": {"real": 100.0, "synthetic": 80.0}}},
        "mask": {"dice_synthetic": 0.7, "dice_real": 0.8, "empty_share": 0.0, "area_share_synthetic": 0.05,
                 "area_share_real": 0.06},
        "memorisation": {"nearest_synthetic_hu": 90.0, "nearest_held_out_hu": 88.0, "ratio": 1.02, "copies": 0.0},
        "background_max_abs_error_hu": 6e-05,
    }


def make_cohort(directory, truth=TRUTH):
    """Writes a tiny cohort folder; one patient was dropped."""
    generator = np.random.default_rng(2)
    mask = np.zeros((2, 8, 8), np.uint8)
    mask[:, 3:6, 3:6] = 1

    def patient(number, name):
        return cohorts.Patient(
            patient=name, nodule_image_hu=generator.integers(-900, 100, (2, 8, 8)).astype(np.int16), nodule_mask=mask,
            nodule_slice=np.arange(2, dtype=np.int32), background_slice=np.arange(1, dtype=np.int32),
            background_image_hu=np.full((1, 8, 8), -850, np.int16), spacing_mm=2.0,
            expression=generator.normal(size=20).astype(np.float32),
            covariates={"site": "<b>A</b>" if number % 2 else "B", "age": 50.0 + number},
            measurements={"volume_mm3": 9.0},
        )

    quality = [{"patient": name, "kept": True, "reason": "", "warnings": []} for name in PATIENTS]
    quality.append({"patient": "P99", "kept": False, "reason": "no <i>mask</i>", "warnings": []})
    patients = [patient(number, name) for number, name in enumerate(PATIENTS)]
    cohorts.write_cohort(directory, cohorts.Collected(patients, GENES, quality, truth), FOLDS, {})
