"""What the two players return, whatever their architecture."""

import flax
import jax


@flax.struct.dataclass
class Synthesis:
    """What a generator returns; intensities are scaled to -1..1 (see data/window.py), channels last."""

    image: jax.Array  # [batch, *S, 1] foreground * mask + background * (1 - mask), or as the architecture says
    mask: jax.Array  # [batch, *S, 1] in 0..1, both ends reached
    foreground: jax.Array  # [batch, *S, 1]


@flax.struct.dataclass
class Verdict:
    """A discriminator's scores [batch, ...], high for real; `match` holds the pair against the genes."""

    image: jax.Array
    pair: jax.Array
    match: jax.Array
