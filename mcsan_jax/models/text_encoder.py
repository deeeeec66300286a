"""This module is the text encoder: states of tokens, then the semantic graph over them."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from data_pipeline.batches.batch import TextBatch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from mcsan_jax.config import ModelConfig
from mcsan_jax.encodings import LevelEmbeddings, NodeSet
from mcsan_jax.image_text.text_tower import TextShape, TextTower
from mcsan_jax.models.bert import Bert, BertShape
from mcsan_jax.models.layers import (
    AttentionPooling,
    CrossAttention,
    Linear,
    TransformerLayer,
    rematerialized,
)
from mcsan_jax.models.recurrent import BidirectionalGRU

PRETRAINED = "pretrained"
"""This is the name of the module whose parameters were published with a pretrained encoder."""
ROLES = "roles"
"""This is the name of the embedding of roles, by which nodes and relationships are multiplied."""
MODIFIER_KINDS = "modifier_kinds"
"""This is the name of the embedding of kinds of modifiers, by which modifiers are multiplied."""

EncoderShape = BertShape | TextShape
"""These are the sizes of a pretrained encoder: of BERT, or of the text tower of an image–text encoder."""


class TextEncoder(nn.Module):
    """The text encoder turns captions into four levels.

    * global: attention pooling over token states;
    * entity and action: max-pooling over a node's tokens, times a role embedding, plus the same of each of its
      modifiers with an embedding of the modifier's kind, then graph attention along the relationships, with a residual
      connection and LayerNorm;
    * relationship: a function of both ends of an edge and the embedding of its role.

    Without ``modifiers`` nodes do not see theirs. What a caption denies has the vector that it would have otherwise,
    and is marked, so that its score is taken off.

    With ``sentence_node`` the pooled sentence is one more node of the graph, without a role. Actions attend to it, it
    attends to itself only, and its state after the graph attention is the global level.

    The global level is [t, width] and every other level [t, n, width], for t texts with n node or edge slots.

    Attributes:
        config: the group ``model`` of the experiment.
        vocabulary_size: the number of tokens.
        role_count: the number of roles.
        modifier_kind_count: the number of kinds of modifiers.
        max_actions: the number of slots for actions, which come before those for entities.
        pretrained: the sizes of the pretrained encoder; None where there is none.
    """

    config: ModelConfig
    vocabulary_size: int
    role_count: int
    modifier_kind_count: int
    max_actions: int
    pretrained: EncoderShape | None = None

    @nn.compact
    def __call__(self, texts: TextBatch, train: bool) -> tuple[LevelEmbeddings, Float[Array, "t w d"] | None]:
        """Encodes captions; what a pretrained encoder made of their tokens is returned, too."""
        config = self.config
        known = None if texts.token_states is None else jnp.asarray(texts.token_states)
        states, published = TokenContext(config, self.vocabulary_size, self.pretrained, name="tokens")(
            jnp.asarray(texts.token_ids), jnp.asarray(texts.token_mask), known, train
        )
        token_mask = jnp.asarray(texts.token_mask)
        pooled = None
        if GLOBAL in config.levels:
            pooled = AttentionPooling(name="global_pooling")(states, token_mask)
        if set(config.levels) == {GLOBAL} and not config.sentence_node:
            return LevelEmbeddings(pooled, {}), published

        roles = nn.Embed(self.role_count, config.width, embedding_init=_ones_with_noise, name=ROLES)
        node_mask, negated = jnp.asarray(texts.node_mask), jnp.asarray(texts.node_negated)
        nodes = pool_spans(states, jnp.asarray(texts.node_spans), node_mask) * roles(texts.node_roles)
        if config.modifiers:
            kinds = nn.Embed(
                self.modifier_kind_count, config.width, embedding_init=_ones_with_noise, name=MODIFIER_KINDS
            )
            modifiers = pool_spans(
                states, jnp.asarray(texts.modifier_spans), jnp.asarray(texts.modifier_mask)
            )
            nodes = _add_to_nodes(
                nodes, modifiers * kinds(texts.modifier_kinds), jnp.asarray(texts.modifier_nodes)
            )
        real, allowed = node_mask, _adjacency(texts, node_mask.shape[1])
        sentence = pooled if config.sentence_node else None
        if sentence is not None:
            nodes = jnp.concatenate([nodes, sentence[:, None]], axis=1)
            real = jnp.concatenate([real, jnp.any(token_mask, axis=1, keepdims=True)], axis=1)
            allowed = _with_sentence(allowed, real, self.max_actions)
        attended = CrossAttention(config.width, config.compute_dtype, name="graph_attention")(
            nodes, nodes, allowed
        )
        update = Linear(config.width, config.compute_dtype, name="graph_output")(attended)
        nodes = nn.LayerNorm(name="graph_norm")(
            nodes + nn.Dropout(config.dropout, deterministic=not train)(update)
        )
        nodes = jnp.where(real[..., None], nodes, 0.0)
        if sentence is not None:
            nodes, pooled = nodes[:, :-1], nodes[:, -1]

        split = self.max_actions
        levels = {
            ENTITY: NodeSet(nodes[:, split:], node_mask[:, split:], negated[:, split:]),
            ACTION: NodeSet(nodes[:, :split], node_mask[:, :split], negated[:, :split]),
        }
        if RELATIONSHIP in config.levels:
            edge_mask = jnp.asarray(texts.edge_mask)
            source = _gather_nodes(nodes, jnp.asarray(texts.edge_source))
            target = _gather_nodes(nodes, jnp.asarray(texts.edge_target))
            ends = jnp.concatenate([source, target, source * target], axis=-1)
            relation = Linear(config.width, config.compute_dtype, name="relationship")(ends)
            relation = relation * roles(texts.edge_roles)
            levels[RELATIONSHIP] = NodeSet(
                jnp.where(edge_mask[..., None], relation, 0.0), edge_mask, jnp.asarray(texts.edge_negated)
            )
        kept = {level: levels[level] for level in levels if level in config.levels}
        return LevelEmbeddings(pooled, kept), published


class TokenContext(nn.Module):
    """This module turns token ids into contextual states of the model's width.

    Axes: t texts, w tokens; the result has ``width`` numbers for each token. The optional ``states``, of d numbers
    each, are those that a frozen pretrained encoder gave to the tokens.

    Attributes:
        config: the group ``model`` of the experiment.
        vocabulary_size: the number of tokens.
        pretrained: the sizes of the pretrained encoder; None where there is none.
    """

    config: ModelConfig
    vocabulary_size: int
    pretrained: EncoderShape | None = None

    @nn.compact
    def __call__(
        self,
        token_ids: Int[Array, "t w"],
        mask: Bool[Array, "t w"],
        states: Float[Array, "t w d"] | None,
        train: bool,
    ) -> tuple[Float[Array, "t w width"], Float[Array, "t w d"] | None]:
        """Returns the states, and those of the pretrained encoder where there is one."""
        config = self.config
        if config.context == "pretrained":
            if states is None:
                assert self.pretrained is not None, "those of the zero-shot branch are given"
                encoder = pretrained_encoder(self.pretrained, config.compute_dtype, config.remat, PRETRAINED)
                states = token_states(encoder(token_ids, mask))
            dropped = nn.Dropout(config.dropout, deterministic=not train)(states)
            projected = Linear(config.width, config.compute_dtype, name="project")(dropped)
            return jnp.where(mask[..., None], projected, 0.0), states
        words = nn.Embed(self.vocabulary_size, config.word_width, name="embedding")(token_ids)
        words = nn.Dropout(config.dropout, deterministic=not train)(words)
        if config.context == "bigru":
            return BidirectionalGRU(config.width, config.compute_dtype, name="recurrent")(words, mask), None
        states = Linear(config.width, config.compute_dtype, name="project")(words)
        places = self.param("places", nn.initializers.normal(0.02), (token_ids.shape[1], config.width))
        states = states + places[None]
        block = rematerialized(TransformerLayer, config.remat)
        for layer in range(2):
            states = block(
                config.width,
                dropout=config.dropout,
                compute_dtype=config.compute_dtype,
                name=f"layer_{layer}",
            )(states, mask, train)
        return jnp.where(mask[..., None], nn.LayerNorm(name="norm")(states), 0.0), None


def pretrained_encoder(
    shape: EncoderShape, compute_dtype: str, remat: bool = False, name: str | None = None
) -> Bert | TextTower:
    """Returns the module of a pretrained encoder.

    Args:
        shape: its sizes.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
        remat: whether its layers are computed again for the gradient.
        name: of the module inside another one.
    """
    if isinstance(shape, BertShape):
        return Bert(shape, compute_dtype, remat, name=name)
    return TextTower(shape, compute_dtype, remat, name=name)


def token_states(result: Array | tuple[Array, Array]) -> Array:
    """Returns the states [t, w, d] that a pretrained encoder gave to tokens, without the embedding of a text tower."""
    return result[0] if isinstance(result, tuple) else result


def _adjacency(texts: TextBatch, node_count: int) -> Bool[Array, "t n n"]:
    """Returns which nodes attend to which: both ends of a relationship to each other, and each node to itself."""
    real = jnp.asarray(texts.edge_mask, jnp.float32)[..., None]
    source = jax.nn.one_hot(texts.edge_source, node_count, dtype=jnp.float32) * real
    target = jax.nn.one_hot(texts.edge_target, node_count, dtype=jnp.float32) * real
    joined = jnp.einsum("trn,trm->tnm", source, target) > 0
    itself = jnp.eye(node_count, dtype=bool)[None] & jnp.asarray(texts.node_mask)[:, None, :]
    return joined | joined.transpose(0, 2, 1) | itself


def _with_sentence(
    allowed: Bool[Array, "t n n"], real: Bool[Array, "t m"], max_actions: int
) -> Bool[Array, "t m m"]:
    """Adds the sentence as the last node to the pairs: every action attends to it, and it attends to itself."""
    slots = jnp.arange(real.shape[1])
    listens = (slots < max_actions) | (slots == slots[-1])
    to_sentence = real & real[:, -1:] & listens[None]
    return jnp.pad(allowed, ((0, 0), (0, 1), (0, 1))).at[:, :, -1].set(to_sentence)


def _add_to_nodes(
    nodes: Float[Array, "t n d"], modifiers: Float[Array, "t m d"], slots: Int[Array, "t m"]
) -> Float[Array, "t n d"]:
    """Adds each modifier to the node in its slot; padding is zero, so that its slot does not matter."""
    return jax.vmap(lambda of_text, own, added: of_text.at[own].add(added))(nodes, slots, modifiers)


def _gather_nodes(nodes: Float[Array, "t n d"], slots: Int[Array, "t r"]) -> Float[Array, "t r d"]:
    return jnp.take_along_axis(nodes, slots[..., None], axis=1)


def _ones_with_noise(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Embeddings that multiply start near one: a role changes a node, it does not replace it."""
    return 1.0 + 0.1 * jax.random.normal(key, shape, dtype)


