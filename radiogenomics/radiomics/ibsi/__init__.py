"""Exact image features by the reference manual of the Image Biomarker Standardisation Initiative (IBSI).

    table = ibsi.extract(image_hu, mask, spacing_mm, families=("statistics", "glcm"), aggregation="3D, merged")

A feature is a function whose docstring is its definition; every family is a module with its features in `FEATURES`.
"""

from radiogenomics.radiomics.ibsi.aggregation import AGGREGATIONS
from radiogenomics.radiomics.ibsi.settings import CORE, FixedBinNumber, FixedBinSize, Settings
from radiogenomics.radiomics.ibsi.table import FAMILIES, describe_features, extract, extract_table

__all__ = [
    "AGGREGATIONS",
    "CORE",
    "FAMILIES",
    "FixedBinNumber",
    "FixedBinSize",
    "Settings",
    "describe_features",
    "extract",
    "extract_table",
]
