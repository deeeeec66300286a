"""This module relates captions that say the same: to each other's videos, or, by HGR's rule, as one query.

`data_pipeline.text.same_text` says which texts are the same; training follows the same rule.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data_pipeline.prepared_data import text_key
from mcsan_jax.ranking.relevance import Matches

EXAMPLES = 20


@dataclasses.dataclass(frozen=True)
class MergedCaptions:
    """They are one query for each text, and the videos that are relevant to it.

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
    """Merges captions of the same text into one query, to which all their videos are relevant (HGR's rule).

    Args:
        texts: of all captions.
        video_of_text: index of each caption's video.
    """
    place_of: dict[str, int] = {}
    query_of = np.array([place_of.setdefault(text_key(text), len(place_of)) for text in texts], np.int64)
    kept = np.unique(query_of, return_index=True)[1]
    pairs = np.unique(np.stack([query_of, video_of_text], axis=1), axis=0)
    return MergedCaptions(kept, query_of, videos=pairs[:, 1], queries=pairs[:, 0])


def relevant_pairs(
    texts: Sequence[str], video_of_text: Int[np.ndarray, " t"], video_count: int, same_text: str
) -> Matches:
    """Captions, each of them a query, with the videos that are relevant to them.

    Args:
        texts: of all captions.
        video_of_text: index of each caption's video.
        video_count: number of videos.
        same_text: what a video is to another video's caption that has the text of one of its own: relevant, or wrong.
    """
    if same_text == "wrong":
        return Matches.of_owners(video_of_text, video_count)
    merged = merge(texts, video_of_text)
    of_text = np.bincount(merged.queries)
    of_caption = of_text[merged.query_of]
    captions = np.repeat(np.arange(len(texts)), of_caption)
    places = np.arange(len(captions)) - np.repeat(np.cumsum(of_caption) - of_caption, of_caption)
    first = np.cumsum(of_text) - of_text
    return Matches(
        merged.videos[first[merged.query_of[captions]] + places], captions, video_count, len(texts)
    )


def shared_captions(
    texts: Sequence[str],
    video_of_text: Int[np.ndarray, " t"],
    caption_ids: Sequence[str],
    video_ids: Sequence[str],
    ranks: Float[np.ndarray, " t"],
) -> dict[str, Any]:
    """Counts captions whose text another video has, too: a right answer that the published rule counts as wrong.

    Args:
        texts, caption_ids: of all captions.
        video_of_text: index of each caption's video.
        video_ids: of all videos.
        ranks: expected rank of the first relevant video of each caption.

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
