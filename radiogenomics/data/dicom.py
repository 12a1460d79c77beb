"""DICOM in: CT series and segmentations. Only the files named dicom*.py read DICOM; the others use this one."""

import numpy as np

from radiogenomics.data import geometry
from radiogenomics.data.dicom_ct import CtSeries, read_ct
from radiogenomics.data.dicom_files import Header, check_patient, scan
from radiogenomics.data.dicom_segmentation import Segmentation, choose_segment, read_segmentation
from radiogenomics.errors import InputError

__all__ = (
    "CtSeries", "Header", "Segmentation", "check_patient", "choose_segment", "choose_series", "read_ct",
    "read_segmentation", "scan",
)  # fmt: skip


def choose_series(segmentation, candidates):
    """The CT series that a segmentation was drawn on.

    By the instances it refers to, else the series it refers to, else (warned) by slices at the planes of the mask in
    the same frame of reference and matrix. Thickness, kernel and number of slices play no part.

    Args:
      segmentation: the Segmentation.
      candidates: {series UID: list of Header}.

    Returns:
      (series UID, warnings)

    Raises:
      InputError: where no series fits.
    """
    by_instance = {
        uid: sum(header.instance in segmentation.instances for header in headers)
        for uid, headers in candidates.items()
    }
    referred = sorted((uid for uid, count in by_instance.items() if count), key=lambda uid: (-by_instance[uid], uid))
    if referred:
        several = f"the segmentation refers to slices of {len(referred)} CT series, that with the most was used"
        return referred[0], (several,) if len(referred) > 1 else ()
    named = sorted(segmentation.series & set(candidates))
    if named:
        return named[0], ()
    by_place = {uid: _shared_places(segmentation, headers) for uid, headers in candidates.items()}
    best = max(sorted(by_place), key=by_place.get, default=None)
    if by_place.get(best):
        return best, ("the segmentation names no CT series that is there; the one with slices at its planes was used",)
    raise InputError(
        f"segmentation: it refers to none of the {len(candidates)} CT series, and none has slices at its planes."
    )


def _shared_places(segmentation, headers):
    """How many slices of a series lie on planes of the mask, corner on corner."""
    last = np.array(segmentation.mask.shape) - 1
    total = 0
    for header in headers:
        same = header.frame_of_reference == segmentation.frame_of_reference
        if same and header.position_mm and header.matrix == segmentation.mask.shape[1:]:
            index = segmentation.grid.to_index(header.position_mm)
            on_plane = abs(index[0] - round(index[0])) < geometry.ACQUIRED and 0 <= round(index[0]) <= last[0]
            on_corner = np.minimum(np.abs(index), np.abs(index - last))[1:].max() < 0.5
            total += bool(on_plane and on_corner)
    return total
