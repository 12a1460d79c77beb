"""Gene encoder: from the front end's components to the code that styles the nodule."""

import flax.linen as nn

from radiogenomics.models import layers


class GeneEncoder(nn.Module):
    """Code E(u) [batch, code_size] of components u [batch, K]: a linear path plus one hidden layer.

    The linear path makes proportional links easy at 130 patients; the hidden layer adds U-shapes and interactions.
    """

    code_size: int
    hidden: int

    @nn.compact
    def __call__(self, components):
        linear = nn.Dense(self.code_size)(components)
        hidden = layers.leaky_relu(nn.Dense(self.hidden)(components))
        return linear + nn.Dense(self.code_size)(hidden)
