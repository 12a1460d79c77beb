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
        front_end="factors",  # or "pca", "metagenes" (k-means), "pathways" (gene_sets), "none": the genes
        components=30,  # of the front ends "factors", "pca" and "metagenes"
        gene_sets="",  # path of a GMT file, for "pathways"
        min_set_size=10,  # genes of a set in the cohort; smaller sets are left out
        adjust=("sequencing_batch", "site"),  # covariates removed from genes, and from features at the statistic
    )


def model_settings():
    """Sizes of both networks."""
    return dict(
        architecture="film",  # "film", or "published": that of Xu et al. 2020 (models/published_generator.py)
        width=16,  # channels at full resolution, doubled at each coarser scale
        scales=4,  # resolutions at which genes and background are fused
        code_size=128,
        encoder_hidden=64,
        noise_size=16,  # values; the first ones stand for what patches of one patient differ by, see `response`
        discriminator_width=16,
        dtype="float32",  # "film": of the convolutions, or "bfloat16"; parameters, norms and losses stay float32
        fusion="own",  # of genes and background: the architecture's own, or "mcgan": that of Park et al. 2018
        gene_scales=0,  # "film": coarsest scales at which genes enter; 0: all
        response=True,  # "film": the code starts with the response surface (models/response.py)
        outline=True,  # "film": the mask starts as a star-shaped outline, not as a ball of fixed size
        grain=4,  # "film": channels of white noise offered as texture
        remat=False,  # "film": what a scale computed is not kept but computed again for the gradient; for large volumes
        # Read by the architecture "published" alone:
        double_tanh=False,  # as published: the blending weight is squashed twice and stays within 0.119..0.881
        style_after_gate=False,  # as published: genes style the nodule after the gate and refill what it shut out
    )


def train_settings():
    """Training of one fold."""
    return dict(
        objective="feature",  # "feature", or "published": that of Xu et al. 2020 (train/published_objective.py)
        steps=1000,
        batch_size=16,
        accumulate=1,  # parts of a batch, one after the other: less memory, the same gradient ("feature" alone)
        replicas=0,  # folds trained side by side; 0: as many as the devices hold
        steps_per_call=0,  # compiled steps a call; 0: one on CPU, 20 on an accelerator
        generator_rate=1e-3,
        discriminator_rate=5e-4,
        rate_schedule="cosine",  # "cosine": a short warm-up, then a decay to 2 %; or "constant"
        beta1=0.9,
        beta2=0.99,
        clip_norm=10.0,  # largest gradient norm of a player's step; 0: no limit
        ema_half_life_images=2000.0,
        component_noise=0.4,  # SD added to the gene components, which have SD 1
        mix_share=0.8,  # of the synthesised examples, from two patients' genes mixed with their features
        adversarial_weight=1.0,
        match_weight=1.0,  # of the gene-matching head in both players
        radiomic_weight=20.0,
        radiomic_features=(
            "equivalent_diameter_mm", "mean_hu", "sd_hu", "circularity", "elongation",
            "spiculation", "core_to_rim_hu", "texture_energy_hu",
        ),
        translate=0.06,  # largest shift of the differentiable augmentation, share of the patch side
        checkpoint_every=500,  # steps; also at the end and on SIGTERM ...
        checkpoint_minutes=10.0,  # ... and when so long has passed since the last one; 0: never by the clock
        keep_checkpoints=2,
        sample_every=500,
        log_every=50,
        train_on_all=False,  # also fold_all, trained on everybody, for new patients
        # Read by the objective "published" alone, beside match_weight; the two of heads weigh in both players:
        image_weight=8.0,
        pair_weight=1.0,
        background_weight=100.0,
    )


def evaluation_settings():
    """Synthesis and inference of the gate."""
    return dict(
        backgrounds=2,  # of other patients, the same for all ...
        noises=16,  # ... each with as many noises: they, not backgrounds, move the features
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
        backgrounds=1,  # of other patients, the same for all ...
        noises=8,  # ... each with as many noises
        metagene_method="kmeans",  # or "hierarchical" (average linkage), "gene_sets" (those of gene_sets)
        metagenes=0,  # 0: the number chosen by the silhouette rule; 10: as Zhou et al. 2018; not read by "gene_sets"
        gene_sets="",  # path of a GMT file, for "gene_sets"; sets below genes.min_set_size are left out
        permutations=9999,  # of the classical route; the generator's genes take 199 at most (gene_permutation.py)
        bootstraps=200,
        fdr=0.05,  # q below which a gene-feature pair is a hit
    )


def spacing_mm(config):
    """Voxel spacing of the patches in mm, isotropic."""
    return config.data.extent_mm / config.data.size
