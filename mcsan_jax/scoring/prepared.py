"""Encodings made ready to be compared: unit vectors, frames with their Gram matrices, nodes without padding."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from data_pipeline.levels import GLOBAL, LEVELS
from mcsan_jax.encodings import Encoding
from mcsan_jax.scoring.frame_attention import FrameSet, prepare_frames
from mcsan_jax.scoring.packing import PackedNodes, pack_nodes
from mcsan_jax.scoring.vectors import normalize


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PreparedVideos:
    """Videos: a unit vector for the global level, frames for the others, unit vectors of attribute probabilities."""

    pooled: Float[Array, "v d"] | None
    frames: dict[str, FrameSet]
    attributes: dict[str, Float[Array, "v _"]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PreparedTexts:
    """Captions: a unit vector for the global level, nodes for the others, unit vectors of attribute probabilities."""

    pooled: Float[Array, "t d"] | None
    nodes: dict[str, PackedNodes]
    attributes: dict[str, Float[Array, "t _"]]

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels present, in the order of `LEVELS`."""
        present = set(self.nodes) | ({GLOBAL} if self.pooled is not None else set())
        return tuple(level for level in LEVELS if level in present)

    def presence(self) -> dict[str, Bool[Array, " t"]]:
        """For each level, whether a caption has at least one node there (every caption has a global level)."""
        present = {level: nodes.present for level, nodes in self.nodes.items()}
        if self.pooled is not None:
            present[GLOBAL] = jnp.ones(self.pooled.shape[0], bool)
        return {level: present[level] for level in self.levels}


def prepare_videos(videos: Encoding, product_dtype: jnp.dtype | None = None) -> PreparedVideos:
    """What of an encoding of videos does not depend on the captions they are compared with."""
    embeddings = videos.embeddings
    return PreparedVideos(
        None if embeddings.pooled is None else normalize(embeddings.pooled),
        {level: prepare_frames(frames, product_dtype) for level, frames in embeddings.nodes.items()},
        _attribute_directions(videos),
    )


def prepare_texts(texts: Encoding) -> PreparedTexts:
    """Captions' unit vectors, with the nodes packed."""
    embeddings = texts.embeddings
    return PreparedTexts(
        None if embeddings.pooled is None else normalize(embeddings.pooled),
        {level: pack_nodes(nodes) for level, nodes in embeddings.nodes.items()},
        _attribute_directions(texts),
    )


def _attribute_directions(encoding: Encoding) -> dict[str, Float[Array, "item _"]]:
    return {level: normalize(jax.nn.sigmoid(logits)) for level, logits in encoding.attribute_logits.items()}
