"""This module explains a score: which phrase of a text met which frame of a video, and what each word adds."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Float

from data_pipeline.levels import LEVELS, NODE_LEVELS
from data_pipeline.prepared_data import Query
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.scoring.frame_attention import FrameSet, attended_similarity, frame_weights
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, LINEAR, Fusion, component_shares
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos
from mcsan_jax.scoring.vectors import product


@dataclasses.dataclass(frozen=True)
class LevelExplanation:
    """A level's explanation says how its nodes of a text met the frames of a video.

    Attributes:
        phrases: the words of the text's nodes [n].
        scores: the score of each node with the video [n]; their mean is the level's score.
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
    """

    text: str
    video: str
    scores: dict[str, float]
    shares: dict[str, float]
    frames: int
    seconds: Float[np.ndarray, " f"]
    levels: dict[str, LevelExplanation]
    linear: LinearExplanation | None


@dataclasses.dataclass(frozen=True)
class Pair:
    """A text and a video, encoded and scored, as an explanation reads them.

    Attributes:
        query: the parsed text.
        texts: the encoded text, alone or as the first of a batch.
        linear_tokens: what each of its tokens adds to the linear branch: for words [w, r], for sentences [w, q].
        video: id of the video.
        videos: the encoded video, alone or as the first of several.
        seconds: time of each of its frames [f]; empty where unknown.
        scores: of the two, by component.
    """

    query: Query
    texts: NormalisedTexts
    linear_tokens: tuple[np.ndarray, np.ndarray]
    video: str
    videos: NormalisedVideos
    seconds: np.ndarray
    scores: dict[str, float]


def explain_pair(pair: Pair, parameters: ScoringParameters, config: SimilarityConfig) -> Explanation:
    """Explains the score of a text and a video.

    Args:
        pair: both of them.
        parameters: the weights of the components.
        config: how frames are attended to and components fused.
    """
    query, videos = pair.query, pair.videos
    frames = max((_frame_count(of_level) for of_level in videos.frames.values()), default=0)
    levels = {
        level: _explain_level(
            videos.frames[level],
            pair.texts.nodes[level].queries,
            query.phrases[level],
            config.smoothing,
            frames,
        )
        for level in NODE_LEVELS
        if level in pair.texts.nodes and query.phrases[level]
    }
    linear = None
    if videos.linear is not None:
        linear = _explain_linear(np.asarray(videos.linear)[0], *pair.linear_tokens, query)
    scores = {name: pair.scores[name] for name in (FUSED, *LEVELS, ATTRIBUTES, LINEAR) if name in pair.scores}
    names = [name for name in scores if name != FUSED]
    # The text is the first of a batch.
    shares = {
        name: float(of_texts[0])
        for name, of_texts in component_shares(
            names, pair.texts, parameters, Fusion.as_trained(config)
        ).items()
    }
    return Explanation(query.caption.text, pair.video, scores, shares, frames, pair.seconds, levels, linear)


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


def _explain_level(
    frames: FrameSet, queries: jax.Array, phrases: list[str], smoothing: float, real: int
) -> LevelExplanation:
    """Compares the only video's frames, `real` of them, with the first queries, one for each phrase."""
    nodes = queries[: len(phrases)]
    cosines = product("vfd,md->vfm", frames.directions, nodes, None)
    weights = np.asarray(frame_weights(cosines, smoothing))[0, :real]
    return LevelExplanation(
        phrases,
        np.asarray(attended_similarity(frames, nodes, smoothing))[0],
        np.asarray(cosines)[0, :real].T,
        (weights / weights.sum(axis=0)).T,
    )
