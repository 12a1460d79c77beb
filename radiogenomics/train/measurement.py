"""Image features of what the generator synthesises, as training measures them."""

from radiogenomics import settings
from radiogenomics.data import window
from radiogenomics.radiomics import batch_soft_features, resolve


def synthesised_features(config, synthesis):
    """Image features [batch, F] of a synthesis, in physical units; differentiable."""
    return batch_soft_features(
        window.to_hu(synthesis.image[..., 0], config.data.window_hu),
        synthesis.mask[..., 0],
        settings.spacing_mm(config),
        resolve(config.train.radiomic_features, config.data.ndim),
    )
