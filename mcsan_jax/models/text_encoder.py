"""The text side: token states, then the semantic graph over them."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mcsan_jax.batch import TextBatch
from mcsan_jax.config import ModelConfig
from mcsan_jax.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP, LevelEmbeddings, NodeSet
from mcsan_jax.models.layers import (
    AttentionPooling,
    BidirectionalGRU,
    CrossAttention,
    Linear,
    TransformerLayer,
)


class TextEncoder(nn.Module):
    """Captions to four levels.

    * global: attention pooling over token states;
    * entity and action: max-pooling over a node's tokens, times a role embedding, then graph attention along the
      relationships, with a residual connection and LayerNorm;
    * relationship: a function of both ends of an edge and the embedding of its role.
    """

    config: ModelConfig
    vocabulary_size: int
    role_count: int
    max_actions: int

    @nn.compact
    def __call__(self, texts: TextBatch, train: bool) -> LevelEmbeddings:
        config = self.config
        states = TokenContext(config, self.vocabulary_size, name="tokens")(
            jnp.asarray(texts.token_ids), jnp.asarray(texts.token_mask), train
        )
        token_mask = jnp.asarray(texts.token_mask)
        pooled = None
        if GLOBAL in config.levels:
            pooled = AttentionPooling(name="global_pooling")(states, token_mask)
        if set(config.levels) == {GLOBAL}:
            return LevelEmbeddings(pooled, {})

        roles = nn.Embed(self.role_count, config.width, embedding_init=_ones_with_noise, name="roles")
        node_mask = jnp.asarray(texts.node_mask)
        nodes = _pool_spans(states, jnp.asarray(texts.node_spans), node_mask) * roles(texts.node_roles)
        allowed = _adjacency(texts, node_mask.shape[1])
        attended = CrossAttention(config.width, config.compute_dtype, name="graph_attention")(
            nodes, nodes, allowed
        )
        update = Linear(config.width, config.compute_dtype, name="graph_output")(attended)
        nodes = nn.LayerNorm(name="graph_norm")(
            nodes + nn.Dropout(config.dropout, deterministic=not train)(update)
        )
        nodes = jnp.where(node_mask[..., None], nodes, 0.0)

        split = self.max_actions
        levels = {
            ENTITY: NodeSet(nodes[:, split:], node_mask[:, split:]),
            ACTION: NodeSet(nodes[:, :split], node_mask[:, :split]),
        }
        if RELATIONSHIP in config.levels:
            edge_mask = jnp.asarray(texts.edge_mask)
            source = _gather_nodes(nodes, jnp.asarray(texts.edge_source))
            target = _gather_nodes(nodes, jnp.asarray(texts.edge_target))
            parts = jnp.concatenate([source, target, source * target], axis=-1)
            relation = Linear(config.width, config.compute_dtype, name="relationship")(parts)
            relation = relation * roles(texts.edge_roles)
            levels[RELATIONSHIP] = NodeSet(jnp.where(edge_mask[..., None], relation, 0.0), edge_mask)
        return LevelEmbeddings(pooled, {level: levels[level] for level in levels if level in config.levels})


class TokenContext(nn.Module):
    """Token ids to contextual states of the model's width."""

    config: ModelConfig
    vocabulary_size: int

    @nn.compact
    def __call__(
        self, token_ids: Int[Array, "t w"], mask: Bool[Array, "t w"], train: bool
    ) -> Float[Array, "t w width"]:
        config = self.config
        words = nn.Embed(self.vocabulary_size, config.word_width, name="embedding")(token_ids)
        words = nn.Dropout(config.dropout, deterministic=not train)(words)
        if config.context == "bigru":
            return BidirectionalGRU(config.width, config.compute_dtype, name="recurrent")(words, mask)
        states = Linear(config.width, config.compute_dtype, name="project")(words)
        places = self.param("places", nn.initializers.normal(0.02), (token_ids.shape[1], config.width))
        states = states + places[None]
        for layer in range(2):
            states = TransformerLayer(
                config.width,
                dropout=config.dropout,
                compute_dtype=config.compute_dtype,
                name=f"layer_{layer}",
            )(states, mask, train)
        return jnp.where(mask[..., None], nn.LayerNorm(name="norm")(states), 0.0)


def _pool_spans(
    states: Float[Array, "t w d"], spans: Int[Array, "t n 2"], mask: Bool[Array, "t n"]
) -> Float[Array, "t n d"]:
    """Maximum of the token states over each node's span of tokens; zero for padded nodes."""
    places = jnp.arange(states.shape[1])[None, None]
    inside = (places >= spans[..., :1]) & (places < spans[..., 1:]) & mask[..., None]
    highest = jnp.max(jnp.where(inside[..., None], states[:, None], -jnp.inf), axis=2)
    return jnp.where(jnp.any(inside, axis=-1)[..., None], highest, 0.0)


def _adjacency(texts: TextBatch, node_count: int) -> Bool[Array, "t n n"]:
    """Pairs of nodes joined by a relationship, in both directions, and each real node with itself."""
    real = jnp.asarray(texts.edge_mask, jnp.float32)[..., None]
    source = jax.nn.one_hot(texts.edge_source, node_count, dtype=jnp.float32) * real
    target = jax.nn.one_hot(texts.edge_target, node_count, dtype=jnp.float32) * real
    joined = jnp.einsum("trn,trm->tnm", source, target) > 0
    itself = jnp.eye(node_count, dtype=bool)[None] & jnp.asarray(texts.node_mask)[:, None, :]
    return joined | joined.transpose(0, 2, 1) | itself


def _gather_nodes(nodes: Float[Array, "t n d"], slots: Int[Array, "t r"]) -> Float[Array, "t r d"]:
    return jnp.take_along_axis(nodes, slots[..., None], axis=1)


def _ones_with_noise(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Role embeddings multiply, so they start near one: a role changes a node, it does not replace it."""
    return 1.0 + 0.1 * jax.random.normal(key, shape, dtype)
