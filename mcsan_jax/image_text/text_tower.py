"""The text towers of CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025)."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mcsan_jax.image_text.tower_shapes import TextTowerShape
from mcsan_jax.image_text.transformer import Affine, Transformer, norm


@dataclasses.dataclass(frozen=True)
class TextShape:
    """These are the sizes of a text tower, and the tokens that its tokenizer puts around a text.

    Attributes:
        tower: the sizes.
        first_token: the token before every text, as a row of the word embedding; None where there is none.
        last_token: the token after every text, likewise.
        padding_token: the token that fills the rest of an input, likewise.
        first_id: the id that the tokenizer of the data gives to row 0 of the word embedding.
    """

    tower: TextTowerShape
    first_token: int | None
    last_token: int
    padding_token: int
    first_id: int

    @property
    def width(self) -> int:
        """Returns the size of a state."""
        return self.tower.blocks.width

    @property
    def longest_text(self) -> int:
        """Returns the number of own tokens of the longest input."""
        return self.tower.places - self.first_place - 1

    @property
    def first_place(self) -> int:
        """Returns the place of a text's first own token."""
        return 0 if self.first_token is None else 1


class TextTower(nn.Module):
    """A transformer turns the tokens of a text into a state for each, and into an embedding beside those of pictures.

    CLIP: a token sees itself and what stands before it, and the embedding is the state of the last token, normalised
    and projected. SigLIP: each place sees all others, also those that are filled up, and the embedding is the state
    of the very last place, normalised and mapped. The states are those after the last block and a LayerNorm. Both are
    what transformers calls ``get_text_features`` and ``last_hidden_state`` (without special tokens).

    Attributes:
        shape: the sizes of the tower, and its special tokens.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
        remat: whether blocks are computed again for the gradient, so that their results need not be kept.
    """

    shape: TextShape
    compute_dtype: str = "float32"
    remat: bool = False

    @nn.compact
    def __call__(
        self, token_ids: Int[Array, "t w"], mask: Bool[Array, "t w"]
    ) -> tuple[Float[Array, "t w width"], Float[Array, "t dim"]]:
        """Returns the states of a text's own tokens, zero where there is none, and embeddings, which have any norm.

        A text beyond the longest input loses its last tokens, which get no state.

        Args:
            token_ids: ids of the tokenizer of the data, without special tokens.
            mask: True for real tokens, which come first.
        """
        shape, tower, dtype = self.shape, self.shape.tower, self.compute_dtype
        is_clip, width = tower.family == "clip", tower.blocks.width
        ids = with_special_tokens(shape, token_ids, mask)
        states = nn.Embed(tower.vocabulary_size, width, name="words")(ids)
        places = self.param("places", nn.initializers.normal(0.02), (tower.places, width))
        states = states + places[None, : ids.shape[1]]
        sees = jnp.tri(ids.shape[1], dtype=bool)[None] if is_clip else None
        states = Transformer(tower.blocks, dtype, self.remat, name="blocks")(states, sees)
        states = norm(tower.blocks, "post_norm")(states)
        if is_clip:
            # The first folders of CLIP state a wrong last token, and the highest one is the last.
            is_end = ids == (
                jnp.max(ids, axis=1, keepdims=True) if tower.ends_at_highest else shape.last_token
            )
            pooled = jnp.take_along_axis(states, jnp.argmax(is_end, axis=1)[:, None, None], axis=1)[:, 0]
        else:
            pooled = states[:, -1]
        embedding = Affine(tower.width_out, dtype, has_bias=not is_clip, name="projection")(pooled)
        return _own_states(shape, states, mask), embedding


def with_special_tokens(
    shape: TextShape, token_ids: Int[Array, "t w"], mask: Bool[Array, "t w"]
) -> Int[Array, "t places"]:
    """Returns the inputs of a tower, as rows of its word embedding: texts with special tokens around them.

    CLIP, where nothing sees what fills the rest of an input, has as many places as the texts need.

    Args:
        shape: the sizes of the tower, and its special tokens.
        token_ids: ids of the tokenizer of the data, without special tokens.
        mask: True for real tokens, which come first.
    """
    begin = shape.first_place
    kept = min(token_ids.shape[1], shape.longest_text)
    places = kept + begin + 1 if shape.tower.family == "clip" else shape.tower.places
    end = begin + jnp.minimum(jnp.sum(mask, axis=1, keepdims=True), kept)
    own = jnp.pad(token_ids[:, :kept] - shape.first_id, ((0, 0), (begin, places - begin - kept)))
    place = jnp.arange(places)[None]
    ids = jnp.where(place < end, own, jnp.where(place == end, shape.last_token, shape.padding_token))
    return ids if shape.first_token is None else jnp.where(place == 0, shape.first_token, ids)


def embed_phrases(
    tower: Callable[[Array, Array], tuple[Array, Array]],
    token_ids: Int[Array, "t w"],
    phrases: Bool[Array, "t n w"],
    longest: int,
) -> Float[Array, "t n dim"]:
    """Returns the embedding of each phrase's own tokens as if they were a text; zero for a phrase without tokens.

    For CLIP and SigLIP that is the embedding of the words themselves, wherever they stand. SigLIP 2 marks the white
    space before a word as a part of it, so that words inside a text have other tokens than at its beginning.

    Args:
        tower: a `TextTower`, given its parameters.
        token_ids: ids of the tokenizer of the data, without special tokens.
        phrases: which tokens of its text each phrase has; they need not be neighbours.
        longest: tokens of a phrase beyond this number are left out.
    """
    texts, count = phrases.shape[:2]
    place = jnp.argsort(~phrases, axis=2, stable=True)[..., :longest]
    real = jnp.take_along_axis(phrases, place, axis=2)
    own = jnp.take_along_axis(token_ids[:, None], place, axis=2)
    longest = place.shape[2]
    _, embeddings = tower(own.reshape(texts * count, longest), real.reshape(texts * count, longest))
    return jnp.where(real[..., :1], embeddings.reshape(texts, count, -1), 0.0)


def _own_states(
    shape: TextShape, states: Float[Array, "t places width"], mask: Bool[Array, "t w"]
) -> Float[Array, "t w width"]:
    kept = min(mask.shape[1], shape.longest_text)
    own = states[:, shape.first_place : shape.first_place + kept]
    own = jnp.pad(own, ((0, 0), (0, mask.shape[1] - kept), (0, 0)))
    read = jnp.arange(mask.shape[1])[None] < kept
    return jnp.where((mask & read)[..., None], own, 0.0)
