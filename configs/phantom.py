"""The phantom cohort: simulated genes and CT with a planted radiogenomic map. Runs anywhere, needs no download."""

import ml_collections

from radiogenomics import settings


def get_config():
    """The default configuration with a phantom as its source."""
    config = settings.default_config()
    config.data.source = "phantom"
    config.data.extent_mm = 48.0
    config.data.size = 32
    config.phantom = ml_collections.ConfigDict(
        {
            # Who.
            "patients": 130,
            "site_share": 0.65,  # of the patients, at site A
            "first_batch_shares": (0.88, 0.14),  # sequenced in batch 1: of site A, of site B
            # Genes; modules are named M01, M02, ..., and the last one is the batch module.
            "genes": 5172,
            "modules": 20,
            "module_size": (80, 200),  # smallest, largest
            "loading": (0.5, 0.9),  # correlation of a module's gene with the module, least and most
            "decoys_per_driver": 10,
            "decoy_loading": 0.5,  # correlation of a decoy with its driver
            "global_factors": 3,  # weak, shared by the genes outside of the modules
            "global_loading": 0.15,  # SD of a gene's loading on each
            "gene_noise": 1.0,  # SD of a gene's own part relative to what completes its variance to 1
            "batch_gene_share": 1 / 3,  # of all genes, shifted by the batch
            "batch_gene_strength": 0.4,  # gene SDs between the batches, either direction
            "batch_module_strength": 1.5,  # gene SDs between the batches, all genes of the batch module together
            "log2_mean": (4.0, 2.4),  # mean and SD over genes of a gene's mean log2 FPKM
            "log2_sd": (0.8, 2.0),  # smallest, largest SD over patients of a gene's log2 FPKM
            "counts_per_fpkm": 20.0,
            "detection_fpkm": 0.3,  # NaN below
            "outliers": 40,  # absurd values of 1e6 to 1e9 FPKM
            "outlier_genes": 8,  # that share them
            # What drives what, in module SDs. linear: m; u: (m^2 - 1) / sqrt(2); interaction: m1 * m2; each times the
            # effect, completed by chance to variance 1.
            "effect": 0.9,  # correlation of an image factor with its gene-driven part; a link may have its own
            "links": (
                {"modules": ("M01",), "factor": "diameter", "feature": "equivalent_diameter_mm", "kind": "linear"},
                {"modules": ("M02",), "factor": "attenuation", "feature": "mean_hu", "kind": "linear"},
                {"modules": ("M03",), "factor": "spiculation", "feature": "spiculation", "kind": "linear"},
                {"modules": ("M04",), "factor": "texture", "feature": "texture_energy_hu", "kind": "linear"},
                {"modules": ("M05",), "factor": "core", "feature": "core_to_rim_hu", "kind": "u"},
                {"modules": ("M06", "M07"), "factor": "elongation", "feature": "elongation", "kind": "interaction"},
            ),
            # Nodules: what a factor of -infinity and of +infinity means.
            "diameter_mm": (5.0, 30.0),
            "attenuation_hu": (-650.0, 60.0),
            "spike_share": (0.0, 0.5),  # mean length of the spikes, in radii
            "spike_width_mm": 2.8,  # least full width at half height
            "texture_hu": (10.0, 210.0),  # SD before the scanner, which halves it
            "core_hu": (-420.0, 420.0),  # inner half less outer half
            "axis_ratio": (1.0, 2.1),  # longest over shortest axis in the axial plane
            "factor_spread": 0.8,  # factor SDs enter the normal CDF times this: below 1 keeps extremes rare
            "attenuation_shift": 0.5,  # added inside of the CDF: most nodules are solid
            "texture_grain_mm": 3.0,
            "edge_mm": 0.4,  # softness of the boundary
            "lobulation": 0.06,  # SD of the low-order surface waves relative to the radius
            "attached_share": 0.2,  # of the nodules, on the pleura
            "jitter_mm": 6.0,  # of the nodule's place in the lung, either way along every axis
            # Lung and scanner.
            "parenchyma_hu": -850.0,
            "parenchyma_sd_hu": 22.0,
            "vessel_trees": 75,
            "wall_share": 0.5,  # of the lungs, with chest wall in view
            "kernel_sigma_mm": (0.6, 0.4),  # blur of the kernels of batch 1 and 2
            "noise_hu": (15.0, 32.0),  # noise of the scanners of batch 1 and 2
        }
    )
    return config
