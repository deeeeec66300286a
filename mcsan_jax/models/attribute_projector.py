"""The cross-modal parameter-share attribute projection: one map per level, the same for both modalities."""

import flax.linen as nn
from jaxtyping import Array, Float

from mcsan_jax.encodings import LevelEmbeddings
from mcsan_jax.models.layers import Linear, masked_mean


class AttributeProjector(nn.Module):
    """Mean of a level's vectors to logits over that level's attributes."""

    sizes: tuple[tuple[str, int], ...]
    compute_dtype: str = "float32"

    @nn.compact
    def __call__(self, embeddings: LevelEmbeddings) -> dict[str, Float[Array, "b a"]]:
        logits = {}
        for level, size in self.sizes:
            nodes = embeddings.nodes[level]
            pooled = masked_mean(nodes.vectors, nodes.mask)
            logits[level] = Linear(size, self.compute_dtype, name=level)(pooled)
        return logits
