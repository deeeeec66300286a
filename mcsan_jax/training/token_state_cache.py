"""This module computes what a frozen text encoder makes of a caption once, and keeps it on the host.

These are the states of its tokens, and, where an image-text encoder reads it, the embeddings of its sentence and of the
words of each node with its modifiers.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from jaxtyping import Float

from data_pipeline.batches.batch import PairBatch, TextBatch, VideoBatch
from mcsan_jax.image_text.text_tower import TextShape, TextTower
from mcsan_jax.models.text_encoder import PRETRAINED, EncoderShape, pretrained_encoder, token_states
from mcsan_jax.models.zero_shot_branch import SPAN_TOKENS, TOWER
from mcsan_jax.ranking.readable_split import CaptionRows, FoilRows, Split
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.train_step import TrainState

_CHUNK = 64
_WIDTH = 8
"""This many texts are encoded at a time, padded to a multiple of so many tokens that depends on each text alone.

A caption's states then do not depend on its neighbours, and short captions, which most are, take less time.
"""

_BYTES = np.dtype(np.int32).itemsize


class CaptionCache(Protocol):
    """A cache adds to captions what a frozen encoder makes of them, and computes that once."""

    def completed(self, texts: TextBatch) -> TextBatch:
        """Returns the same captions with what the encoder makes of them."""
        ...


def _completed_pairs(cache: CaptionCache, batch: PairBatch) -> PairBatch:
    """Returns the batch with what the encoder makes of its captions and of its foils."""
    foils = None if batch.foils is None else cache.completed(batch.foils)
    return dataclasses.replace(batch, texts=cache.completed(batch.texts), foils=foils)


class TokenStateCache:
    """A cache encodes a caption with a frozen encoder the first time it is seen, and then remembers its states.

    Args:
        shape: the sizes of the encoder.
        params: its parameters, on the host or on devices.
        compute_dtype: the type of the inputs of its products.
        matmul_precision: the precision of its float32 products, as in `jax.default_matmul_precision`.
    """

    def __init__(
        self, shape: EncoderShape, params: Any, compute_dtype: str, matmul_precision: str = "default"
    ) -> None:
        encoder = pretrained_encoder(shape, compute_dtype)
        self._device = jax.local_devices()[0]
        self._params = jax.device_put(jax.device_get(params), self._device)
        self._width = shape.width

        def encode(params: Any, ids: jax.Array, mask: jax.Array) -> Any:
            with jax.default_matmul_precision(matmul_precision):
                result: Any = encoder.apply({"params": params}, ids, mask)
                return token_states(result)

        self._encode = jax.jit(encode)
        # Rows that only fill up a batch have no token.
        self._states = {b"": np.zeros((0, self._width), np.float32)}

    def attach(self, batches: Iterable[PairBatch]) -> Iterator[PairBatch]:
        """Yields the same batches with the states of their tokens, float32 [t, token, width]; padding is zero."""
        return (_completed_pairs(self, batch) for batch in batches)

    def completed(self, texts: TextBatch) -> TextBatch:
        """Returns the same captions with the states of their tokens."""
        ids, mask = np.asarray(texts.token_ids), np.asarray(texts.token_mask)
        keys = [row[real].tobytes() for row, real in zip(ids, mask, strict=True)]
        missing = {key: row for row, key in enumerate(keys) if key not in self._states}
        rows = np.array(list(missing.values()), int)
        widths = -(-mask[rows].sum(axis=1) // _WIDTH) * _WIDTH
        for width in np.unique(widths):
            same = rows[widths == width]
            for first in range(0, len(same), _CHUNK):
                self._encode_rows(ids[:, :width], mask[:, :width], keys, same[first : first + _CHUNK])
        states = np.zeros((*ids.shape, self._width), np.float32)
        states[mask] = np.concatenate([self._states[key] for key in keys])
        return dataclasses.replace(texts, token_states=states)

    def mean_states(self, texts: TextBatch) -> Float[np.ndarray, "t d"]:
        """Returns the mean of the states of each caption's tokens, float32; zero for a caption without tokens."""
        counts = np.asarray(texts.token_mask).sum(axis=1)
        states = np.asarray(self.completed(texts).token_states)
        return states.sum(axis=1) / np.maximum(counts, 1).astype(np.float32)[:, None]

    def forget(self) -> None:
        """Drops what is remembered."""
        self._states = {b"": self._states[b""]}

    def _encode_rows(self, ids: np.ndarray, mask: np.ndarray, keys: list[bytes], rows: np.ndarray) -> None:
        filled = np.resize(rows, _CHUNK)
        rows_on_device = jax.device_put((ids[filled], mask[filled]), self._device)
        states = jax.device_get(self._encode(self._params, *rows_on_device))
        for number, row in enumerate(rows):
            self._states[keys[row]] = states[number][mask[row]]


