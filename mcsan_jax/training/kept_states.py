"""Token states of a frozen text encoder, computed once for each caption and kept in the host's memory."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from data_pipeline.batches.batch import PairBatch, TextBatch, VideoBatch
from mcsan_jax.evaluation.encode_split import CaptionRows, FoilRows, Split
from mcsan_jax.models.bert import Bert, BertShape
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.train_step import TrainState

_CHUNK = 64
"""Captions encoded at a time: one shape, so that a caption has the same states whatever is encoded beside it."""


class KeptStates:
    """Encodes captions with a frozen encoder the first time they are seen.

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
        self._params = jax.device_put(jax.device_get(params), jax.local_devices()[0])
        self._width = shape.width

        def encode(params: Any, ids: jax.Array, mask: jax.Array) -> Any:
            with jax.default_matmul_precision(matmul_precision):
                return encoder.apply({"params": params}, ids, mask)

        self._encode = jax.jit(encode)
        # Rows that fill up a batch have no token.
        self._kept = {b"": np.zeros((0, self._width), np.float32)}

    def attach(self, batches: Iterable[PairBatch]) -> Iterator[PairBatch]:
        """The same batches, with the states of their tokens."""
        for batch in batches:
            yield dataclasses.replace(batch, texts=self.with_states(batch.texts))

    def with_states(self, texts: TextBatch) -> TextBatch:
        """The same captions, with the states of their tokens."""
        ids, mask = np.asarray(texts.token_ids), np.asarray(texts.token_mask)
        keys = [row[real].tobytes() for row, real in zip(ids, mask, strict=True)]
        missing = {key: row for row, key in enumerate(keys) if key not in self._kept}
        rows = list(missing.values())
        for first in range(0, len(rows), _CHUNK):
            self._keep(ids, mask, keys, rows[first : first + _CHUNK])
        states = np.zeros((*ids.shape, self._width), np.float32)
        states[mask] = np.concatenate([self._kept[key] for key in keys])
        return dataclasses.replace(texts, token_states=states)

    def _keep(self, ids: np.ndarray, mask: np.ndarray, keys: list[bytes], rows: list[int]) -> None:
        filled = np.resize(rows, _CHUNK)
        states = np.asarray(self._encode(self._params, ids[filled], mask[filled]))
        for place, row in enumerate(rows):
            self._kept[keys[row]] = states[place][mask[row]]


@dataclasses.dataclass(frozen=True)
class SplitWithStates:
    """A split whose captions and foils come with the states of their tokens.

    Attributes:
        split: what is read.
        states: computes the states of a caption when it is first read.
    """

    split: Split
    states: KeptStates

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        """All videos."""
        return self.split.video_batches(batch_size)

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionRows, TextBatch]]:
        """All captions, with states."""
        return (
            (info, self.states.with_states(texts)) for info, texts in self.split.caption_batches(batch_size)
        )

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilRows, TextBatch]]:
        """All foils, with states."""
        return ((info, self.states.with_states(texts)) for info, texts in self.split.foil_batches(batch_size))


def keeps_states(experiment: Experiment) -> bool:
    """Whether the text encoder is frozen, and what it makes of a caption is to be kept."""
    return experiment.config.train.keep_states and experiment.config.encoder_is_frozen


def make_kept_states(experiment: Experiment, state: TrainState) -> KeptStates:
    """Keeps what the frozen text encoder of an experiment makes of captions; no step changes its parameters."""
    assert experiment.model.pretrained is not None
    params = state.params["text_encoder"]["tokens"][PRETRAINED]
    model = experiment.config.model
    return KeptStates(experiment.model.pretrained, params, model.compute_dtype, model.matmul_precision)
