"""This module computes what training learns from the validation split: ranks and losses, from one encoding."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet, ScoringParameters
from mcsan_jax.ranking.encode_split import EncodedCaptions, EncodedSplit, EncodedVideos, encode_split
from mcsan_jax.ranking.rank_split import Evaluation, ScoredSplit, rank_split
from mcsan_jax.ranking.readable_split import Split
from mcsan_jax.sharding import put_batch, replicated, split_rows
from mcsan_jax.training.experiment import Experiment, variables_of
from mcsan_jax.training.linear_start import choose_linear_share, with_linear_share
from mcsan_jax.training.objective import logged_losses, make_objective
from mcsan_jax.training.token_state_cache import (
    CompletedSplit,
    caches_token_states,
    make_span_cache,
    make_token_state_cache,
)
from mcsan_jax.training.train_step import Metrics, TrainState


@runtime_checkable
class PairRows(Protocol):
    """These rows say which videos and captions a batch holds."""

    @property
    def videos(self) -> Sequence[str]:
        """Returns the id of each row's video; it is empty where the row only fills up the batch."""
        ...

    @property
    def captions(self) -> Int[np.ndarray, "v c"]:
        """Returns the numbers of each row's captions among those of its video."""
        ...


class NumberedPairStream(Protocol):
    """The stream yields batches whose order is a pure function of the step, and says what their rows are."""

    def numbered_from_step(self, step: int) -> Iterator[tuple[PairRows, PairBatch]]:
        """Yields batches from a global step on, without end."""
        ...


class Validation:
    """A validation ranks the validation split, and computes the loss of training on it, without dropout.

    The loss is that of the first batches of a stream, the same ones every time; their rows are taken from the
    encodings that were ranked. Token states of a frozen text encoder are computed once for all validations.

    Args:
        experiment: the model, the objective and the mesh.
        split: the validation split.
        name: the name of the split, for errors.
        batches: the pairs of the split, in batches of a size that the mesh divides.
        steps: the number of batches, usually one pass over the videos; each counts by its real videos.
    """

    def __init__(
        self, experiment: Experiment, split: Split, name: str, batches: NumberedPairStream, steps: int
    ) -> None:
        self._experiment, self._split, self._name = experiment, split, name
        self._batches = [
            (rows, _without_inputs(batch))
            for rows, batch in itertools.islice(batches.numbered_from_step(0), steps)
        ]
        self._losses = _compiled_losses(experiment)
        self._is_completed = False

    def __call__(self, state: TrainState) -> tuple[TrainState, Evaluation, dict[str, float]]:
        """Chooses the share of the linear branch, ranks the split with it, and computes the losses.

        Returns:
            The state with that share; its figures; the loss and its terms, by the names ``loss`` and ``loss/<term>``,
            and the share, ``linear_share``, where there is a branch.
        """
        experiment = self._experiment
        if not self._is_completed:
            self._is_completed = True
            if caches_token_states(experiment):
                self._split = CompletedSplit(self._split, make_token_state_cache(experiment, state))
            if (spans := make_span_cache(experiment, state)) is not None:
                self._split = CompletedSplit(self._split, spans)
        encoded = encode_split(
            experiment.encoders,
            variables_of(state),
            self._split,
            experiment.config.evaluation.encode_batch,
            self._name,
            caption_logits=True,
        )
        losses = self.losses(encoded)
        if experiment.config.similarity.linear_branch:
            share = choose_linear_share(encoded, experiment)
            state = with_linear_share(state, share)
            parameters = experiment.encoders.scoring_parameters(variables_of(state))
            encoded = dataclasses.replace(encoded, parameters=parameters)
            losses["linear_share"] = share
        return state, rank_split(ScoredSplit.of(encoded, experiment.config)), losses

    def losses(self, encoded: EncodedSplit) -> dict[str, float]:
        """Returns the means over the videos of the loss and its terms."""
        places = {video: place for place, video in enumerate(encoded.videos.ids)}
        first_captions = np.searchsorted(encoded.captions.video_of_text, np.arange(len(places)))
        sums: dict[str, float] = {}
        total = 0.0
        for rows, batch in self._batches:
            real = np.asarray(batch.example_mask)
            # The result does not depend on rows that are not real; the first row takes their places.
            videos = np.array([places.get(video, 0) for video in rows.videos])
            captions = np.where(real[:, None], first_captions[videos][:, None] + rows.captions, 0).ravel()
            local = (_encoded_videos(encoded.videos, videos), _encoded_captions(encoded.captions, captions))
            on_devices = put_batch((*jax.device_get(local), batch), self._experiment.mesh)
            count, losses = jax.device_get(self._losses(*on_devices, encoded.parameters))
            total += float(count)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(count * value)
        return {name: value / total for name, value in sums.items()}


def _compiled_losses(experiment: Experiment) -> Any:
    objective = make_objective(experiment.config, experiment.mesh)

    def losses_of(
        videos: Encoding, texts: Encoding, batch: PairBatch, parameters: ScoringParameters
    ) -> tuple[jax.Array, Metrics]:
        total, terms = objective(videos, texts, parameters, batch, None)
        real = jnp.sum(batch.example_mask, dtype=jnp.float32)
        return real, logged_losses(total, terms)

    rows, everywhere = split_rows(experiment.mesh), replicated(experiment.mesh)
    return jax.jit(losses_of, in_shardings=(rows, rows, rows, everywhere), out_shardings=everywhere)


def _without_inputs(batch: PairBatch) -> PairBatch:
    """Returns what the objective needs beside the encodings (labels, groups and the mask), without the inputs."""
    videos = dataclasses.replace(
        batch.videos,
        frames=batch.videos.frames[:, :0].copy(),
        frame_mask=batch.videos.frame_mask[:, :0].copy(),
        regions=None,
    )
    return dataclasses.replace(batch, videos=videos)


def _encoded_videos(videos: EncodedVideos, rows: Int[np.ndarray, " v"]) -> Encoding:
    """Returns some videos as an encoder gives them, except the lengths of vectors, on which no loss depends."""
    normalised = videos.collection.take(rows, len(rows))
    nodes = {
        level: NodeSet(frames.directions * frames.lengths[:, :, None], frames.lengths > 0)
        for level, frames in normalised.frames.items()
    }
    logits = {level: of_level[rows] for level, of_level in videos.logits.items()}
    return Encoding(LevelEmbeddings(normalised.pooled, nodes), logits)


def _encoded_captions(captions: EncodedCaptions, rows: Int[np.ndarray, " t"]) -> Encoding:
    """Returns some captions as an encoder gives them, except the lengths of vectors, on which no loss depends."""
    collection = captions.collection
    pooled = None if collection.pooled is None else collection.pooled[rows]
    nodes = {level: of_level.padded(rows) for level, of_level in collection.nodes.items()}
    logits = {level: of_level[rows] for level, of_level in captions.logits.items()}
    return Encoding(LevelEmbeddings(pooled, nodes), logits)
