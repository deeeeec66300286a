"""The linear branch: a closed-form map from the mean and the maximum of a video's frames to what its captions say.

Its constants come from `mcsan_jax.models.linear_fit` and are stored with the feature statistics, so that a checkpoint
scores by itself. A caption is seen in two ways: as a TF-IDF vector of its tokens, and, where a frozen published encoder
reads it, as the direction of its mean token state. What a caption denies has a minus in its TF-IDF vector. The branch's
score of a video and a caption is the weighted mean of the cosines of both, with lengths of captions that correct for
hubs (`mcsan_jax.models.ridge_map`).
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mcsan_jax.models.layers import masked_mean
from mcsan_jax.scoring.vectors import TINY, direction_and_length, normalize, product, safe_norm

LINEAR_WIDTH = 256
"""Coordinates of either map at most: the directions of its predictions that vary most."""


class LinearBranch(nn.Module):
    """Both sides of the branch as vectors whose product is its score; nothing in it is learned by steps.

    Attributes:
        frame_dim: numbers in a frame's features.
        vocabulary_size: number of tokens.
        sentence_dim: numbers in a token state of the frozen encoder; 0 where there is none.
    """

    frame_dim: int
    vocabulary_size: int
    sentence_dim: int = 0

    def setup(self) -> None:
        inputs = 2 * self.frame_dim
        words = min(inputs, LINEAR_WIDTH)
        self.frames_mean = self._constant("frames_mean", inputs)
        self.token_weights = self._constant("token_weights", self.vocabulary_size)
        self.frames_to_words = self._constant("frames_to_words", inputs, words)
        self.tokens_to_words = self._constant("tokens_to_words", self.vocabulary_size, words)
        self.words_metric = self._constant("words_metric", words, words)
        self.words_share = self._constant("words_share")
        self.share = self._constant("share")
        if self.sentence_dim:
            sentences = min(words, self.sentence_dim)
            self.sentence_mean = self._constant("sentence_mean", self.sentence_dim)
            self.frames_to_sentences = self._constant("frames_to_sentences", inputs, sentences)
            self.states_to_sentences = self._constant("states_to_sentences", self.sentence_dim, sentences)
            self.sentences_metric = self._constant("sentences_metric", sentences, sentences)

    def _constant(self, name: str, *shape: int) -> nn.Variable:
        return self.variable("statistics", name, jnp.zeros, shape)

    def encode_videos(self, frames: Float[Array, "v f d"], mask: Bool[Array, "v f"]) -> Float[Array, "v r"]:
        """Standardised frames to one unit vector for each of the maps, one after the other."""
        return self.encode_pooled(
            jnp.concatenate([masked_mean(frames, mask), masked_maximum(frames, mask)], axis=1)
        )

    def encode_pooled(self, pooled: Float[Array, "v inputs"]) -> Float[Array, "v r"]:
        """Mean and maximum of standardised frames, one after the other, to the same vectors."""
        pooled = pooled - self.frames_mean.value[None]
        sides = [normalize(product("vd,dr->vr", pooled, self.frames_to_words.value, None))]
        if self.sentence_dim:
            sides.append(normalize(product("vd,dr->vr", pooled, self.frames_to_sentences.value, None)))
        return jnp.concatenate(sides, axis=1)

    def encode_texts(
        self,
        ids: Int[Array, "t w"],
        mask: Bool[Array, "t w"],
        denied: Bool[Array, "t w"],
        states: Float[Array, "t w s"] | None,
    ) -> Float[Array, "t r"]:
        """Tokens, and their states where there is an encoder, to vectors whose products with videos are scores."""
        return jnp.sum(jnp.concatenate(self.encode_tokens(ids, mask, denied, states), axis=2), axis=1)

    def encode_tokens(
        self,
        ids: Int[Array, "t w"],
        mask: Bool[Array, "t w"],
        denied: Bool[Array, "t w"],
        states: Float[Array, "t w s"] | None,
    ) -> tuple[Float[Array, "t w r"], Float[Array, "t w q"]]:
        """What each token adds to its caption's vector: to the coordinates of words, and to those of sentences.

        Args:
            ids, mask: of the tokens.
            denied: which of them say what the caption denies, and so are taken off as words.
            states: of the tokens, of the frozen encoder; None without one.
        """
        weights = self.token_weights.value[ids] * first_occurrences(ids, mask)
        weights = jnp.where(denied, -weights, weights)
        words = normalize(weights)[:, :, None] * self.tokens_to_words.value[ids]
        length = lengths_under(self.words_metric.value, jnp.sum(words, axis=1))
        words = words * (self.words_share.value / length)[:, None]
        if not self.sentence_dim or states is None:
            return words, words[:, :, :0]
        # The sum over tokens of (state / length of the mean state − mean direction) points where the caption does.
        _, length = direction_and_length(masked_mean(states, mask))
        own = states / jnp.maximum(length, TINY)[:, :, None] - self.sentence_mean.value[None, None]
        own = jnp.where(mask[:, :, None], own, 0.0)
        own = own / safe_norm(jnp.sum(own, axis=1))[:, None]
        sentences = product("tws,sq->twq", own, self.states_to_sentences.value, None)
        length = lengths_under(self.sentences_metric.value, jnp.sum(sentences, axis=1))
        return words, sentences * ((1.0 - self.words_share.value) / length)[:, None]


def lengths_under(metric: Float[Array, "r r"], vectors: Float[Array, "n r"]) -> Float[Array, "n 1"]:
    """Length ``√(xᵀ M x)`` of each vector under a metric; one where it is zero."""
    squared = jnp.sum(product("nr,rq->nq", vectors, metric, None) * vectors, axis=1, keepdims=True)
    return jnp.sqrt(jnp.where(squared > TINY**2, squared, 1.0))


def masked_maximum(frames: Float[Array, "v f d"], mask: Bool[Array, "v f"]) -> Float[Array, "v d"]:
    """The largest value of each feature over a video's frames; zero where there is none."""
    largest = jnp.max(jnp.where(mask[:, :, None], frames, -jnp.inf), axis=1, initial=-jnp.inf)
    return jnp.where(jnp.any(mask, axis=1, keepdims=True), largest, 0.0)


def pool_frames(
    frames: Float[np.ndarray, "v f d"], mask: Bool[np.ndarray, "v f"]
) -> Float[np.ndarray, "v inputs"]:
    """The mean of each video's real frames, then their maximum; zero for a video without frames."""
    real = mask[:, :, None]
    means = np.sum(np.where(real, frames, 0.0), axis=1) / np.maximum(mask.sum(axis=1), 1)[:, None]
    largest = np.max(np.where(real, frames, -np.inf), axis=1, initial=-np.inf)
    return np.concatenate([means, np.where(mask.any(axis=1, keepdims=True), largest, 0.0)], axis=1)


def first_occurrences(ids: Int[Array, "t w"], mask: Bool[Array, "t w"]) -> Float[Array, "t w"]:
    """One where a token of a caption stands for the first time, zero for repetitions and padding."""
    places = jnp.arange(ids.shape[1])
    earlier = (places[:, None] > places[None])[None] & mask[:, None, :]
    repeated = jnp.any((ids[:, :, None] == ids[:, None, :]) & earlier, axis=2)
    return (mask & ~repeated).astype(jnp.float32)