class SpanCache:
    """A cache embeds a sentence, or the words of a node, with a text tower the first time they are seen.

    It then remembers the embedding. Nodes of many captions have the same words.

    Args:
        shape: the sizes of the tower.
        params: its parameters, on the host or on devices.
        compute_dtype: the type of the inputs of its products.
    """

    def __init__(self, shape: TextShape, params: Any, compute_dtype: str) -> None:
        tower = TextTower(shape, compute_dtype)
        self._device = jax.local_devices()[0]
        self._params = jax.device_put(jax.device_get(params), self._device)

        def encode(params: Any, ids: jax.Array, mask: jax.Array) -> Any:
            return tower.apply({"params": params}, ids, mask)[1]

        self._encode = jax.jit(encode)
        # Padding has no words.
        self._embeddings = {b"": np.zeros(shape.tower.width_out, np.float32)}

    def attach(self, batches: Iterable[PairBatch]) -> Iterator[PairBatch]:
        """Yields the same batches with the embeddings of their captions."""
        return (_completed_pairs(self, batch) for batch in batches)

    def completed(self, texts: TextBatch) -> TextBatch:
        """Returns the same captions with the embeddings of their sentences and nodes, float32 [t, 1 + n, dim]."""
        keys = [key for caption in _words_of(texts) for key in caption]
        unknown = [key for key in dict.fromkeys(keys) if key not in self._embeddings]
        # Most nodes are short, and a tower takes as long as its input is.
        longest = SPAN_TOKENS * _BYTES
        self._embed([key for key in unknown if len(key) <= longest], SPAN_TOKENS)
        self._embed([key for key in unknown if len(key) > longest], texts.token_ids.shape[1])
        embeddings = np.stack([self._embeddings[key] for key in keys])
        return dataclasses.replace(
            texts, span_embeddings=embeddings.reshape(len(texts.token_ids), -1, embeddings.shape[1])
        )

    def _embed(self, keys: list[bytes], width: int) -> None:
        for first in range(0, len(keys), _CHUNK):
            chosen = keys[first : first + _CHUNK]
            ids, mask = np.zeros((_CHUNK, width), np.int32), np.zeros((_CHUNK, width), bool)
            for row, key in enumerate(chosen):
                words = np.frombuffer(key, np.int32)
                ids[row, : len(words)], mask[row, : len(words)] = words, True
            found = jax.device_get(self._encode(self._params, *jax.device_put((ids, mask), self._device)))
            self._embeddings.update(zip(chosen, found[: len(chosen)], strict=True))


def _words_of(texts: TextBatch) -> Iterator[list[bytes]]:
    """Yields the tokens of each caption, and then those of each of its nodes and its modifiers, none for padding."""
    ids, mask = np.asarray(texts.token_ids, np.int32), np.asarray(texts.token_mask)
    for own, real, phrases in zip(ids, mask, np.asarray(texts.node_tokens()), strict=True):
        nodes = [own[phrase][:SPAN_TOKENS] for phrase in phrases]
        yield [words.tobytes() for words in (own[real], *nodes)]


@dataclasses.dataclass(frozen=True)
class CompletedSplit:
    """A split whose captions and foils come with what a frozen encoder makes of them.

    Attributes:
        split: what is read.
        cache: computes that of a caption when it is first read.
    """

    split: Split
    cache: CaptionCache

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        """Yields all videos."""
        return self.split.video_batches(batch_size)

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionRows, TextBatch]]:
        """Yields all captions, completed."""
        return ((info, self.cache.completed(texts)) for info, texts in self.split.caption_batches(batch_size))

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilRows, TextBatch]]:
        """Yields all foils, completed."""
        return ((info, self.cache.completed(texts)) for info, texts in self.split.foil_batches(batch_size))


def caches_token_states(experiment: Experiment) -> bool:
    """Returns whether the text encoder is frozen and the config lets its states be kept."""
    return experiment.config.train.token_state_cache and experiment.config.encoder_is_frozen


def make_token_state_cache(experiment: Experiment, state: TrainState) -> TokenStateCache:
    """Makes a cache of the states of an experiment's frozen text encoder; no step changes its parameters."""
    model, network = experiment.config.model, experiment.model
    if network.pretrained is not None:
        shape, params = network.pretrained, state.params["text_encoder"]["tokens"][PRETRAINED]
    else:
        assert network.zero_shot is not None
        shape, params = network.zero_shot.text, state.params["zero_shot_branch"][TOWER]
    return TokenStateCache(shape, params, model.compute_dtype, model.matmul_precision)


def make_span_cache(experiment: Experiment, state: TrainState) -> SpanCache | None:
    """Makes a cache of the embeddings of an experiment's text tower; None where it has none."""
    shape = experiment.model.zero_shot
    if shape is None:
        return None
    params = state.params["zero_shot_branch"][TOWER]
    return SpanCache(shape.text, params, experiment.config.model.compute_dtype)
