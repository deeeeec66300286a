"""This module says which videos and captions are relevant to each other."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Int

from data_pipeline.errors import InputError


@dataclasses.dataclass(frozen=True)
class Matches:
    """They are the pairs that belong together: any number of captions per video, and of videos per caption.

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
        """Returns the pairs of captions that belong to one video each.

        Args:
            video_of_text: index of each caption's video [t].
            video_count: number of videos.
        """
        owners = np.asarray(video_of_text)
        return cls(owners, np.arange(len(owners)), video_count, len(owners))

    @functools.cached_property
    def queried_texts(self) -> Int[np.ndarray, " q"]:
        """Returns the captions that have a relevant video, ascending: the queries of text-to-video."""
        return np.unique(self.texts)

    @functools.cached_property
    def queried_videos(self) -> Int[np.ndarray, " q"]:
        """Returns the videos that have a relevant caption, ascending: the queries of video-to-text."""
        return np.unique(self.videos)

    def videos_of_texts(self) -> Int[np.ndarray, "t most"]:
        """Returns the relevant videos of every caption, ascending; −1 fills the places that are left."""
        return _slots(self.texts, self.videos, self.text_count)

    def texts_of_videos(self) -> Int[np.ndarray, "v most"]:
        """Returns the relevant captions of every video, ascending; −1 fills the places that are left."""
        return _slots(self.videos, self.texts, self.video_count)

    def inside(self, videos: slice, texts: slice) -> Int[np.ndarray, " p"]:
        """Returns the indices of the pairs whose video and caption lie in a block of the score matrix."""
        order, starts = self._by_text
        pairs = order[starts[texts.start] : starts[texts.stop]]
        of_pairs = self.videos[pairs]
        return pairs[(of_pairs >= videos.start) & (of_pairs < videos.stop)]

    @functools.cached_property
    def _by_text(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the pairs in the order of their captions, and where those of each caption begin."""
        order = np.argsort(self.texts, kind="stable")
        return order, np.searchsorted(self.texts[order], np.arange(self.text_count + 1))


def _slots(keys: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    sizes = np.bincount(keys, minlength=count)
    slots = np.full((count, sizes.max(initial=0)), -1)
    slots[keys, np.arange(len(keys)) - (np.cumsum(sizes) - sizes)[keys]] = values
    return slots
