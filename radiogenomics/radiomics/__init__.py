"""Image features of a nodule patch: exact (numpy, scikit-image) and differentiable (JAX)."""

from radiogenomics.radiomics.exact import exact_features, exact_table
from radiogenomics.radiomics.names import describe_feature, feature_names, resolve
from radiogenomics.radiomics.soft import batch_soft_features, soft_features

__all__ = [
    "batch_soft_features",
    "describe_feature",
    "exact_features",
    "exact_table",
    "feature_names",
    "resolve",
    "soft_features",
]
