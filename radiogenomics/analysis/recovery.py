"""Scores a map against a phantom's planted truth."""

import numpy as np
from sklearn.metrics import average_precision_score


def score_recovery(dataset, truth, variable="score", fdr=0.05):
    """How well a map finds the planted genes of every link.

    Genes are ranked by `variable`. Genes of the link's modules are right; decoys of its drivers, which truly correlate,
    are left out; everything else is wrong. False discoveries (q < `fdr`) count genes that neither belong to a driver
    module nor decoy one, so a gene of another link's module is not one.

    Returns:
      {"links": [{"factor", "feature", "kind", "average_precision", "base_rate", "hits", "power", "false_discoveries"}]}
      for the links whose feature the map has, and "mean_average_precision".
    """
    genes = dataset["gene"].values
    drivers = {module for link in truth["links"] for module in link["modules"]}
    tied = {gene for module in drivers for gene in truth["modules"][module]} | set(truth["decoys"])
    links = []
    for link in truth["links"]:
        if link["feature"] not in dataset["feature"].values:
            continue
        planted = np.isin(genes, [gene for module in link["modules"] for gene in truth["modules"][module]])
        decoy = np.isin(genes, [gene for gene, driver in truth["decoys"].items() if driver in link["modules"]])
        column = dataset.sel(feature=link["feature"])
        hit = column["q"].values < fdr
        links.append(
            {
                "factor": link["factor"],
                "feature": link["feature"],
                "kind": link["kind"],
                "average_precision": float(
                    average_precision_score(planted[~decoy], column[variable].values[~decoy])
                ),
                "base_rate": float(planted[~decoy].mean()),
                "hits": int(hit.sum()),
                "power": float(hit[planted].mean()),
                "false_discoveries": int((hit & ~np.isin(genes, list(tied))).sum()),
            }
        )
    mean = float(np.mean([link["average_precision"] for link in links])) if links else None
    return {"links": links, "mean_average_precision": mean}
