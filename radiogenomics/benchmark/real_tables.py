"""The worked example on the public NSCLC Radiogenomics tables: what adjusting does to a classical map.

Expression of RNA sequencing (GEO GSE103584), semantic features of radiologists (AIM) and the clinical table, no images.
"""

import logging

import numpy as np
import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.analysis import baseline, baseline_files, map_files
from radiogenomics.data import aim, batches, clinical, semantic_coding
from radiogenomics.data import expression as expressions
from radiogenomics.errors import InputError
from radiogenomics.reports import adjustment_figures

ADJUSTMENTS = {
    "unadjusted": (),
    "batch": ("sequencing_batch",),
    "adjusted": ("sequencing_batch", "site", "histology", "sex"),
}
RAREST = 0.1  # share of patients who differ from a feature's commonest value
ORDERS = 999  # random orders of the samples that the batch's break has to beat


def run_example(expression, semantics, clinical_table, out, config, standardised=False):
    """Maps expression against semantic features with and without adjustment, and the controls, into `out`.

    Writes `features.csv`, `covariates.csv` and `controls.csv` (for `launch/baseline.py`), a map for each of
    `ADJUSTMENTS`, `controls` (squamous histology and the batch as if they were features) and `squamous` (the former
    adjusted for batch, site and sex), `summary.json` and `real_tables.png`.

    Args:
      expression: path of the expression table.
      semantics: path of a folder of AIM files, or of a table of semantic terms.
      clinical_table: path of the clinical table.
      out: folder to write.
      config: the configuration; reads `genes`, `map` and `seed`.
      standardised: the expression is z-scored or logged already.

    Returns:
      What `summary.json` holds.

    Raises:
      InputError: where a table cannot be read, or fewer than ten patients are in all of them.
    """
    write_tables(expression, semantics, clinical_table, out, config.seed, standardised)
    parts = [out / "features.csv", out / "covariates.csv", config, standardised]
    tables, _ = baseline_files.read_tables(expression, *parts)
    controls, _ = baseline_files.read_tables(expression, out / "controls.csv", *parts[1:])
    missing = [name for name in ("squamous", "second_batch") if name not in controls.features]
    if missing:
        raise InputError(
            f"{clinical_table}, {expression}: '{missing[0]}' is the same for all patients; expected squamous "
            "carcinomas and others, and a break between two batches in the order of the samples."
        )
    fingerprint = provenance.digest_files([path for path in (expression, semantics, clinical_table) if path.is_file()])
    maps = {name: _map(tables, names, config, out / name, fingerprint) for name, names in ADJUSTMENTS.items()}
    checks = _map(controls, (), config, out / "controls", fingerprint)
    squamous = controls._replace(features=controls.features[["squamous"]])
    checks_adjusted = _map(squamous, ("sequencing_batch", "site", "sex"), config, out / "squamous", fingerprint)
    batch = _batch_of_features(tables.features, controls.features["second_batch"])
    summary = summarise(maps, checks, checks_adjusted, batch, config.map.fdr)
    described = provenance.describe(config, fingerprint)
    outputs.write_json(out / "summary.json", summary | {"provenance": described})
    labelled = {", ".join(names).replace("sequencing_", "") or "unadjusted": maps[key]
                for key, names in ADJUSTMENTS.items()}
    figure = adjustment_figures.draw_adjustment(labelled, batch, config.map.fdr)
    with outputs.new_file(out / "real_tables.png") as aside:
        figure.savefig(aside, dpi=110)
    return summary


