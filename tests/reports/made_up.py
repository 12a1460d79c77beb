"""A made-up run: 24 patients, 3 folds, 20 genes, 3 features; `size` is driven by module M1 and is supported."""

import numpy as np
import pandas as pd
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


def add_regions(dataset):
    """The map with regions of which the core alone is supported, and G02 its best gene."""
    dims = ("gene", "region")
    score = np.zeros((dataset.sizes["gene"], 3))
    score[2, 0] = 0.9
    for name, values in {"association": 40.0 * score, "se": score + 1.0, "score": score, "p_max": 1.0 - score}.items():
        dataset[f"region_{name}"] = (dims, values)
    dataset["region_gate_r"], dataset["region_gate_p"] = ("region", [0.77, 0.1, 0.0]), ("region", [0.001, 0.6, 1.0])
    dataset["region_supported"] = ("region", [True, False, False])
    return dataset.assign_coords(
        region=["core", "rim", "margin"], region_definition=("region", ["the half", "the rest", "around"])
    )


def make_audit():
    """An audit of three trainings, one of which reaches the diameter's largest score."""
    return {
        "fold": 1, "held_out": 8, "permutations": 3, "strata": ["site"],
        "family_wise_errors": 1, "false_hits": [0, 2, 0],
        "all": {"largest": 0.9, "null": [0.5, 0.95, 0.4], "p": 0.5},
        "features": {"mean_hu": {"largest": 0.7, "null": [0.5, 0.3, 0.2], "p": 0.25},
                     "equivalent_diameter_mm": {"largest": 0.9, "null": [0.1, 0.95, 0.4], "p": 0.5}},
    }


def make_doses():
    """Dose-responses of both metagenes of `make_map` at seven doses, from -1.8 to 1.8 SD within the cohort's range."""
    doses = np.arange(-3.0, 4.0)
    mean = doses[:, None] * [30.0, 1.0, 0.01] * np.array([1.0, -0.5])[:, None, None]
    dims = ("item", "dose", "feature")
    dataset = xarray.Dataset({"mean": (dims, mean), "low": (dims, mean - 2.0), "high": (dims, mean + 2.0)})
    dataset["support"] = (("item", "dose"), np.tile([0.0, 0.1, 0.2, 0.4, 0.2, 0.1, 0.0], (2, 1)))
    dataset["range_low"], dataset["range_high"] = ("item", [-1.8, -1.8]), ("item", [1.8, 1.8])
    return dataset.assign_coords(item=["metagene 1", "metagene 2"], dose=doses, feature=FEATURES)


def make_gallery():
    """A gallery of three panels a strip, the last one empty."""
    generator, dims = np.random.default_rng(4), ("strip", "panel", "y", "x")
    dataset = xarray.Dataset({
        "image_hu": (dims, generator.uniform(-1000.0, 100.0, (4, 3, 8, 8))),
        "mask": (dims, generator.integers(0, 2, (4, 3, 8, 8)).astype(float)),
        "label": (dims[:2], np.tile([*PATIENTS[:2], ""], (4, 1))),
    })
    for name in ("image_hu", "mask"):
        dataset[name][:, 2] = np.nan
    dataset = dataset.assign_coords(strip=["patients", "noises", "metagene", "real"])
    return dataset.assign_attrs(metagene="metagene 1", patient=PATIENTS[0])


def make_baseline(genes=GENES):
    """A classical map that finds the genes of the diameter but one, and a wrong one."""
    dataset = make_map(genes=genes)[["association", "score", "p", "q", "p_max", "feature_value"]]
    dataset["q"][3, 1], dataset["q"][10, 1] = 0.3, 0.01
    dataset["score"] = np.abs(dataset["score"])
    dataset["three_step_score"] = dataset["score"] * 0.5
    return dataset


def make_evaluation():
    """An evaluation in which the diameter passes the gate, and a feature has no numbers at all."""
    values = np.random.default_rng(1).normal(size=(24, 3)).tolist()
    values[3][1] = None
    return {
        "patients": PATIENTS,
        "folds": FOLDS,
        "gate": _gate(),
        "gate_summary": {
            "linear_mean_ratio": 0.9, "linear_mean_ratio_low": 0.8, "linear_mean_ratio_high": 1.0,
            "linear_worst_ratio": 0.9, "linear_worst_feature": "equivalent_diameter_mm",
            "nonlinear": {"elongation": {"r": None, "r_best_direct": 0.02}},
            "unseen": {"mean_hu": {"r": 0.1, "r_best_direct": 0.6}},
        },
        "values": {"features": FEATURES, "real": values, "adjusted": values, "synthetic": values},
        "retrieval": {"mean_rank_share": 0.3, "r_at_1": 0.25, "chance_at_1": 0.125, "p_at_1": 0.01, "r_at_5": 0.8,
                      "chance_at_5": 0.625, "p_at_5": 0.05},
        "sensitivity": {
            "mean_hu": {"genes": 0.2, "background": 0.5, "noise": 0.04, "rest": 0.26},
            "equivalent_diameter_mm": {"genes": 0.8, "background": 0.1, "noise": 0.02, "rest": 0.08},
            "elongation": dict.fromkeys(("genes", "background", "noise", "rest")),
        },
        "diversity": {
            "mean_hu": {"noise": 10.0, "background": 40.0, "real": 50.0, "ratio": 0.2},
            "equivalent_diameter_mm": {"noise": 0.3, "background": 0.6, "real": 1.0, "ratio": 0.3},
            "elongation": {"noise": 0.0, "background": 0.0, "real": None, "ratio": None},
        },
        "gene_code": {"neighbours": 3, "agreement": 0.31, "chance": -0.04, "p": 0.0001, "features": FEATURES,
                      "file": "gene_code.csv"},
        "realism": {"generator": _realism(0.4, 80.0), "no-op": _realism(6.0, 0.0), "copy": _realism(0.05, 100.0)},
        "mask": {"generator": _mask(0.7, 0.2), "no-op": _mask(0.1, 0.05), "copy": _mask(0.8, 0.05)},
        "memorisation": {
            "generator": _memorisation(90.0, 0.0, 0.55), "no-op": _memorisation(140.0, 0.0, 0.5),
            "copy": _memorisation(0.0, 1.0, 1.0),
        },
        "background_max_abs_error_hu": 6e-05,
    }


