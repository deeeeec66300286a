"""Scores of whole collections block by block, and ranks counted from them.

Only one block of the score matrix exists at a time, beside the few that hold matched pairs: those are needed twice,
first to find the score that each query must beat, then to count, and are kept while there is room for them.
"""

import collections
import contextlib
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Float, Int

from data_pipeline.host.files import replacing
from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.evaluation.ablation import Fusion
from mcsan_jax.evaluation.collection import TextCollection, VideoCollection
from mcsan_jax.evaluation.ranking import RankCounter
from mcsan_jax.evaluation.relevance import Matches
from mcsan_jax.scoring.multi_level import FUSED, fuse_parts, score_parts
from mcsan_jax.scoring.prepared import PreparedTexts, PreparedVideos
from mcsan_jax.scoring.vectors import product_dtype
from mcsan_jax.sharding import DATA_AXIS, make_mesh, replicated, split_rows

Block = tuple[slice, slice]
Parts = dict[str, Float[np.ndarray, "..."]]
"""Scores by component."""

_KEPT_SHARE = 4
"""Blocks that are needed twice may take so many times `evaluation.encoded_bytes`."""


class BlockScorer:
    """Scores blocks of two collections; all blocks have the same shape, so that one program serves them.

    The captions of a block are split over the devices, each of which scores its own with the videos of the block. What
    a device computes has the same shape for any number of devices, and so the same bits. Videos stay on the devices
    from their first block on.

    Args:
        videos: all videos.
        texts: all captions.
        parameters: level weights.
        config: the experiment.
        fusions: other ways to make one score of the levels; each is a part of its own.
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
        self._last_texts: tuple[slice, PreparedTexts] | None = None
        self.encoded_bytes = config.evaluation.encoded_bytes
        third = self.encoded_bytes / 3
        self._height = max(min(int(third / max(videos.bytes_per_video, 1)), len(videos)), 1)
        self._width = max(min(int(2 * third / max(texts.bytes_per_caption, 1)), len(texts)), 1)
        self._room = texts.room(self._width)

    def with_fusions(self, fusions: tuple[Fusion, ...]) -> "BlockScorer":
        """The scores of the same videos and captions, fused in other ways, too."""
        return BlockScorer(self.videos, self.texts, self.parameters, self._config, fusions, self.mesh)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of videos and of captions."""
        return len(self.videos), len(self.texts)

    def blocks(self) -> list[list[Block]]:
        """All blocks, those of the same captions together."""
        videos, texts = self.shape
        return [
            [(rows, columns) for rows in _slices(videos, self._height)]
            for columns in _slices(texts, self._width * self.mesh.size)
        ]

    def scores(self, blocks: list[Block]) -> Iterator[tuple[Block, Parts]]:
        """Scores of blocks that share their captions, for every part of the score."""
        for rows, columns in blocks:
            videos = self.videos.on_devices(rows, self._height, self.mesh)
            parts = self._score_block(videos, self.texts_on_devices(columns), self._everywhere)
            height, width = rows.stop - rows.start, columns.stop - columns.start
            found = jax.device_get(parts)
            yield (rows, columns), {part: block[:height, :width] for part, block in found.items()}

    def texts_on_devices(self, columns: slice) -> PreparedTexts:
        """The captions of a block, each device with its own; kept until others are asked for."""
        if self._last_texts is None or self._last_texts[0] != columns:
            self._last_texts = None
            size = self.mesh.size
            bounds = [min(columns.start + n * self._width, columns.stop) for n in range(size + 1)]
            shares = []
            for device, first, end in zip(self.mesh.devices.flat, bounds[:-1], bounds[1:], strict=True):
                with jax.default_device(device):
                    shares.append(self.texts.take(slice(first, end), self._width, self._room))
            sharding = split_rows(self.mesh)
            joined = jax.tree.map(
                lambda *own: jax.make_array_from_single_device_arrays(
                    (size * len(own[0]), *own[0].shape[1:]), sharding, list(own)
                ),
                *shares,
            )
            self._last_texts = columns, joined
        return self._last_texts[1]

    def scores_of(self, videos: Int[np.ndarray, " v"], captions: Int[np.ndarray, " t"]) -> Parts:
        """Scores [v, t] of some videos with some captions, named by their indices."""
        room = self.texts.room_for(captions)
        parts = self._score(
            self.videos.take(videos, len(videos)),
            self.texts.take(captions, len(captions), room),
            self.parameters,
        )
        return {part: np.asarray(block) for part, block in parts.items()}

    def margins_over(
        self,
        foils: TextCollection,
        captions: Int[np.ndarray, " foil"],
        of_captions: Int[np.ndarray, " foil"],
    ) -> Parts:
        """By how much each of these captions scores above its foil, with the video to which both belong [foil].

        Args:
            foils: a false caption for each of the captions, at most as many as are encoded at a time.
            captions: their true captions.
            of_captions: the video of each.
        """
        size = self._config.evaluation.encode_batch
        rooms = (foils.room_for(slice(None)), self.texts.room_for(captions))
        room = {level: max(of_level[level] for of_level in rooms) for level in rooms[0]}
        videos = self.videos.take(of_captions, size)
        of_true = self._score(videos, self.texts.take(captions, size, room), self.parameters)
        of_foils = self._score(videos, foils.take(slice(None), size, room), self.parameters)
        return {part: np.diagonal(of_true[part] - of_foils[part])[: len(captions)] for part in of_true}


