"""The method of Xu et al., "Correlation via Synthesis" (PMLR 121:857, 2020), on the cohort of configs/nsclc.py.

Architecture, losses and hyper-parameters are those of the paper and, where it is silent, of the authors' code, two
faults included (`model.double_tanh`, `model.style_after_gate`). Three things are not: the authors had no split, and
here every patient is held out by one of five folds; genes and features are adjusted for batch and site; and a step
draws patients, not slices.
"""

import math
import pathlib
import runpy


def get_config():
    """The settings of configs/nsclc.py, where the files are read alike, with the published method."""
    config = runpy.run_path(str(pathlib.Path(__file__).with_name("nsclc.py")))["get_config"]()
    config.data.update(size=128, extent_mm=60.0, window_hu=(-1000.0, 500.0))
    config.data.update(slices_per_patient=33, backgrounds_per_patient=20)  # 3736 slices of 112 patients
    # Genes with any missing value are left out (5172 stay), and all others enter the mapper.
    config.genes.update(min_detection=1.0, front_end="none")
    config.model.update(
        architecture="published", double_tanh=True, style_after_gate=True,
        width=32, discriminator_width=64, scales=4, code_size=128, encoder_hidden=512, noise_size=10,
    )
    batch_size = 16
    config.train.update(
        objective="published", batch_size=batch_size, steps=500 * 233,  # epochs of 3736 slices
        match_weight=10.0, image_weight=8.0, pair_weight=1.0, background_weight=100.0,
        generator_rate=1e-4, discriminator_rate=1e-4, beta1=0.5, beta2=0.999, rate_schedule="constant", clip_norm=0.0,
        ema_half_life_images=batch_size * math.log(0.5) / math.log(0.999),  # a decay of 0.999 a step
        component_noise=0.0, mix_share=0.0,
        checkpoint_every=5000, sample_every=5000, log_every=100,
    )
    return config
