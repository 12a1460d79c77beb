"""TCIA "NSCLC Radiogenomics" (CT, DICOM SEG, clinical table) with the RNA-seq of GEO GSE103584."""

import ml_collections

from radiogenomics.settings import default_config


def get_config():
    """The default settings plus `config.files`: where the files are and how they are read."""
    config = default_config()
    config.data.source = "files"
    config.data.extent_mm = 60.0
    config.data.size = 48
    config.genes.implausible = "median"  # the GEO table holds up to 1e9 FPKM, which clipping keeps as signal
    config.files = ml_collections.ConfigDict(
        dict(
            expression="GSE103584*RNAseq.txt*",  # pattern of the expression table, anywhere under the source folder
            clinical="*DATA_LABELS*.csv",  # pattern of the clinical table; patients lack covariates without it
            patient_column="Case ID",  # of the clinical table
            semantics="*aim*semantic*.csv",  # pattern of a table of AIM terms; AIM XML is found by its content
            manifest="",  # CSV patient,image,mask (NIfTI, NRRD), relative to the source folder; empty: DICOM
            segment_label="Neoplasm",  # wanted where a DICOM SEG holds several segments
            min_diameter_mm=3.0,  # of the sphere of the nodule's volume
            padding_hu=-1000.0,  # written where the scanner measured nothing
            max_missing_slices=2,  # in a row, filled by linear interpolation
            max_interpolated_share=0.1,  # of the nodule's slices
            volume_tolerance=0.01,  # share by which a mask's volume may change on the CT grid without a warning
            lung_hu=-400.0,  # upper limit of lung
            lung_spacing_mm=2.5,  # of the coarse grid on which lungs are found
            min_lung_ml=50.0,  # smaller air-filled parts are airways or bowel
            nodule_margin_mm=5.0,  # kept free around the nodule in backgrounds
            min_boundary_mm=5.0,  # nearest to the lung boundary that a background is centred
            max_boundary_mm=25.0,  # farthest
            background_separation_mm=10.0,  # between background centres, where there is room
            batch_permutations=999,  # of the sample order, for the change point of the expression table
            # Patients that the literature counts in the whole collection, shown beside those found; may be empty.
            expected=dict(subjects=211, with_segmentation=144, with_expression=130, with_both=117),
        )
    )
    return config