@runtime_checkable
class BlockCounter(Protocol):
    """Learns from the blocks of one part of the score; see `ranking.MatchedScores` for the two rounds."""

    def has_match(self, videos: slice, texts: slice) -> bool:
        """Whether it needs the block in the first round."""
        ...

    def see_matches(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """First round: a block that holds a caption with its video."""
        ...

    def count(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Second round: every block once."""
        ...


class EveryBlock:
    """A counter of the second round alone.

    Args:
        take: is given each block [videos, texts] and where it stands.
    """

    def __init__(self, take: Callable[[np.ndarray, slice, slice], None]) -> None:
        self.count = take

    def has_match(self, videos: slice, texts: slice) -> bool:
        """Never."""
        return False

    def see_matches(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Does nothing."""


def count_ranks(
    scorer: BlockScorer, matches: Matches, others: Sequence[BlockCounter] = ()
) -> dict[str, RankCounter]:
    """Ranks in both directions by every part of the score.

    Args:
        scorer: the collections.
        matches: which captions and videos belong together.
        others: counters that are shown the fused scores, too.
    """
    ranks = collections.defaultdict[str, RankCounter](lambda: RankCounter(matches))

    def counters(part: str) -> list[BlockCounter]:
        return [ranks[part], *(others if part == FUSED else ())]

    kept: dict[tuple[int, int], Parts] = {}
    room = _KEPT_SHARE * scorer.encoded_bytes
    for strip in scorer.blocks():
        matched = [block for block in strip if any(each.has_match(*block) for each in counters(FUSED))]
        for (rows, columns), parts in scorer.scores(matched):
            for part, scores in parts.items():
                for counter in counters(part):
                    counter.see_matches(scores, rows, columns)
            size = sum(scores.nbytes for scores in parts.values())
            if size <= room:
                kept[rows.start, columns.start] = parts
                room -= size

    for strip in scorer.blocks():
        missing = [(rows, columns) for rows, columns in strip if (rows.start, columns.start) not in kept]
        known = [
            ((rows, columns), kept.pop((rows.start, columns.start)))
            for rows, columns in strip
            if (rows.start, columns.start) in kept
        ]
        for (rows, columns), parts in (*known, *scorer.scores(missing)):
            for part, scores in parts.items():
                for counter in counters(part):
                    counter.count(scores, rows, columns)
    return dict(ranks)


@contextlib.contextmanager
def score_file(
    path: pathlib.Path | None, shape: tuple[int, int]
) -> Iterator[Callable[[Float[np.ndarray, "v t"], slice, slice], None] | None]:
    """Yields what writes a block of a matrix [v, t] to disk, or None without a path.

    The file appears under its name at the end, when it is complete.
    """
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        # Written to the end first: where a mapped file has no room on the disk, the process is killed without a word.
        with partial.open("wb") as file:
            header = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(shape[0]):
                file.write(bytes(4 * shape[1]))
        matrix = np.lib.format.open_memmap(partial, "r+")

        def write(block: Float[np.ndarray, "v t"], rows: slice, columns: slice) -> None:
            matrix[rows, columns] = block

        yield write
        matrix.flush()


@functools.cache
def _compiled_scorer(
    similarity: SimilarityConfig, compute_dtype: str, fusions: tuple[Fusion, ...], mesh: Mesh | None
) -> Any:
    """The scoring function; kept, so that the next evaluation does not compile it again.

    On a mesh, each device scores all videos with the captions that it holds.
    """
    dtype = product_dtype(compute_dtype)
    as_trained = Fusion(FUSED, (), similarity.missing_levels, similarity.attribute_share)

    def scores(
        videos: PreparedVideos, texts: PreparedTexts, parameters: ScoringParameters
    ) -> dict[str, jax.Array]:
        with_attributes = any(fusion.attribute_share > 0 for fusion in (as_trained, *fusions))
        parts = score_parts(videos, texts, similarity, with_attributes, dtype)
        fused = {
            fusion.name: fuse_parts(
                {part: parts[part] for part in fusion.kept(parts)},
                texts,
                parameters,
                fusion.missing_levels,
                fusion.attribute_share,
            )
            for fusion in (as_trained, *fusions)
        }
        return {**fused, **parts}

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
