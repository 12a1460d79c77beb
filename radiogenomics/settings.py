"""The configuration: every setting with its default and unit, in one place.

Files under configs/ start from `default_config` and change what differs; `--config.train.steps=N` changes one field.
"""

import ml_collections


def default_config():
    """The settings shared by all cohorts, for a small machine."""
    return ml_collections.ConfigDict(
        {
            "seed": 0,  # the only source of randomness
            "data": data_settings(),
            "genes": gene_settings(),
            "model": model_settings(),
            "train": train_settings(),
            "evaluate": evaluation_settings(),
            "map": map_settings(),
        }
    )


def data_settings():
    """Patches and folds."""
    return dict(
        source="files",  # "phantom" or "files"
        ndim=2,  # 2: axial slices; 3: volumes
        size=32,  # voxels along each side of a patch
        extent_mm=60.0,  # side of the volume of interest; spacing = extent / size
        window_hu=(-1000.0, 500.0),  # clipped to this range and scaled to -1..1
        slices_per_patient=6,  # evenly through the nodule (2-D)
        backgrounds_per_patient=8,
        folds=5,
        stratify=("histology", "site", "sequencing_batch"),
    )


def gene_settings():
    """From expression to the components that the encoder sees."""
    return dict(
        min_detection=0.5,  # share of patients in whom a gene must be detected (label-free)
        clip_sd=4.0,  # robust SDs beyond which log2 expression is clipped
        implausible="clip",  # values no tissue has: "clip" like all others, or "median": counted as unknown
        not_detected="zero",  # "zero", or "half_minimum": half of the gene's lowest detected value
        front_end="pca",  # "pca", "metagenes" (k-means), "pathways" (gene_sets), or "none": all genes to the encoder
        components=30,  # of the front ends "pca" and "metagenes"
        gene_sets="",  # path of a GMT file, for "pathways"
        min_set_size=10,  # genes of a set in the cohort; smaller sets are left out
        adjust=("sequencing_batch", "site"),  # covariates removed from genes, and from features at the statistic
    )


def model_settings():
    """Sizes of both networks."""
    return dict(
        width=16,  # channels at full resolution, doubled at each coarser scale
        scales=4,  # resolutions at which genes and background are fused
        code_size=128,
        encoder_hidden=64,
        noise_size=8,
        discriminator_width=16,
    )


def train_settings():
    """Training of one fold."""
    return dict(
        steps=800,
        batch_size=16,
        steps_per_call=0,  # compiled steps a call; 0: one on CPU, 20 on an accelerator
        generator_rate=1e-3,
        discriminator_rate=5e-4,
        beta1=0.5,
        beta2=0.99,
        clip_norm=10.0,  # largest gradient norm of a player's step
        ema_half_life_images=2000.0,
        component_noise=0.4,  # SD added to the whitened gene components
        mix_share=0.8,  # of the synthesised examples, from two patients' genes mixed with their features
        adversarial_weight=1.0,
        match_weight=1.0,  # of the gene-matching head in both players
        radiomic_weight=20.0,
        softness_weight=2.0,  # of mask values between 0 and 1
        radiomic_features=(
            "equivalent_diameter_mm", "mean_hu", "sd_hu", "circularity", "elongation",
            "spiculation", "core_to_rim_hu", "texture_energy_hu",
        ),
        translate=0.06,  # largest shift of the differentiable augmentation, share of the patch side
        checkpoint_every=400,
        keep_checkpoints=2,
        sample_every=400,
        log_every=50,
        train_on_all=False,  # also fold_all, trained on everybody, for new patients
    )


def evaluation_settings():
    """Synthesis and inference of the gate."""
    return dict(
        backgrounds=4,  # of other patients, the same for all ...
        noises=4,  # ... each with as many noises
        permutations=9999,
        bootstraps=1000,
    )


def map_settings():
    """Synthesis and inference of the map."""
    return dict(
        features=(
            "equivalent_diameter_mm", "mean_hu", "sd_hu", "circularity", "elongation",
            "spiculation", "core_to_rim_hu", "edge_sharpness_hu_per_mm", "texture_energy_hu",
        ),
        backgrounds=2,  # of other patients, the same for all ...
        noises=2,  # ... each with as many noises
        metagenes=0,  # 0: the number chosen by the silhouette rule
        permutations=9999,
        bootstraps=200,
        fdr=0.05,  # q below which a gene-feature pair is a hit
    )


def spacing_mm(config):
    """Voxel spacing of the patches in mm, isotropic."""
    return config.data.extent_mm / config.data.size