def _gate():
    row = {"r": 0.1, "r_low": -0.2, "r_high": 0.3, "p": 0.4, "p_holm": 0.8, "r_shuffled": 0.0, "r_shuffled_low": -0.15,
           "r_shuffled_high": 0.12, "r_best_direct": 0.6, "best_direct": "ridge", "ratio": 0.17, "ratio_low": -0.3,
           "ratio_high": 0.5, "link": None, "ceiling": None, "in_loss": False, "supported": False}
    return {
        "mean_hu": row,
        "equivalent_diameter_mm": row | {
            "r": 0.7, "r_low": 0.5, "r_high": 0.8, "p_holm": 0.0003, "ratio": 0.9, "ratio_low": 0.8, "ratio_high": 1.0,
            "ceiling": 0.9, "link": "linear", "in_loss": True, "supported": True,
        },
        "elongation": dict.fromkeys(row) | {"link": "u", "supported": False},
    }


def _realism(distance, spread):
    scores = {
        "kid": distance, "kid_low": 0.8 * distance, "kid_high": 1.2 * distance, "floor": -0.001, "density": 0.8,
        "density_low": 0.7, "density_high": 0.9, "density_floor": 1.02, "coverage": 0.6, "coverage_low": 0.5,
        "coverage_high": 0.7, "coverage_floor": 0.95,
    }
    return {
        "radiomic": scores, "random": scores, "trained": scores,
        "frechet": {"value": 10 * distance, "low": 8 * distance, "high": 12 * distance, "floor": 0.9},
        "hu_wasserstein": {"value": 55.0, "low": 50.0, "high": 61.0, "floor": 8.0},
        "sd_between_patients": {"mean_hu": {"real": 100.0, "synthetic": spread},
                                "elongation": {"real": None, "synthetic": None}},
    }


def _mask(dice, distance):
    return {
        "dice": dice, "dice_low": dice - 0.05, "dice_high": dice + 0.05, "dice_real": 0.8, "empty_share": 0.0,
        "area_share": 0.05, "area_share_real": 0.06, "area_wasserstein": distance, "sphericity_wasserstein": distance,
        "spiculation_wasserstein": None,
    }


def _memorisation(nearest_hu, copies, area):
    return {
        "nearest_synthetic_hu": nearest_hu, "nearest_held_out_hu": 88.0, "ratio": nearest_hu / 88.0, "copies": copies,
        "membership_auc": area, "membership_auc_low": area - 0.1, "membership_auc_high": min(area + 0.1, 1.0),
    }


def make_older_evaluation():
    """What a run evaluated before stand-ins, variance shares and gene codes has."""
    evaluation = make_evaluation()
    for name in ("gate_summary", "sensitivity", "diversity", "gene_code"):
        del evaluation[name]
    for row in evaluation["gate"].values():
        for name in ("ratio", "ratio_low", "ratio_high", "r_shuffled_low", "r_shuffled_high", "link"):
            del row[name]
    return evaluation | {
        "realism": {"radiomic": {"kid": 1.5, "kid_low": 1.2, "kid_high": 1.9, "floor": 0.1}, "hu_wasserstein": None,
                    "sd_between_patients": {"mean_hu": {"real": 100.0, "synthetic": 80.0}}},
        "mask": {"dice_synthetic": 0.7, "dice_real": 0.8, "empty_share": 0.0},
        "memorisation": {"nearest_synthetic_hu": 90.0, "nearest_held_out_hu": 88.0, "ratio": 1.02, "copies": 0.0},
    }


def make_gene_code():
    """Gene codes [24 patients, 4] in which the second feature is the first direction."""
    values = np.array(make_evaluation()["values"]["real"], float)
    codes = 0.1 * np.random.default_rng(3).normal(size=(24, 4))
    codes[:, 0] += np.nan_to_num(values[:, 1])
    table = pd.DataFrame(codes, columns=[f"code_{number:03d}" for number in range(4)])
    table.insert(0, "fold", np.repeat([0, 1, 2], 8))
    table.insert(0, "patient", PATIENTS)
    return table


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
