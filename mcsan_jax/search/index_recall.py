"""This module measures, for `mcsan index stats IDX --recall`, how well stage-1 vectors choose in an index."""

import pathlib

import numpy as np

from data_pipeline.errors import InputError
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.answering.encoded_texts import QueryEncoder, joined
from mcsan_jax.search.answering.found_captions import captions_of
from mcsan_jax.search.answering.index_scores import IndexScores
from mcsan_jax.search.stages.candidate_recall import BEST, CandidateRecall, measure_recall, texts_like
from mcsan_jax.search.stages.two_stages import EXACT_UP_TO

QUERIES = 100
"""Texts over which the shares are averaged."""


def recall_of_index(folder: pathlib.Path, queries: int = QUERIES) -> CandidateRecall:
    """Searches an index exactly and by candidates, and compares.

    The queries are captions of the index, from its columns ``caption`` and ``captions``. Of an index without captions,
    they are made of its videos, whose frames stand for the nodes of a text.

    Args:
        folder: of the index.
        queries: how many at most.

    Raises:
        InputError: there is no index, or it is damaged or empty.
    """
    index = VideoIndex.open(folder)
    if not len(index):
        raise InputError(f"{folder}: holds no video, so that nothing can be searched for; add some first")
    model = Mcsan.from_pretrained(index.model_folder)
    captions = list(dict.fromkeys(captions_of(index)))
    draw = np.random.default_rng(0)
    if captions:
        chosen = draw.permutation(len(captions))[:queries]
        texts = joined(QueryEncoder(model).encode([captions[place] for place in chosen]))
    else:
        texts = texts_like(index.embeddings(draw.permutation(len(index))[:queries]))
    return measure_recall(IndexScores(model, index).search, texts)


def render_recall(recall: CandidateRecall) -> list[str]:
    """Returns what was measured as lines for people."""
    shares = "; ".join(f"{share:.4f} of {count}" for count, share in recall.shares.items())
    lines = [
        f"recall          share of the exact best {BEST} among so many candidates, over {recall.queries} texts: "
        f"{shares}",
        f"two stages      find {recall.share:.4f} of them and score {recall.scored:,.0f} videos for a text",
    ]
    if recall.videos <= EXACT_UP_TO:
        lines.append(f"                an index of up to {EXACT_UP_TO:,} videos is searched exactly")
    return lines
