"""This module counts the records of a split, and keeps examples of captions."""

import collections
import dataclasses
from collections.abc import Iterator

import numpy as np

from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from data_pipeline.manifest import CAPTION_PARTS, CaptionSizes, Manifest
from data_pipeline.records.schema import ACTION_NODE, EncodedCaption, VideoRecord
from data_pipeline.text.same_text import text_key
from data_pipeline.text.tokenizer import Tokenizer

EXAMPLES_PER_KIND = 4


class CaptionExamples:
    """It keeps the first captions of each number of relationships, each from another video."""

    def __init__(self) -> None:
        self._by_size: dict[int, list[EncodedCaption]] = {}
        self._texts: set[str] = set()

    def add(self, record: VideoRecord) -> None:
        """Looks at the captions of a record."""
        seen: set[int] = set()
        for caption in record.captions:
            size = len(caption.edges)
            kept = self._by_size.setdefault(size, [])
            if len(kept) < EXAMPLES_PER_KIND and size not in seen and caption.text not in self._texts:
                seen.add(size)
                self._texts.add(caption.text)
                kept.append(caption)

    def chosen(self, median: int) -> dict[str, list[EncodedCaption]]:
        """Returns captions by what they exemplify; ``median`` is the median number of relationships."""
        without = self._by_size.get(0, [])
        sizes = sorted(size for size in self._by_size if size)
        largest = [caption for size in reversed(sizes) for caption in self._by_size[size]]
        most = largest[:EXAMPLES_PER_KIND]
        around = sorted(sizes, key=lambda size: abs(size - median))
        typical = [caption for size in around for caption in self._by_size[size] if caption not in most]
        return {
            "Most relationships": most,
            f"About the median ({median})": typical[:EXAMPLES_PER_KIND],
            "No relationship": without[:EXAMPLES_PER_KIND],
        }


TOKENS = "tokens"
MODIFIERS = "modifiers"


_NAMES = dict(zip(CAPTION_PARTS, (TOKENS, ACTION, ENTITY, RELATIONSHIP, MODIFIERS), strict=True))
"""Under which name the sizes of each part of a caption are counted."""


class Distribution:
    """A distribution says how often each whole number was seen."""

    def __init__(self) -> None:
        self._counts: collections.Counter[int] = collections.Counter()

    def add(self, value: int) -> None:
        """Counts a number."""
        self._counts[value] += 1

    def times(self, value: int) -> int:
        """Returns how often a number was seen."""
        return self._counts[value]

    def histogram(self) -> tuple[int, ...]:
        """How often 0, 1, 2 and so on up to the largest number were seen."""
        return tuple(self._counts[value] for value in range(max(self._counts, default=-1) + 1))

    @property
    def total(self) -> int:
        """Returns the sum of all numbers seen."""
        return sum(value * count for value, count in self._counts.items())

    def quantile(self, share: float) -> int:
        """Returns the smallest number seen that at least a share of all do not exceed; 0 where none was seen."""
        wanted, seen, value = share * self._counts.total(), 0, 0
        for value in sorted(self._counts):
            seen += self._counts[value]
            if seen >= max(wanted, 1):
                break
        return value

    def __str__(self) -> str:
        """Writes minimum, median and maximum."""
        return " / ".join(str(self.quantile(share)) for share in (0.0, 0.5, 1.0))


