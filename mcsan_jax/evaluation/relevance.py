"""Which videos and captions are relevant to each other, and captions that say the same.

`data_pipeline.text.same_text` says which texts are the same; training follows the same rule.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import text_key

EXAMPLES = 20


@dataclasses.dataclass(frozen=True)
class Matches:
    """The pairs that belong together: any number of captions per video, and of videos per caption.

    Attributes:
        videos: index of each pair's video [p].
        texts: index of each pair's caption [p].
        video_count: number of videos, with or without a caption.
        text_count: number of captions, with or without a video.

    Raises:
        InputError: a pair names a video or a caption that does not exist, or is listed twice.
    """

    videos: Int[np.ndarray, "*p"]
    texts: Int[np.ndarray, "*q"]
    video_count: int
    text_count: int

    def __post_init__(self) -> None:
        if self.videos.ndim != 1 or self.videos.shape != self.texts.shape:
            raise InputError(
                "matched pairs must be given as two lists of equal length, "
                f"but there are {self.videos.shape} videos and {self.texts.shape} captions"
            )
        sides = (("video", self.videos, self.video_count), ("caption", self.texts, self.text_count))
        for name, indices, count in sides:
            outside = np.flatnonzero((indices < 0) | (indices >= count))
            if outside.size:
                raise InputError(
                    f"matched pair {outside[0]} names {name} {indices[outside[0]]}, "
                    f"but the {count} {name}s are numbered from 0 to {count - 1}"
                )
        pairs, times = np.unique(
            self.texts.astype(np.int64) * self.video_count + self.videos, return_counts=True
        )
        if np.any(times > 1):
            text, video = divmod(int(pairs[np.argmax(times)]), self.video_count)
            raise InputError(f"the pair of video {video} and caption {text} is listed {times.max()} times")

    @classmethod
    def of_owners(cls, video_of_text: Int[np.ndarray, " t"], video_count: int) -> "Matches":
        """Captions that belong to one video each.

        Args:
            video_of_text: index of each caption's video [t].
            video_count: number of videos.
        """
        owners = np.asarray(video_of_text)
        return cls(owners, np.arange(len(owners)), video_count, len(owners))

    @functools.cached_property
    def queried_texts(self) -> Int[np.ndarray, " q"]:
        """Captions that have a relevant video, ascending: the queries of text-to-video."""
        return np.unique(self.texts)

    @functools.cached_property
    def queried_videos(self) -> Int[np.ndarray, " q"]:
        """Videos that have a relevant caption, ascending: the queries of video-to-text."""
        return np.unique(self.videos)

    def videos_of_texts(self) -> Int[np.ndarray, "t most"]:
        """The relevant videos of every caption, ascending [t, most]; -1 fills."""
        return _slots(self.texts, self.videos, self.text_count)

    def texts_of_videos(self) -> Int[np.ndarray, "v most"]:
        """The relevant captions of every video, ascending [v, most]; -1 fills."""
        return _slots(self.videos, self.texts, self.video_count)

    def inside(self, videos: slice, texts: slice) -> Int[np.ndarray, " p"]:
        """Indices of the pairs whose video and caption lie in a block of the score matrix."""
        order, starts = self._by_text
        pairs = order[starts[texts.start] : starts[texts.stop]]
        of_pairs = self.videos[pairs]
        return pairs[(of_pairs >= videos.start) & (of_pairs < videos.stop)]

    @functools.cached_property
    def _by_text(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs in the order of their captions, and where each caption's begin."""
        order = np.argsort(self.texts, kind="stable")
        return order, np.searchsorted(self.texts[order], np.arange(self.text_count + 1))


@dataclasses.dataclass(frozen=True)
class MergedCaptions:
    """One query for each text, and the videos that are relevant to it.

    Attributes:
        kept: index of the first caption of each text, ascending [q].
        query_of: for each caption, the place of its text in `kept` [t]; a caption repeats an earlier one where
            ``kept[query_of]`` is not its own index.
        videos, queries: the relevant pairs, each once [p]: a video, and the place of a text in `kept`.
    """

    kept: Int[np.ndarray, " q"]
    query_of: Int[np.ndarray, " t"]
    videos: Int[np.ndarray, " p"]
    queries: Int[np.ndarray, " p"]


def merge(texts: Sequence[str], video_of_text: Int[np.ndarray, " t"]) -> MergedCaptions:
    """HGR's rule: captions of the same text become one query, for which all their videos are relevant.

    Args:
        texts: of all captions.
        video_of_text: index of each caption's video.
    """
    place_of: dict[str, int] = {}
    query_of = np.array([place_of.setdefault(text_key(text), len(place_of)) for text in texts], np.int64)
    kept = np.unique(query_of, return_index=True)[1]
    pairs = np.unique(np.stack([query_of, video_of_text], axis=1), axis=0)
    return MergedCaptions(kept, query_of, videos=pairs[:, 1], queries=pairs[:, 0])


def probable_false_negatives(
    texts: Sequence[str],
    video_of_text: Int[np.ndarray, " t"],
    caption_ids: Sequence[str],
    video_ids: Sequence[str],
    ranks: Float[np.ndarray, " t"],
) -> dict[str, Any]:
    """Captions whose text also belongs to another video, which a ranking wrongly counts as a wrong answer.

    Args:
        texts, caption_ids: of all captions.
        video_of_text: index of each caption's video.
        video_ids: of all videos.
        ranks: expected rank of each caption's own video.

    Returns:
        ``queries`` (how many such captions), ``share`` (of all captions, in percent) and ``examples``: up to
        `EXAMPLES` of different texts, those with the worst ranks first, each with ``query``, ``text``, ``video``,
        ``other`` (the first other video with the text) and ``rank``.
    """
    merged = merge(texts, video_of_text)
    shared = np.bincount(merged.queries)[merged.query_of] > 1
    queries = np.nonzero(shared)[0]
    examples: list[dict[str, Any]] = []
    seen: set[int] = set()
    for caption in queries[np.argsort(-ranks[queries], kind="stable")]:
        text = int(merged.query_of[caption])
        if text in seen:
            continue
        seen.add(text)
        relevant = merged.videos[merged.queries == text]
        examples.append(
            {
                "query": caption_ids[caption],
                "text": texts[caption],
                "video": video_ids[video_of_text[caption]],
                "other": video_ids[relevant[relevant != video_of_text[caption]][0]],
                "rank": float(ranks[caption]),
            }
        )
        if len(examples) == EXAMPLES:
            break
    return {"queries": len(queries), "share": 100.0 * float(shared.mean()), "examples": examples}


def _slots(keys: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    sizes = np.bincount(keys, minlength=count)
    slots = np.full((count, sizes.max(initial=0)), -1)
    slots[keys, np.arange(len(keys)) - (np.cumsum(sizes) - sizes)[keys]] = values
    return slots
