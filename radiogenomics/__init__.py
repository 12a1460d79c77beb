"""Radiogenomic maps from a gene-conditioned GAN.

    import radiogenomics

    run = radiogenomics.load_run("runs/phantom")
    dataset = radiogenomics.analysis.radiogenomic_map(run)
"""

import importlib

__version__ = "0.1.0"


def __getattr__(name):
    """Rooms load when they are first named, so that reading files does not start JAX."""
    if name == "load_run":
        return importlib.import_module("radiogenomics.analysis.run").load_run
    if name in ("radiomics", "data", "models", "train", "analysis", "reports", "benchmark"):
        return importlib.import_module(f"radiogenomics.{name}")
    raise AttributeError(f"module 'radiogenomics' has no attribute '{name}'")
