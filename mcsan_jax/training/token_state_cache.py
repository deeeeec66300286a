"""This module computes the token states of a frozen text encoder once a caption, and keeps them on the host."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from data_pipeline.batches.batch import PairBatch, TextBatch
from mcsan_jax.models.bert import Bert, BertShape

_CHUNK = 64
"""So many captions are encoded at a time: one shape gives a caption the same states whatever is encoded beside it."""


class TokenStateCache:
    """A cache encodes a caption with a frozen encoder the first time it is seen, and then remembers its states.

    Args:
        shape: of the encoder.
        params: its parameters, wherever they are.
        compute_dtype: of its products.
        matmul_precision: of its products in float32, as of `jax.default_matmul_precision`.
    """

    def __init__(
        self, shape: BertShape, params: Any, compute_dtype: str, matmul_precision: str = "default"
    ) -> None:
        encoder = Bert(shape, compute_dtype)
        self._device = jax.local_devices()[0]
        self._params = jax.device_put(jax.device_get(params), self._device)
        self._width = shape.width

        def encode(params: Any, ids: jax.Array, mask: jax.Array) -> Any:
            with jax.default_matmul_precision(matmul_precision):
                return encoder.apply({"params": params}, ids, mask)

        self._encode = jax.jit(encode)
        self._states: dict[bytes, np.ndarray] = {}

    def attach(self, batches: Iterable[PairBatch]) -> Iterator[PairBatch]:
        """Yields the same batches with the states of their tokens, float32 [t, token, width]; padding is zero."""
        for batch in batches:
            yield dataclasses.replace(batch, texts=self._with_states(batch.texts))

    def _with_states(self, texts: TextBatch) -> TextBatch:
        ids, mask = np.asarray(texts.token_ids), np.asarray(texts.token_mask)
        keys = [row[real].tobytes() for row, real in zip(ids, mask, strict=True)]
        missing = {key: row for row, key in enumerate(keys) if key not in self._states}
        rows = list(missing.values())
        for first in range(0, len(rows), _CHUNK):
            self._encode_rows(ids, mask, keys, rows[first : first + _CHUNK])
        states = np.zeros((*ids.shape, self._width), np.float32)
        states[mask] = np.concatenate([self._states[key] for key in keys])
        return dataclasses.replace(texts, token_states=states)

    def _encode_rows(self, ids: np.ndarray, mask: np.ndarray, keys: list[bytes], rows: list[int]) -> None:
        filled = np.resize(rows, _CHUNK)
        rows_on_device = jax.device_put((ids[filled], mask[filled]), self._device)
        states = jax.device_get(self._encode(self._params, *rows_on_device))
        for number, row in enumerate(rows):
            self._states[keys[row]] = states[number][mask[row]]
