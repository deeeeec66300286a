"""This module explains a score: which phrase of a text met which frame of a video, and what each word adds."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from data_pipeline.errors import shown
from data_pipeline.levels import LEVELS, NODE_LEVELS
from data_pipeline.prepared_data import Query
from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.scoring.frame_attention import FrameSet, attended_similarity, frame_weights
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, LINEAR, Fusion, component_shares
from mcsan_jax.scoring.normalised import NormalisedTexts
from mcsan_jax.scoring.vectors import product


@dataclasses.dataclass(frozen=True)
class LevelExplanation:
    """A level's explanation says how its nodes of a text met the frames of a video.

    Attributes:
        phrases: the words of the text's nodes [n]; those of denied ones begin with "not" or say so ("nobody").
        scores: the score of each node with the video, with a minus where the text denies it [n]; their mean is the
            level's score.
        cosines: the cosine of each node and each frame [n, f].
        attention: the share of each frame in a node's attention [n, f]; each row sums to one.
    """

    phrases: list[str]
    scores: Float[np.ndarray, " n"]
    cosines: Float[np.ndarray, "n f"]
    attention: Float[np.ndarray, "n f"]


@dataclasses.dataclass(frozen=True)
class LinearExplanation:
    """An explanation of the linear score says what each word of a text adds to it; both sums together are the score.

    Attributes:
        words: of the text, as white space divides it [w].
        of_words: what each adds by the weight of its tokens [w].
        of_sentence: what each adds to the direction of the sentence [w]; zero without a frozen text encoder.
    """

    words: list[str]
    of_words: Float[np.ndarray, " w"]
    of_sentence: Float[np.ndarray, " w"]


@dataclasses.dataclass(frozen=True)
class Explanation:
    """An explanation takes the score of a text and a video apart.

    Attributes:
        text: the text.
        video: id of the video.
        scores: the fused score, that of each level that the text has, and the other components of the fused score.
        shares: of each component in the fused score, which is the sum of the components' scores times their shares.
        frames: number of frames of the video.
        seconds: time of each frame [f]; empty where unknown.
        levels: the levels at which the text has nodes.
        linear: of the linear score; None without a linear branch.
        notes: what a user should know about how the text was read.
    """

    text: str
    video: str
    scores: dict[str, float]
    shares: dict[str, float]
    frames: int
    seconds: Float[np.ndarray, " f"]
    levels: dict[str, LevelExplanation]
    linear: LinearExplanation | None
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ReadText:
    """A read text is one text, parsed and encoded, as an explanation takes it.

    Attributes:
        query: the parsed text.
        texts: the encoded text, alone or as the first of a batch.
        linear_tokens: what each of its tokens adds to the linear branch, for words [t, w, r] and sentences [t, w, q].
    """

    query: Query
    texts: NormalisedTexts
    linear_tokens: tuple[jax.Array, jax.Array]


def explain_text(
    text: ReadText, videos: VideoEmbeddings, row: int, parameters: ScoringParameters, config: Config
) -> Explanation:
    """Explains the score of a text and a video.

    Args:
        text: the text.
        videos: encoded videos.
        row: number of the video among them.
        parameters: the weights of the components.
        config: how frames are attended to and components fused.
    """
    query, similarity = text.query, config.similarity
    collection = videos.collection
    texts = TextCollection.gather([(1, text.texts)])
    found = BlockScorer(collection, texts, parameters, config).scores_of(np.array([row]), np.arange(1))
    scores = {
        name: float(found[name][0, 0])
        for name in (FUSED, *LEVELS, ATTRIBUTES, LINEAR)
        if name in found and (name not in texts.nodes or texts.nodes[name].counts[0])
    }
    video = collection.take(np.array([row]), 1)
    frames = max((_frame_count(of_level) for of_level in video.frames.values()), default=0)
    linear = None
    if video.linear is not None:
        real = len(query.word_of_token)
        words, sentences = (np.asarray(of_tokens)[0, :real] for of_tokens in text.linear_tokens)
        linear = _explain_linear(np.asarray(video.linear)[0], words, sentences, query)
    names = tuple(name for name in scores if name != FUSED)
    shares = _compiled_shares(names, similarity)(text.texts, parameters)
    return Explanation(
        query.caption.text,
        videos.ids[row],
        scores,
        # The text is the first of a batch.
        {name: float(shares[name][0]) for name in names},
        frames,
        videos.times_of(row),
        _explain_levels(video.frames, text, similarity.smoothing, frames),
        linear,
        (*unread_notes(query), *_denial_notes(texts)),
    )


def unread_notes(query: Query) -> tuple[str, ...]:
    """Returns a note of where the model stops reading a text; none where it reads all of it."""
    read = int(query.word_of_token[-1]) + 1
    if read == len(query.words):
        return ()
    return (
        f"{shown(query.caption.text)} has {len(query.words):,} words; the model reads no further than word {read:,}, "
        f"{shown(query.words[read - 1])}",
    )


def _denial_notes(texts: TextCollection) -> tuple[str, ...]:
    denies = any(nodes.negated.any() for nodes in texts.nodes.values())
    return ('the text denies what begins with "not": its scores are taken off',) if denies else ()


@functools.cache
def _compiled_shares(names: tuple[str, ...], config: SimilarityConfig) -> Any:
    fusion = Fusion.as_trained(config)
    return jax.jit(lambda texts, parameters: component_shares(names, texts, parameters, fusion))


def _explain_linear(
    video: np.ndarray, words: np.ndarray, sentences: np.ndarray, query: Query
) -> LinearExplanation:
    """Compares the coordinates of a video [r + q] with those of tokens, [w, r] and [w, q], and adds up by word."""

    def by_word(of_tokens: np.ndarray) -> np.ndarray:
        return np.bincount(query.word_of_token, of_tokens, minlength=len(query.words))

    for_words, for_sentences = np.split(video, [words.shape[1]])
    return LinearExplanation(query.words, by_word(words @ for_words), by_word(sentences @ for_sentences))


def _frame_count(frames: FrameSet) -> int:
    """Returns how many frames the only video has up to its last one; padding has no length."""
    return int(np.max(np.flatnonzero(np.asarray(frames.lengths)[0]), initial=-1)) + 1


def _explain_levels(
    videos: dict[str, FrameSet], text: ReadText, smoothing: float, frames: int
) -> dict[str, LevelExplanation]:
    """Compares the only video's frames, of which so many are real, with the phrases of a text."""
    levels = [level for level in NODE_LEVELS if level in text.texts.nodes and text.query.phrases[level]]
    nodes = {level: text.texts.nodes[level].queries for level in levels}
    signs = {level: np.sign(text.texts.nodes[level].shares) for level in levels}
    met = jax.device_get(_met_frames({level: videos[level] for level in levels}, nodes, smoothing))
    found = {}
    for level in levels:
        phrases, (scores, cosines, weights) = text.query.phrases[level], met[level]
        attention = weights[:frames, : len(phrases)]
        found[level] = LevelExplanation(
            phrases,
            (signs[level] * scores)[: len(phrases)],
            cosines[:frames, : len(phrases)].T,
            (attention / attention.sum(axis=0)).T,
        )
    return found


@functools.partial(jax.jit, static_argnames="smoothing")
def _met_frames(
    frames: dict[str, FrameSet], nodes: dict[str, jax.Array], smoothing: float
) -> dict[str, tuple[jax.Array, jax.Array, jax.Array]]:
    """Returns by level of each node the score [m], and its cosines and weights with the only video's frames [f, m]."""
    found = {}
    for level, queries in nodes.items():
        cosines = product("vfd,md->vfm", frames[level].directions, queries, None)
        scores = attended_similarity(frames[level], queries, smoothing)
        found[level] = scores[0], cosines[0], frame_weights(cosines, smoothing)[0]
    return found
