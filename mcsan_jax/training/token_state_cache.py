"""This module computes the token states of a frozen text encoder once for each caption, and keeps them on the host."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from data_pipeline.batches.batch import PairBatch, TextBatch, VideoBatch
from mcsan_jax.models.text_encoder import PRETRAINED, EncoderShape, pretrained_encoder, token_states
from mcsan_jax.ranking.encode_split import CaptionRows, FoilRows, Split
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.train_step import TrainState

_CHUNK = 64
"""This many captions are encoded at a time: with one shape, a caption's states do not depend on its neighbours."""


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
        for batch in batches:
            yield dataclasses.replace(batch, texts=self.with_states(batch.texts))

    def with_states(self, texts: TextBatch) -> TextBatch:
        """Returns the same captions with the states of their tokens."""
        ids, mask = np.asarray(texts.token_ids), np.asarray(texts.token_mask)
        keys = [row[real].tobytes() for row, real in zip(ids, mask, strict=True)]
        missing = {key: row for row, key in enumerate(keys) if key not in self._states}
        rows = list(missing.values())
        for first in range(0, len(rows), _CHUNK):
            self._encode_rows(ids, mask, keys, rows[first : first + _CHUNK])
        states = np.zeros((*ids.shape, self._width), np.float32)
        states[mask] = np.concatenate([self._states[key] for key in keys])
        return dataclasses.replace(texts, token_states=states)

    def mean_states(self, texts: TextBatch) -> Float[np.ndarray, "t d"]:
        """Returns the mean of the states of each caption's tokens, float32; zero for a caption without tokens."""
        counts = np.asarray(texts.token_mask).sum(axis=1)
        states = np.asarray(self.with_states(texts).token_states)
        return states.sum(axis=1) / np.maximum(counts, 1).astype(np.float32)[:, None]

    def forget(self) -> None:
        """Drops what is remembered."""
        self._states = {b"": self._states[b""]}

    def _encode_rows(self, ids: np.ndarray, mask: np.ndarray, keys: list[bytes], rows: list[int]) -> None:
        filled = np.resize(rows, _CHUNK)
        rows_on_device = jax.device_put((ids[filled], mask[filled]), self._device)
        states = jax.device_get(self._encode(self._params, *rows_on_device))
        for number, row in enumerate(rows):
            self._states[keys[row]] = states[number][mask[row]]


@dataclasses.dataclass(frozen=True)
class SplitWithStates:
    """A split whose captions and foils come with the states of their tokens.

    Attributes:
        split: what is read.
        cache: computes the states of a caption when it is first read.
    """

    split: Split
    cache: TokenStateCache

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        """Yields all videos."""
        return self.split.video_batches(batch_size)

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionRows, TextBatch]]:
        """Yields all captions, with states."""
        return (
            (info, self.cache.with_states(texts)) for info, texts in self.split.caption_batches(batch_size)
        )

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilRows, TextBatch]]:
        """Yields all foils, with states."""
        return ((info, self.cache.with_states(texts)) for info, texts in self.split.foil_batches(batch_size))


def caches_token_states(experiment: Experiment) -> bool:
    """Returns whether the text encoder is frozen and the config lets its states be kept."""
    return experiment.config.train.token_state_cache and experiment.config.encoder_is_frozen


def make_token_state_cache(experiment: Experiment, state: TrainState) -> TokenStateCache:
    """Makes a cache of the states of an experiment's frozen text encoder; no step changes its parameters."""
    assert experiment.model.pretrained is not None
    params = state.params["text_encoder"]["tokens"][PRETRAINED]
    model = experiment.config.model
    return TokenStateCache(experiment.model.pretrained, params, model.compute_dtype, model.matmul_precision)