@dataclasses.dataclass
class SplitStatistics:
    """Split statistics hold the counts of a split.

    Attributes:
        videos, captions, foils: the numbers of videos, captions and foils.
        texts: the texts of captions as `text_key` makes them alike, each once.
        foil_kinds: the number of foils of each kind.
        roles, modifier_kinds: the names of both by id.
        unknown_id: the token of text that the tokenizer does not know; None where there is no tokenizer.
        unknown_tokens: the number of these tokens in captions.
        captions_per_video: the numbers of captions of a video.
        frames: the numbers of frames of a video, by stream.
        sizes: the numbers of `TOKENS`, of nodes or relationships of each node level, and of `MODIFIERS`, in a caption.
        said: the numbers of modifiers of each kind, of nodes and relationships of each level that a caption denies
            (`denied`), and of relationships that join two actions by each role, by what they are.
        norms: by stream, a float32 array per video: the Euclidean norm of each frame's (or region's) vector.
        positive_videos, positive_captions: the numbers of those that have each attribute ``[a]``, by node level.
    """

    videos: int = 0
    captions: int = 0
    foils: int = 0
    unknown_id: int | None = None
    roles: tuple[str, ...] = ()
    modifier_kinds: tuple[str, ...] = ()
    unknown_tokens: int = 0
    texts: set[str] = dataclasses.field(default_factory=set)
    foil_kinds: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    captions_per_video: Distribution = dataclasses.field(default_factory=Distribution)
    frames: dict[str, Distribution] = dataclasses.field(default_factory=dict)
    sizes: dict[str, Distribution] = dataclasses.field(default_factory=dict)
    said: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    norms: dict[str, list[np.ndarray]] = dataclasses.field(default_factory=dict)
    positive_videos: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    positive_captions: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @staticmethod
    def empty(manifest: Manifest, tokenizer: Tokenizer | None) -> "SplitStatistics":
        """Returns statistics of no record of a data set."""
        names = [stream.name for stream in manifest.streams]
        levels = manifest.attribute_sizes.items()
        return SplitStatistics(
            unknown_id=tokenizer.unknown_id if tokenizer else None,
            roles=manifest.roles,
            modifier_kinds=manifest.modifier_kinds,
            frames={name: Distribution() for name in names},
            sizes={name: Distribution() for name in _NAMES.values()},
            norms={name: [] for name in names},
            positive_videos={level: np.zeros(size, np.int64) for level, size in levels},
            positive_captions={level: np.zeros(size, np.int64) for level, size in levels},
        )

    def add(self, record: VideoRecord) -> None:
        """Counts a record in which all ids are within their bounds."""
        self.videos += 1
        self.captions += len(record.captions)
        self.foils += len(record.foils)
        self.foil_kinds.update(foil.kind for foil in record.foils)
        self.captions_per_video.add(len(record.captions))
        for name, values in (record.frames | record.regions).items():
            self.frames[name].add(len(values))
            self.norms[name].append(vector_norms(values).ravel())
        for level, ids in record.attributes.items():
            self.positive_videos[level][ids] += 1
        for caption in record.captions:
            self._add_caption(caption)

    def size_problems(self, written: CaptionSizes) -> list[str]:
        """Parts of captions of which the manifest has other numbers, in words."""
        return [
            f"the captions have other numbers of {part} than the manifest says"
            for part, name in _NAMES.items()
            if self.sizes[name].histogram() != getattr(written, part)
        ]

    def _add_caption(self, caption: EncodedCaption) -> None:
        self.texts.add(text_key(caption.text))
        for part, size in caption.sizes().items():
            self.sizes[_NAMES[part]].add(size)
        self.said.update(self._said(caption))
        self.unknown_tokens += sum(token == self.unknown_id for token in caption.token_ids)
        for level, ids in caption.attributes.items():
            self.positive_captions[level][ids] += 1

    def _said(self, caption: EncodedCaption) -> Iterator[str]:
        """Yields what is counted in `said`."""
        for _, kind, _, _ in caption.modifiers:
            yield self.modifier_kinds[kind]
        for level, negated in zip(caption.node_levels, caption.node_negations, strict=True):
            if negated:
                yield denied(ACTION if level == ACTION_NODE else ENTITY)
        for source, target, role, negated in caption.edges:
            if negated:
                yield denied(RELATIONSHIP)
            if caption.node_levels[source] == caption.node_levels[target] == ACTION_NODE:
                yield f"order of actions: {self.roles[role]}"


def denied(level: str) -> str:
    """Returns the name under which what captions deny is counted."""
    return f"denied: {level}"


def vector_norms(values: np.ndarray) -> np.ndarray:
    """Returns the Euclidean norms of vectors ``[..., dim]``, float32 ``[...]``."""
    return np.asarray(np.linalg.norm(values.astype(np.float32), axis=-1))


def effective_number(counts: np.ndarray) -> float:
    """Returns how many equally frequent attributes have the same entropy: ``exp(-Σ p ln p)``; 0 without any."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0
