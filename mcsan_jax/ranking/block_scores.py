"""This module scores whole collections; only one block of the scores exists at a time."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Float, Int

from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.collection import TextCollection, VideoCollection
from mcsan_jax.scoring.multi_level import FUSED, Fusion, fuse_components, score_components
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos
from mcsan_jax.scoring.vectors import product_dtype
from mcsan_jax.sharding import DATA_AXIS, make_mesh, replicated, split_rows

Block = tuple[slice, slice]
ComponentScores = dict[str, Float[np.ndarray, "..."]]
"""Scores by component: the fused score, level scores and the attribute score by their names."""


class BlockScorer:
    """A scorer scores blocks of two collections; all blocks have the same shape, so that one program serves them.

    The captions of a block are split over the devices, each of which scores its own with the videos of the block. What
    a device computes has the same shape for any number of devices, and so the same bits. Videos stay on the devices
    from their first block on.

    Args:
        videos: all videos.
        texts: all captions.
        parameters: level weights.
        config: the experiment.
        fusions: other ways to make one score of the levels; each is a component of its own.
        mesh: devices of this process; the first one by default.
    """

    def __init__(
        self,
        videos: VideoCollection,
        texts: TextCollection,
        parameters: ScoringParameters,
        config: Config,
        fusions: tuple[Fusion, ...] = (),
        mesh: Mesh | None = None,
    ) -> None:
        self.videos, self.texts, self.parameters, self._config = videos, texts, parameters, config
        self.mesh = make_mesh(jax.local_devices()[:1]) if mesh is None else mesh
        self._score = _compiled_scorer(config.similarity, config.model.compute_dtype, fusions, None)
        self._score_block = _compiled_scorer(
            config.similarity, config.model.compute_dtype, fusions, self.mesh
        )
        self._everywhere = jax.device_put(parameters, replicated(self.mesh))
        self._last_texts: tuple[slice, NormalisedTexts] | None = None
        self.encoded_bytes = config.evaluation.encoded_bytes
        third = self.encoded_bytes / 3
        self._height = max(min(int(third / max(videos.bytes_per_video, 1)), len(videos)), 1)
        self._width = max(min(int(2 * third / max(texts.bytes_per_caption, 1)), len(texts)), 1)
        self._capacity = texts.capacity(self._width)

    def with_fusions(self, fusions: tuple[Fusion, ...]) -> "BlockScorer":
        """Returns a scorer of the same videos and captions that also fuses in other ways."""
        return BlockScorer(self.videos, self.texts, self.parameters, self._config, fusions, self.mesh)

    @property
    def shape(self) -> tuple[int, int]:
        """Returns the number of videos and of captions."""
        return len(self.videos), len(self.texts)

    @functools.cached_property
    def components(self) -> list[str]:
        """Returns the names of the components of the score, the fused score first."""
        one = slice(0, 1)
        videos, texts = self.videos.take(one, 1), self.texts.take(one, 1, self.texts.capacity_for(one))
        names = jax.eval_shape(self._score, videos, texts, self.parameters)
        return [FUSED, *(name for name in names if name != FUSED)]

    def blocks(self) -> list[list[Block]]:
        """Returns all blocks as rows and columns, those of the same captions together."""
        videos, texts = self.shape
        return [
            [(rows, columns) for rows in _slices(videos, self._height)]
            for columns in _slices(texts, self._width * self.mesh.size)
        ]

    def scores(self, blocks: list[Block]) -> Iterator[tuple[Block, ComponentScores]]:
        """Yields the scores of blocks that share their captions, by every component [v, t]."""
        for rows, columns in blocks:
            videos = self.videos.on_devices(rows, self._height, self.mesh)
            components = self._score_block(videos, self.texts_on_devices(columns), self._everywhere)
            height, width = rows.stop - rows.start, columns.stop - columns.start
            found = jax.device_get(components)
            yield (rows, columns), {component: block[:height, :width] for component, block in found.items()}

    def texts_on_devices(self, columns: slice) -> NormalisedTexts:
        """Returns the captions of a block, a share on each device; they stay there until others are asked for."""
        if self._last_texts is None or self._last_texts[0] != columns:
            self._last_texts = None
            size = self.mesh.size
            bounds = [min(columns.start + n * self._width, columns.stop) for n in range(size + 1)]
            shares = []
            for device, first, end in zip(self.mesh.devices.flat, bounds[:-1], bounds[1:], strict=True):
                with jax.default_device(device):
                    shares.append(self.texts.take(slice(first, end), self._width, self._capacity))
            sharding = split_rows(self.mesh)
            joined = jax.tree.map(
                lambda *own: jax.make_array_from_single_device_arrays(
                    (size * len(own[0]), *own[0].shape[1:]), sharding, list(own)
                ),
                *shares,
            )
            self._last_texts = columns, joined
        return self._last_texts[1]

    def scores_of(self, videos: Int[np.ndarray, " v"], captions: Int[np.ndarray, " t"]) -> ComponentScores:
        """Returns the scores [v, t] of some videos with some captions, which are named by their indices."""
        capacity = self.texts.capacity_for(captions)
        components = self._score(
            self.videos.take(videos, len(videos)),
            self.texts.take(captions, len(captions), capacity),
            self.parameters,
        )
        return {component: np.asarray(block) for component, block in components.items()}

    def margins_over(
        self,
        foils: TextCollection,
        captions: Int[np.ndarray, " foil"],
        of_captions: Int[np.ndarray, " foil"],
    ) -> ComponentScores:
        """Returns by how much each of these captions scores above its foil, with the video to which both belong [foil].

        Args:
            foils: a false caption for each of the captions, at most as many as are encoded at a time.
            captions: their true captions.
            of_captions: the video of each.
        """
        size = self._config.evaluation.encode_batch
        capacities = (foils.capacity_for(slice(None)), self.texts.capacity_for(captions))
        capacity = {level: max(one[level] for one in capacities) for level in capacities[0]}
        of_true = self.pair_scores(self.texts, captions, of_captions, size, capacity)
        of_foils = self.pair_scores(foils, np.arange(len(foils)), of_captions, size, capacity)
        return {component: of_true[component] - of_foils[component] for component in of_true}

    def pair_scores(
        self,
        texts: TextCollection,
        rows: Int[np.ndarray, " pair"],
        of_videos: Int[np.ndarray, " pair"],
        size: int,
        capacity: dict[str, int],
    ) -> ComponentScores:
        """Returns the scores of captions, each with one video [pair].

        Args:
            texts: holds the captions.
            rows: which of them.
            of_videos: the video of each.
            size: the number of pairs in the arrays on the device, at least that of the pairs.
            capacity: room for nodes of each level.
        """
        videos = self.videos.take(of_videos, size)
        components = self._score(videos, texts.take(rows, size, capacity), self.parameters)
        return {component: np.diagonal(block)[: len(rows)] for component, block in components.items()}


@functools.cache
def _compiled_scorer(
    similarity: SimilarityConfig, compute_dtype: str, fusions: tuple[Fusion, ...], mesh: Mesh | None
) -> Any:
    """Returns the scoring function, which is kept so that the next evaluation does not compile it again.

    On a mesh, each device scores all videos with the captions that it holds.
    """
    dtype = product_dtype(compute_dtype)
    all_fusions = (Fusion.as_trained(similarity), *fusions)

    def scores(
        videos: NormalisedVideos, texts: NormalisedTexts, parameters: ScoringParameters
    ) -> dict[str, jax.Array]:
        with_attributes = any(fusion.attribute_share > 0 for fusion in all_fusions)
        components = score_components(videos, texts, similarity, with_attributes, dtype)
        fused = {
            fusion.name: fuse_components(components, texts, parameters, fusion) for fusion in all_fusions
        }
        return {**fused, **components}

    if mesh is None:
        return jax.jit(scores)
    everywhere, own = PartitionSpec(), PartitionSpec(DATA_AXIS)
    of_own = PartitionSpec(None, DATA_AXIS)
    # Nothing passes between the devices, so there is nothing to check of what varies over them.
    return jax.jit(
        jax.shard_map(
            scores, mesh=mesh, in_specs=(everywhere, own, everywhere), out_specs=of_own, check_vma=False
        )
    )


def _slices(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
