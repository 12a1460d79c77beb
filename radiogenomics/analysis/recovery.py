"""Scores a map against a phantom's planted truth."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

CERTAIN = 0.05  # family-wise p of a certain pair


def score_recovery(dataset, truth, variable="score", fdr=0.05):
    """How well a map finds the planted genes of every link.

    Genes are ranked by `variable`. Genes of the link's modules are right; decoys of its drivers, which truly correlate,
    are left out; everything else is wrong. False discoveries (q < `fdr`) count genes that neither belong to a driver
    module nor decoy one, so a gene of another link's module is not one. A link of effect 0 drives nothing.

    Returns:
      {"links": [{"factor", "feature", "kind", "average_precision", "auroc", "base_rate", "hits", "power",
      "false_discoveries", "false_share", "sign_accuracy"}]} for the links whose feature the map has, and
      "mean_average_precision". `sign_accuracy` is the share of planted genes whose association has the planted sign,
      None for links without one; `false_share` is 0 without a hit.
    """
    genes, tied = dataset["gene"].values, tied_genes(dataset["gene"].values, truth)
    links = []
    for link in truth["links"]:
        if link["feature"] not in dataset["feature"].values:
            continue
        planted = np.isin(genes, [gene for module in link["modules"] for gene in truth["modules"][module]])
        decoy = np.isin(genes, [gene for gene, driver in truth["decoys"].items() if driver in link["modules"]])
        column = dataset.sel(feature=link["feature"])
        hit = column["q"].values < fdr
        ranked = planted[~decoy], column[variable].values[~decoy]
        links.append(
            {
                "factor": link["factor"],
                "feature": link["feature"],
                "kind": link["kind"],
                "average_precision": float(average_precision_score(*ranked)),
                "auroc": float(roc_auc_score(*ranked)),
                "base_rate": float(ranked[0].mean()),
                "power": float(hit[planted].mean()),
                **_count_false(hit, tied),
                "sign_accuracy": _sign_accuracy(column, planted, link),
            }
        )
    mean = float(np.mean([link["average_precision"] for link in links])) if links else None
    return {"links": links, "mean_average_precision": mean}


def tied_genes(genes, truth):
    """Which of the genes [G] belong to a module that drives a feature, or decoy one."""
    drivers = {module for link in truth["links"] if link.get("effect", 1.0) for module in link["modules"]}
    tied = {gene for module in drivers for gene in truth["modules"][module]}
    tied |= {gene for gene, driver in truth["decoys"].items() if driver in drivers}
    return np.isin(genes, list(tied))


def count_discoveries(dataset, truth, fdr=0.05):
    """What a map reports over all its features.

    Returns:
      {"hits", "false_discoveries", "false_share"} of gene-feature pairs with q < `fdr`, {"certain", "certain_false"}
      with family-wise p < CERTAIN, and {"batch_hits", "batch_certain"}, those of genes of the batch module, which
      has "batch_pairs" in all.
    """
    genes = dataset["gene"].values
    tied = tied_genes(genes, truth)[:, None]
    batch = np.isin(genes, truth["modules"].get(truth.get("batch_module"), []))
    hit, certain = dataset["q"].values < fdr, dataset["p_max"].values < CERTAIN
    return {
        **_count_false(hit, tied),
        "certain": int(certain.sum()),
        "certain_false": int((certain & ~tied).sum()),
        "batch_hits": int(hit[batch].sum()),
        "batch_certain": int(certain[batch].sum()),
        "batch_pairs": int(hit[batch].size),
    }


def _count_false(hit, tied):
    hits, false = int(hit.sum()), int((hit & ~tied).sum())
    return {"hits": hits, "false_discoveries": false, "false_share": false / max(hits, 1)}


def _sign_accuracy(column, planted, link):
    effect = link.get("effect", 1.0)
    if link["kind"] != "linear" or not effect:
        return None
    return float((np.sign(column["association"].values[planted]) == np.sign(effect)).mean())
