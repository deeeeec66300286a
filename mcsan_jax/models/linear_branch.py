"""The linear branch: a closed-form map from the mean of a video's frames to what its captions say.

Its constants come from `mcsan_jax.training.linear_fit` and are stored with the feature statistics, so that a checkpoint
scores by itself. A caption is seen in two ways: as a TF-IDF vector of its tokens, and, where a frozen published encoder
reads it, as the direction of its mean token state. The branch's score of a video and a caption is the weighted mean of
the cosines of both.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mcsan_jax.models.layers import masked_mean
from mcsan_jax.scoring.vectors import normalize

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
        words = min(self.frame_dim, LINEAR_WIDTH)
        self.frames_mean = self._constant("frames_mean", self.frame_dim)
        self.token_weights = self._constant("token_weights", self.vocabulary_size)
        self.frames_to_words = self._constant("frames_to_words", self.frame_dim, words)
        self.tokens_to_words = self._constant("tokens_to_words", self.vocabulary_size, words)
        self.words_share = self._constant("words_share")
        self.share = self._constant("share")
        if self.sentence_dim:
            sentences = min(words, self.sentence_dim)
            self.sentence_mean = self._constant("sentence_mean", self.sentence_dim)
            self.frames_to_sentences = self._constant("frames_to_sentences", self.frame_dim, sentences)
            self.states_to_sentences = self._constant("states_to_sentences", self.sentence_dim, sentences)

    def _constant(self, name: str, *shape: int) -> nn.Variable:
        return self.variable("statistics", name, jnp.zeros, shape)

    def encode_videos(self, frames: Float[Array, "v f d"], mask: Bool[Array, "v f"]) -> Float[Array, "v r"]:
        """Standardised frames to one unit vector for each of the maps, one after the other."""
        pooled = masked_mean(frames, mask) - self.frames_mean.value[None]
        sides = [normalize(pooled @ self.frames_to_words.value)]
        if self.sentence_dim:
            sides.append(normalize(pooled @ self.frames_to_sentences.value))
        return jnp.concatenate(sides, axis=1)

    def encode_texts(
        self, ids: Int[Array, "t w"], mask: Bool[Array, "t w"], states: Float[Array, "t w s"] | None
    ) -> Float[Array, "t r"]:
        """Tokens, and their states where there is an encoder, to the coordinates that a video's vector predicts."""
        weights = self.token_weights.value[ids] * first_occurrences(ids, mask)
        lengths = jnp.sqrt(jnp.sum(jnp.square(weights), axis=1, keepdims=True))
        words = jnp.einsum("tw,twr->tr", weights, self.tokens_to_words.value[ids])
        words = words / jnp.maximum(lengths, 1e-6)
        if not self.sentence_dim or states is None:
            return words
        share = self.words_share.value
        sentences = normalize(masked_mean(states, mask)) - self.sentence_mean.value[None]
        sentences = normalize(sentences) @ self.states_to_sentences.value
        return jnp.concatenate([share * words, (1.0 - share) * sentences], axis=1)


def first_occurrences(ids: Int[Array, "t w"], mask: Bool[Array, "t w"]) -> Float[Array, "t w"]:
    """One where a token of a caption stands for the first time, zero for repetitions and padding."""
    places = jnp.arange(ids.shape[1])
    earlier = (places[:, None] > places[None])[None] & mask[:, None, :]
    repeated = jnp.any((ids[:, :, None] == ids[:, None, :]) & earlier, axis=2)
    return (mask & ~repeated).astype(jnp.float32)
