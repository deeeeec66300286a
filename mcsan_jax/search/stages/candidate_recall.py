"""This module measures how many of the best videos are among the candidates that stage-1 vectors find."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mcsan_jax.ranking.collection import CaptionNodes, TextCollection
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.stages.two_stages import CANDIDATES, CandidateSearch, Mix

CANDIDATE_COUNTS = (50, 100, 200, 500)
BEST = 10

_TOGETHER = 64
_MOST_NODES = 3


@dataclasses.dataclass(frozen=True)
class CandidateRecall:
    """A candidate recall says how well stage-1 vectors choose.

    Attributes:
        queries: how many were searched for.
        videos: among how many.
        shares: by the number of candidates, the share of the exact best ten that are among them.
        share: the share that a search in two stages finds.
        scored: how many videos it scores for a query, on average.
    """

    queries: int
    videos: int
    shares: dict[int, float]
    share: float
    scored: float


def measure_recall(
    search: CandidateSearch, texts: TextCollection, counts: Sequence[int] = CANDIDATE_COUNTS
) -> CandidateRecall:
    """Compares candidates with the exact scores of all videos.

    Args:
        search: of an index.
        texts: the queries.
        counts: numbers of candidates.
    """
    kept: dict[int, list[float]] = {count: [] for count in counts}
    found, scored = [], []
    for start in range(0, len(texts), _TOGETHER):
        some = texts.rows(np.arange(start, min(start + _TOGETHER, len(texts))))
        exact = search.scorer.scores(some)[FUSED]
        best = np.argpartition(-exact, min(BEST, exact.shape[1]) - 1)[:, :BEST]
        candidates = search.candidates(some, max(counts))
        each = [Mix((text,), (1.0,)) for text in range(len(some))]
        both = search.search(some, each, BEST, exact=False, candidates=CANDIDATES)
        for own, rows, answers in zip(best, candidates, both, strict=True):
            for count in counts:
                kept[count].append(float(np.isin(own, rows[:count]).mean()))
            found.append(float(np.isin(own, answers.rows).mean()))
            scored.append(len(answers.rows))
    shares = {count: float(np.mean(of_count)) for count, of_count in kept.items()}
    return CandidateRecall(
        len(texts), len(search.numbers), shares, float(np.mean(found)), float(np.mean(scored))
    )


def texts_like(videos: VideoEmbeddings, seed: int = 0) -> TextCollection:
    """Returns a made-up text for each video, for an index without captions: some of its frames are the nodes.

    Args:
        videos: encoded videos.
        seed: of the choice of frames.
    """
    draw = np.random.default_rng(seed)
    nodes = {}
    for level, frames in videos.frames.items():
        real = (frames.lengths > 0).sum(axis=1)
        counts = np.minimum(draw.integers(1, _MOST_NODES + 1, len(videos)), real)
        chosen = [draw.choice(total, count, replace=False) for total, count in zip(real, counts, strict=True)]
        owners = np.repeat(np.arange(len(videos)), counts)
        places = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
        directions = frames.directions[owners, places.astype(np.int64)]
        nodes[level] = CaptionNodes(directions, counts, np.zeros(len(directions), bool))
    return TextCollection(videos.pooled, nodes, dict(videos.attributes), len(videos), videos.linear)
