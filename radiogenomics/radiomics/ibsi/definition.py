"""What a feature of the IBSI reference manual is: a name, a code, a unit, and a function whose docstring defines it.

Zwanenburg et al., The Image Biomarker Standardization Initiative, Radiology 2020, and its reference manual.
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Feature:
    """One feature; `code` is empty where the manual has no such feature (2-D shape)."""

    name: str  # family_feature, as `glcm_joint_entropy`
    code: str
    unit: str  # empty: dimensionless; `HU` stands for the unit of the image
    function: Callable

    @property
    def definition(self):
        """The first sentence or sentences of the function's docstring, on one line."""
        return " ".join(self.function.__doc__.split())
