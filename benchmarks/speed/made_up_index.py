"""Made-up videos and texts of an index of any size, a segment at a time: independent vectors, or like trained ones.

`independent` vectors have nothing in common: frames, videos and texts are drawn alone. That is the hardest case of a
stage-1 vector, which has one mix of frames for all nodes. `trained_like` ones have what trained vectors show, with
figures as the demo's model has them: a common direction, topics, frames of a video that resemble each other (a median
cosine of 0.6), and texts that describe one of the videos.
"""

import dataclasses
import enum
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.made_up_data import make_texts
from data_pipeline.levels import LEVELS, NODE_LEVELS
from mcsan_jax.config import Config
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.index.engines.flat_engine import FlatEngine
from mcsan_jax.index.stage_one import stage_one_videos
from mcsan_jax.ranking.collection import CaptionNodes, TextCollection
from mcsan_jax.retrieval.embeddings import FrameVectors, VideoEmbeddings
from mcsan_jax.search.stages.exact_scores import CollectionScorer
from mcsan_jax.search.stages.two_stages import CandidateSearch

SEGMENT = 4096

UNIFORM = ScoringParameters(dict.fromkeys(LEVELS, np.float32(1 / len(LEVELS))), np.float32(1.0))
"""Of a model whose levels count alike."""

_TOPICS = 200


class Kind(enum.StrEnum):
    """Of the vectors."""

    TRAINED_LIKE = "trained_like"
    INDEPENDENT = "independent"


@dataclasses.dataclass(frozen=True)
class MadeUp:
    """A made-up index.

    Attributes:
        kind: of the vectors.
        videos: how many.
        frames: of a video.
        width: of a vector.
        seed: of everything.
    """

    kind: Kind
    videos: int
    frames: int
    width: int
    seed: int

    def segments(self) -> Iterator[VideoEmbeddings]:
        """The videos, at most `SEGMENT` at a time; the same at every call."""
        for number, start in enumerate(range(0, self.videos, SEGMENT)):
            draw = np.random.default_rng([self.seed, 1, number])
            yield self._segment(draw, start, min(SEGMENT, self.videos - start))

    def texts(self, count: int) -> TextCollection:
        """Texts with as many nodes as real captions."""
        texts = make_texts(count, self.width, self.seed + 1)
        if self.kind is Kind.INDEPENDENT:
            return texts
        draw = np.random.default_rng([self.seed, 2])
        nodes = {
            level: CaptionNodes(self._near(draw, level, len(of.queries)), of.counts, of.negated)
            for level, of in texts.nodes.items()
        }
        return dataclasses.replace(texts, pooled=self._near(draw, "global", count), nodes=nodes)

    def _segment(self, draw: np.random.Generator, start: int, count: int) -> VideoEmbeddings:
        def vectors(*shape: int) -> np.ndarray:
            return draw.standard_normal((*shape, self.width), np.float32) / np.float32(self.width**0.5)

        frames = {}
        for level in NODE_LEVELS:
            directions = vectors(count, self.frames)
            if self.kind is Kind.TRAINED_LIKE:
                directions *= np.float32(0.75)
                directions += self._near(draw, level, count)[:, None]
            directions = unit(directions)
            lengths = (0.4 + 0.6 * draw.random((count, self.frames), np.float32)).astype(np.float32)
            gram = directions @ directions.swapaxes(1, 2)
            frames[level] = FrameVectors(directions, lengths / lengths.max(axis=1, keepdims=True), gram)
        pooled = vectors(count) if self.kind is Kind.INDEPENDENT else self._near(draw, "global", count)
        ids = tuple(f"video{start + row:07d}" for row in range(count))
        return VideoEmbeddings(
            ids, unit(pooled), frames, {}, None, np.zeros((count, self.frames), np.float32)
        )

    def _near(self, draw: np.random.Generator, level: str, count: int) -> np.ndarray:
        """Unit vectors of a level that have a common direction and a topic each."""
        fixed = np.random.default_rng([self.seed, 3, *level.encode()])
        topics = unit(fixed.standard_normal((_TOPICS, self.width), np.float32))
        own = draw.standard_normal((count, self.width), np.float32) / np.float32(self.width**0.5)
        return unit(0.7 * topics[0] + topics[draw.integers(1, _TOPICS, count)] + own)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length one."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@dataclasses.dataclass(frozen=True)
class MappedVideos:
    """Videos whose arrays are mapped files, as those of a segment of an index.

    Attributes:
        arrays: by name, in float16.
        live: all rows.
    """

    arrays: dict[str, np.ndarray]
    live: np.ndarray


def write_videos(made_up: MadeUp, folder: pathlib.Path) -> list[MappedVideos]:
    """Writes the videos in the numbers of an index, and maps the files."""
    for number, videos in enumerate(made_up.segments()):
        _write(videos, folder / f"{number:06d}")
    return map_videos(folder)


def bytes_of(segments: list[MappedVideos]) -> int:
    """Bytes of all files."""
    return sum(array.nbytes for segment in segments for array in segment.arrays.values())


def open_search(segments: Sequence[MappedVideos]) -> CandidateSearch:
    """A search of mapped videos."""
    config, engine, count = Config(), FlatEngine(), 0
    for segment in segments:
        engine.insert(count + segment.live, segment.arrays["stage_one"])
        count += len(segment.live)
    scorer = CollectionScorer(segments, UNIFORM, config)
    return CandidateSearch(scorer, engine, np.arange(count), UNIFORM, config.similarity)


def map_videos(folder: pathlib.Path) -> list[MappedVideos]:
    """Maps what `write_videos` wrote."""
    segments = []
    for segment in sorted(folder.iterdir()):
        arrays = {
            file.relative_to(segment).with_suffix("").as_posix(): np.load(file, mmap_mode="r")
            for file in sorted(segment.rglob("*.npy"))
        }
        segments.append(MappedVideos(arrays, np.arange(len(arrays["pooled"]))))
    return segments


def _write(videos: VideoEmbeddings, folder: pathlib.Path) -> None:
    arrays = {
        "pooled": videos.pooled,
        "stage_one": stage_one_videos(videos, UNIFORM, Config().similarity),
    }
    for level, frames in videos.frames.items():
        arrays |= {f"frames/{level}/{name}": array for name, array in vars(frames).items()}
    for name, array in arrays.items():
        file = (folder / name).with_suffix(".npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array.astype(np.float16))
