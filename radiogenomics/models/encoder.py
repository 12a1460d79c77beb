"""Gene encoder: from the front end's components to the code that styles the nodule."""

import flax.linen as nn
import jax.numpy as jnp

from radiogenomics.models import layers, response

START_SD = 0.01  # of the learned part's weights


class GeneEncoder(nn.Module):
    """Code E(u) [batch, code_size] of components u [batch, K]: expected image features, then what is learned.

    The learned part is a linear path plus one hidden layer, both of components and expected features. Without expected
    features (`features` 0) all of the code is learned.
    """

    code_size: int
    hidden: int
    features: int = 0

    @nn.compact
    def __call__(self, components):
        seen, size = components, self.code_size - self.features
        if self.features:
            # Fitted before training, never trained.
            surface = self.variable("response", "surface", response.flat_surface, self.features, components.shape[-1])
            expected = response.expect_features(surface.value, components)
            seen = jnp.concatenate([components, expected], axis=-1)
        hidden = layers.leaky_relu(nn.Dense(self.hidden)(seen))
        # Almost nothing at the start: a random code of this many values would drown the few that are expected.
        small = nn.initializers.normal(START_SD)
        learned = nn.Dense(size, kernel_init=small)(seen) + nn.Dense(size, kernel_init=small)(hidden)
        return jnp.concatenate([expected, learned], axis=-1) if self.features else learned
