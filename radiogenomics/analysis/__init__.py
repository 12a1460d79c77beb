"""Analysis of trained runs: maps, gate, baseline, and questions from a notebook."""

from radiogenomics.analysis.axes import axes, region_saliency
from radiogenomics.analysis.comparison import compare
from radiogenomics.analysis.enrichment import enrich
from radiogenomics.analysis.explore import patient_jacobian, patient_map, pixel_map, synthesise
from radiogenomics.analysis.map_files import read_map
from radiogenomics.analysis.mapping import map_with_predictions, radiogenomic_map
from radiogenomics.analysis.modification import effect_modification
from radiogenomics.analysis.perturbation import dose_response, perturb
from radiogenomics.analysis.run import load_run

__all__ = [
    "axes", "compare", "dose_response", "effect_modification", "enrich", "load_run", "map_with_predictions",
    "patient_jacobian", "patient_map", "perturb", "pixel_map", "radiogenomic_map", "read_map", "region_saliency",
    "synthesise",
]