def pool_spans(
    states: Float[Array, "t w d"], spans: Int[Array, "t n 2"], mask: Bool[Array, "t n"]
) -> Float[Array, "t n d"]:
    """Maximum of the token states over each node's span of tokens; zero for padded nodes and empty spans.

    Args:
        states: of tokens.
        spans: first token and one past the last of each node; what lies beyond the tokens is left out.
        mask: True for real nodes.
    """
    start = jnp.minimum(spans[..., 0], states.shape[1] - 1)
    size = jnp.where(mask, jnp.minimum(spans[..., 1], states.shape[1]) - start, 0)
    return jnp.where((size > 0)[..., None], _highest(states, start, size), 0.0)


@jax.custom_vjp
def _highest(
    states: Float[Array, "t w d"], start: Int[Array, "t n"], size: Int[Array, "t n"]
) -> Float[Array, "t n d"]:
    return _highest_forward(states, start, size)[0]


def _highest_forward(states: Array, start: Array, size: Array) -> tuple[Array, tuple[Array, ...]]:
    """Compares the first words of all spans, then the second ones, and so on to the end of the longest span."""

    def compare(place: Array, best: tuple[Array, Array]) -> tuple[Array, Array]:
        highest, where = best
        states_there = _token_states(states, start + place)
        better = (place < size)[..., None] & (states_there > highest)
        return jnp.where(better, states_there, highest), jnp.where(better, place, where)

    first = _token_states(states, start)
    best = (first, jnp.zeros(first.shape, jnp.int32))
    highest, where = jax.lax.fori_loop(1, jnp.max(size, initial=0), compare, best)
    return highest, (states, start, size, where)


def _highest_backward(kept: tuple[Array, ...], gradient: Array) -> tuple[Array, None, None]:
    """Hands the gradient of each number to the token that it comes from; of equal ones, to the first."""
    states, start, size, where = kept

    def hand_over(place: Array, total: Array) -> Array:
        own = jnp.where(where == place, gradient, 0.0)
        rows = jnp.minimum(start + place, states.shape[1] - 1)
        return jax.vmap(lambda of_text, row, values: of_text.at[row].add(values))(total, rows, own)

    return jax.lax.fori_loop(0, jnp.max(size, initial=0), hand_over, jnp.zeros_like(states)), None, None


_highest.defvjp(_highest_forward, _highest_backward)


def _token_states(states: Array, row: Array) -> Array:
    rows = jnp.minimum(row, states.shape[1] - 1)
    return jnp.take_along_axis(states, rows[..., None], axis=1)
