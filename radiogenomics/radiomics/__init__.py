"""Image features of a nodule: differentiable ones and their exact partners, and all of the IBSI reference manual.

    soft = radiomics.soft_features(image_hu, mask, spacing_mm, ("mean_hu", "spiculation"))       # JAX, differentiable
    exact = radiomics.exact_features(image_hu, mask, spacing_mm, ("mean_hu", "spiculation"))     # dict
    table = radiomics.extract(image_hu, mask, spacing_mm, families=("morphology", "glcm"))       # IBSI, DataFrame
"""

from radiogenomics.radiomics import ibsi
from radiogenomics.radiomics.exact import exact_features, exact_table
from radiogenomics.radiomics.exact_region import LEVELS
from radiogenomics.radiomics.ibsi import FixedBinNumber, FixedBinSize, Settings, extract, extract_table
from radiogenomics.radiomics.names import describe_feature, feature_names, resolve
from radiogenomics.radiomics.soft import batch_soft_features, soft_features

__all__ = [
    "LEVELS",
    "FixedBinNumber",
    "FixedBinSize",
    "Settings",
    "batch_soft_features",
    "describe_feature",
    "exact_features",
    "exact_table",
    "extract",
    "extract_table",
    "feature_names",
    "ibsi",
    "resolve",
    "soft_features",
]
