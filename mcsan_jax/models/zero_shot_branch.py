"""The zero-shot branch: vectors of a frozen image-text encoder, to which what the levels learn is added.

The frames were embedded by the encoder's image tower; its text tower reads the sentence, and the words of
each node with those of its modifiers.
At each level the vector is the unit vector of the encoder plus a learned one whose last map begins with zeros, so that
the network begins as the zero-shot model and the scores are made as those of any network.
"""

import dataclasses
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from data_pipeline.batches.batch import TextBatch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, LEVELS, NODE_LEVELS, RELATIONSHIP
from mcsan_jax.encodings import LevelEmbeddings, NodeSet
from mcsan_jax.image_text.text_tower import TextShape, TextTower, embed_phrases
from mcsan_jax.models.layers import Linear, masked_mean
from mcsan_jax.scoring.vectors import normalize

TOWER = "tower"
"""This is the name of the module whose parameters were published with an image-text encoder."""
GLOBAL_WEIGHT = 12.0
"""So many times as much as each other level the global one counts at first: such encoders read whole sentences."""
SPAN_TOKENS = 16
"""So many tokens of the words of a node and its modifiers are read at most; hardly any node has more."""


@dataclasses.dataclass(frozen=True)
class ZeroShotShape:
    """These are the sizes of an image-text encoder, and where its embeddings are among the features of a frame.

    Attributes:
        text: the sizes of its text tower, and its special tokens.
        first_feature: the first of the features of a frame that are its embedding.
    """

    text: TextShape
    first_feature: int

    @property
    def dim(self) -> int:
        """Returns the size of an embedding."""
        return self.text.tower.width_out


class ZeroShotBranch(nn.Module):
    """Both sides of the zero-shot score on the levels, with what the network learned added.

    * global: the mean of the frames' unit embeddings, and the embedding of the sentence;
    * entity, action: the frames' unit embeddings, and the embedding of the words of each node and its modifiers;
    * relationship: the frames' unit embeddings, and the sum of the unit embeddings of both ends.

    What a caption denies is marked, so that its score is taken off.

    Axes: v videos, f frames, t texts, w tokens, n node slots, r relationship slots, d numbers of an embedding.

    Attributes:
        shape: the sizes of the encoder.
        levels: the semantic levels that are compared.
        max_actions: the number of slots for actions, which come before those for entities.
        compute_dtype: the type of the inputs of large products, float32 or bfloat16.
    """

    shape: ZeroShotShape
    levels: tuple[str, ...]
    max_actions: int
    compute_dtype: str = "float32"

    def setup(self) -> None:
        self.tower = TextTower(self.shape.text, self.compute_dtype)
        # Maps of levels that are not learned are never called, and have no parameters.
        dim = self.shape.dim
        self.video_maps = {level: Linear(dim, self.compute_dtype, starts_at_zero=True) for level in LEVELS}
        self.text_maps = {level: Linear(dim, self.compute_dtype, starts_at_zero=True) for level in LEVELS}

    def encode_videos(
        self,
        features: Float[Array, "v f features"],
        mask: Bool[Array, "v f"],
        learned: LevelEmbeddings | None,
    ) -> LevelEmbeddings:
        """Returns the levels of videos.

        Args:
            features: of frames, as they are stored.
            mask: True for real frames.
            learned: what the network made of the same videos; None for the zero-shot model.
        """
        first = self.shape.first_feature
        frames = normalize(features[:, :, first : first + self.shape.dim].astype(jnp.float32))
        pooled = normalize(masked_mean(frames, mask))
        own = {level: NodeSet(frames, mask) for level in NODE_LEVELS}
        return _added(self.levels, pooled, own, learned, self.video_maps)

    def encode_texts(
        self, texts: TextBatch, spans: Float[Array, "t n_and_1 d"], learned: LevelEmbeddings | None
    ) -> LevelEmbeddings:
        """Returns the levels of captions.

        Args:
            texts: the captions.
            spans: the embeddings of their sentences and nodes, as `read` returns them.
            learned: what the network made of the same captions; None for the zero-shot model.
        """
        directions, mask = normalize(spans), jnp.asarray(texts.node_mask)
        negated = jnp.asarray(texts.node_negated)
        nodes, split = directions[:, 1:], self.max_actions
        source, target = (
            jnp.take_along_axis(nodes, jnp.asarray(slots)[..., None], axis=1)
            for slots in (texts.edge_source, texts.edge_target)
        )
        own = {
            ENTITY: NodeSet(nodes[:, split:], mask[:, split:], negated[:, split:]),
            ACTION: NodeSet(nodes[:, :split], mask[:, :split], negated[:, :split]),
            RELATIONSHIP: NodeSet(
                normalize(source + target), jnp.asarray(texts.edge_mask), jnp.asarray(texts.edge_negated)
            ),
        }
        return _added(self.levels, directions[:, 0], own, learned, self.text_maps)

    def read(
        self, texts: TextBatch, with_states: bool
    ) -> tuple[Float[Array, "t n_and_1 d"], Float[Array, "t w s"] | None]:
        """Lets the text tower read captions, as far as the batch does not hold what it made of them.

        Returns:
            The embeddings of the sentence, which comes first, and of each node's words, zero where there are none;
            and, where they are wanted, the states of the sentence's tokens. Both are constants to the gradient.
        """
        spans, states = texts.span_embeddings, texts.token_states
        ids, mask = jnp.asarray(texts.token_ids), jnp.asarray(texts.token_mask)
        if spans is None or (with_states and states is None):
            of_tokens, sentences = self.tower(ids, mask)
            states = of_tokens if states is None else states
            sentences = jnp.where(jnp.any(mask, axis=1, keepdims=True), sentences, 0.0)
        if spans is None:
            nodes = embed_phrases(self.tower, ids, jnp.asarray(texts.node_tokens()), SPAN_TOKENS)
            spans = jnp.concatenate([sentences[:, None], nodes], axis=1)
        held = jax.lax.stop_gradient((jnp.asarray(spans), None if states is None else jnp.asarray(states)))
        return held[0], held[1] if with_states else None


def _added(
    levels: tuple[str, ...],
    pooled: Float[Array, "b d"],
    own: dict[str, NodeSet],
    learned: LevelEmbeddings | None,
    maps: Mapping[str, Linear],
) -> LevelEmbeddings:
    """Returns the levels that are compared: unit vectors of the encoder plus the mapped learned vectors."""
    nodes = {}
    for level in levels:
        if level == GLOBAL:
            continue
        vectors = own[level].vectors
        if learned is not None:
            vectors = vectors + maps[level](normalize(learned.nodes[level].vectors))
        nodes[level] = dataclasses.replace(
            own[level], vectors=jnp.where(own[level].mask[..., None], vectors, 0.0)
        )
    if learned is not None and learned.pooled is not None:
        pooled = pooled + maps[GLOBAL](normalize(learned.pooled))
    return LevelEmbeddings(pooled if GLOBAL in levels else None, nodes)