def write_tables(expression, semantics, clinical_table, out, seed, standardised):
    """Writes `features.csv`, `covariates.csv` and `controls.csv` of the patients that all three sources have."""
    read = aim.read_semantics if semantics.is_dir() else aim.read_semantic_table
    features = semantic_coding.code_semantics(read(semantics))
    covariates = clinical.read_clinical(clinical_table, "Case ID")
    values = expressions.read_expression(expression, list(features.index), standardised).values
    values = expressions.from_standardised(values) if standardised else values
    found = batches.find_batches(values, covariates, ORDERS, seed)
    shared = [name for name in values.index if name in features.index and name in covariates.index]
    if not shared:
        raise InputError(f"{semantics}: names no patient who is in {expression} and {clinical_table} too.")
    features, covariates = features.loc[shared], covariates.loc[shared, ["site", "histology", "sex"]]
    batch = found.labels[shared]
    commonest = features.apply(lambda column: column.value_counts(normalize=True).max())
    logging.info("%d of %d semantic features vary in enough patients", (commonest <= 1 - RAREST).sum(), len(commonest))
    controls = pd.DataFrame({
        "squamous": covariates["histology"].str.casefold().str.startswith("squamous").astype(float),
        "second_batch": (batch == "2").astype(float),
    })
    tables = {
        "features": features.loc[:, commonest <= 1 - RAREST],
        "covariates": covariates.assign(sequencing_batch="batch " + batch),
        "controls": controls,
    }
    for name, table in tables.items():
        with outputs.new_file(out / f"{name}.csv") as aside:
            table.to_csv(aside, index_label="patient")


def summarise(maps, checks, checks_adjusted, batch, fdr):
    """What the maps say in short.

    Args:
      maps: {adjustment: Dataset}.
      checks: the map of `squamous` and `second_batch`, unadjusted.
      checks_adjusted: that of `squamous`, adjusted.
      batch: DataFrame of `_batch_of_features`.
      fdr: q below which a pair is a hit.
    """
    hits = {name: _count(dataset, fdr) for name, dataset in maps.items()}
    first = _strongest(maps["unadjusted"])
    gene, feature = first["gene"], first["feature"]
    after = {name: float(dataset["score"].sel(gene=gene, feature=feature)) for name, dataset in maps.items()}
    return {
        "patients": maps["unadjusted"].sizes["patient"],
        "genes": maps["unadjusted"].sizes["gene"],
        "features": maps["unadjusted"].sizes["feature"],
        "hits": hits,
        "strongest": {name: _strongest(dataset) for name, dataset in maps.items()},
        "strongest_unadjusted_link": {
            "score": after,
            "gene_with_batch": float(checks["score"].sel(gene=gene, feature="second_batch")),
            "feature_with_batch": batch.loc[feature].to_dict(),
        },
        "squamous": _strongest(checks.sel(feature=["squamous"])),
        "squamous_level_of_maximum": _level(checks.sel(feature=["squamous"])),
        "squamous_adjusted": _strongest(checks_adjusted),
        "batch_genes": int((checks["q"].sel(feature="second_batch") < fdr).sum()),
    }


def _map(tables, adjust, config, folder, fingerprint):
    config = config.copy_and_resolve_references()
    config.genes.adjust = adjust
    dataset = baseline.classical_map(tables, config).assign_attrs(cohort_fingerprint=fingerprint)
    map_files.write_map(folder, dataset, config.map.fdr)
    return dataset


def _batch_of_features(features, second):
    """Spearman's rho of every feature with the batch, and the share of patients above the lowest value in each."""
    above = features > features.min()
    return pd.DataFrame({
        "rho": features.corrwith(second, method="spearman"),
        "share_first": above[second == 0].mean(),
        "share_second": above[second == 1].mean(),
    })


def _count(dataset, fdr):
    return {
        "gene_pairs": int((dataset["q"] < fdr).sum()),
        "gene_pairs_family_wise": int((dataset["p_max"] < fdr).sum()),
        "metagene_pairs": int((dataset["metagene_effect_q"] < fdr).sum()),
        "metagene_pairs_family_wise": int((dataset["metagene_effect_p_max"] < fdr).sum()),
        "metagenes": dataset.sizes["metagene"],
    }


def _strongest(dataset):
    score = dataset["score"].values
    gene, feature = np.unravel_index(score.argmax(), score.shape)
    one = dataset.isel(gene=gene, feature=feature)
    return {"gene": str(one["gene"].values), "feature": str(one["feature"].values),
            "score": float(one["score"]), "p_max": float(one["p_max"])}


def _level(dataset):
    """The smallest score whose family-wise p is below 0.05; NaN where none is."""
    sure = dataset["score"].values[dataset["p_max"].values < 0.05]
    return float(sure.min()) if len(sure) else np.nan
