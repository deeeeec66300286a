"""This module fits the linear branch in closed form: ridge regression from pooled frames to what captions say.

The targets of a video are the TF-IDF vector of all its captions' tokens and, where a frozen published encoder reads
captions, the mean of their sentence vectors. `mcsan_jax.models.ridge_map` fits either; the two are mixed by a share
under which the leave-one-out ranking of the training videos is likely.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int

from mcsan_jax.models.linear_branch import LINEAR_WIDTH
from mcsan_jax.models.ridge_map import better_map, ranking_loss, squares

MINIMUM_VIDEOS = 2
"""A token counts where the captions of so many training videos have it."""
WORD_WEIGHTS = tuple(np.geomspace(0.0625, 8.0, 22))
"""Candidates for the weight of words against sentences, both in units of the spread of their scores."""
_PRIOR_WEIGHT = 0.5
"""The most probable weight before any score was seen: TF-IDF says less than a published encoder."""
_DOUBT = 0.6
"""Standard deviation of the logarithm of that weight."""
_WITNESSES = 25
"""Probes count as so many at most: they say more of the training split than of other videos."""
_SMALL = 1e-12


@dataclasses.dataclass(frozen=True)
class TrainingSplit:
    """The training videos and captions as the branch sees them.

    Attributes:
        pooled: what the maps read of each video [v, d]: the mean of its standardised frames, then their maximum.
        token_ids: the tokens of each caption.
        owners: index of each caption's video [t]; every video has a caption.
        sentences: mean token state of each caption [t, s], in any precision; None without a frozen encoder.
        vocabulary_size: number of tokens.
        means: how many of the first columns are means; the others are read if they help.
    """

    pooled: Float[np.ndarray, "v d"]
    token_ids: list[Int[np.ndarray, " _"]]
    owners: Int[np.ndarray, " t"]
    sentences: Float[np.ndarray, "t s"] | None
    vocabulary_size: int
    means: int

    @property
    def first_captions(self) -> Int[np.ndarray, " v"]:
        """Index of each video's first caption."""
        return np.unique(self.owners, return_index=True)[1]

    def token_counts(self) -> scipy.sparse.csr_array:
        """How often each token occurs in all captions of a video [v, token]."""
        return _counted(self.token_ids, self.owners, len(self.pooled), self.vocabulary_size)

    def mean_over_captions(self, vectors: Float[np.ndarray, "t s"]) -> Float[np.ndarray, "v s"]:
        """The mean over the captions of each video."""
        ones = np.ones(len(self.owners))
        captions = scipy.sparse.csr_array((ones, (self.owners, np.arange(len(self.owners)))))
        return (captions @ vectors) / captions.sum(axis=1)[:, None]

    def first_tokens(self) -> scipy.sparse.csr_array:
        """Which tokens each video's first caption has, as ones [v, token]."""
        first = [np.unique(self.token_ids[caption]) for caption in self.first_captions]
        return _counted(first, np.arange(len(first)), len(first), self.vocabulary_size)


def fit_linear_branch(split: TrainingSplit, corrects_hubs: bool = True) -> dict[str, np.ndarray]:
    """The constants of a `LinearBranch`, but for its share of the fused score, which is zero.

    A split of a single video, or one whose videos all look alike, gives maps that are zero.

    Args:
        split: the training split.
        corrects_hubs: as `fit_map` takes it; without it the branch is a plain ridge regression.
    """
    mean, deviation = split.pooled.mean(axis=0), split.pooled.std(axis=0)
    # An input that hardly varies says nothing, and would be blown up.
    scale = np.where(deviation > 1e-6, 1.0 / np.maximum(deviation, 1e-6), 0.0)
    inputs = (split.pooled - mean) * scale
    counts = split.token_counts()
    weights = token_weights(counts)
    documents = tf_idf(counts, weights)
    width = min(inputs.shape[1], LINEAR_WIDTH)
    first_documents = tf_idf(split.first_tokens(), weights)
    words = better_map(inputs, split.means, documents, first_documents, width, corrects_hubs)
    constants = {
        "frames_mean": mean,
        "token_weights": weights,
        "frames_to_words": _padded(scale[:, None] * words.weights, width),
        "tokens_to_words": _padded(words.basis, width),
        "words_metric": _padded(words.metric, width, width),
        "words_share": np.ones(()),
        "share": np.zeros(()),
    }
    if split.sentences is not None:
        width = min(width, split.sentences.shape[1])
        directions = _unit(split.sentences)
        sentence_mean = directions.mean(axis=0, dtype=np.float64)
        per_video = split.mean_over_captions(directions)
        first = _unit(directions[split.first_captions] - sentence_mean)
        sentences = better_map(inputs, split.means, per_video, first, width, corrects_hubs)
        constants |= {
            "sentence_mean": sentence_mean,
            "frames_to_sentences": _padded(scale[:, None] * sentences.weights, width),
            "states_to_sentences": _padded(sentences.basis, width),
            "sentences_metric": _padded(sentences.metric, width, width),
            "words_share": np.asarray(_words_share(words.probe_scores, sentences.probe_scores)),
        }
    return constants


def token_weights(counts: scipy.sparse.csr_array) -> Float[np.ndarray, " token"]:
    """Inverse document frequency ``1 + ln(v / v_token)``; zero for a token of fewer than `MINIMUM_VIDEOS` videos."""
    videos = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.where(videos >= MINIMUM_VIDEOS, 1.0 + np.log(counts.shape[0] / np.maximum(videos, 1)), 0.0)


def tf_idf(counts: scipy.sparse.csr_array, weights: Float[np.ndarray, " token"]) -> scipy.sparse.csr_array:
    """Unit vectors along ``ln(1 + count) · weight`` [row, token]; a row without a known token is zero."""
    values = np.log1p(counts.data) * weights[counts.indices]
    rows = scipy.sparse.csr_array((values, counts.indices, counts.indptr), counts.shape)
    lengths = np.sqrt(squares(rows))
    return (scipy.sparse.diags_array(1.0 / np.maximum(lengths, _SMALL)) @ rows).tocsr()


def _words_share(words: Float[np.ndarray, "p p"], sentences: Float[np.ndarray, "p p"]) -> float:
    """Share of the words in the score, by that of `WORD_WEIGHTS` of greatest posterior probability."""
    if not words.size or min(words.std(), sentences.std()) < _SMALL:
        # A map that tells nothing apart has no share.
        return 0.5 if not words.size else float(words.std() > sentences.std())
    spreads = float(words.std()), float(sentences.std())
    own = np.eye(len(words), dtype=bool)
    losses = {}
    for weight in WORD_WEIGHTS:
        mixed = (weight * words / spreads[0] + sentences / spreads[1]) / np.hypot(weight, 1.0)
        doubt = np.log(weight / _PRIOR_WEIGHT) ** 2 / (2.0 * _DOUBT**2)
        losses[weight] = min(len(own), _WITNESSES) * ranking_loss(mixed, own) + doubt
    weight = min(losses, key=lambda each: losses[each])
    return (weight / spreads[0]) / (weight / spreads[0] + 1.0 / spreads[1])


def _counted(
    token_ids: Iterable[Int[np.ndarray, " _"]], owners: Int[np.ndarray, " t"], rows: int, columns: int
) -> scipy.sparse.csr_array:
    tokens = list(token_ids)
    row_of = np.repeat(owners, [len(own) for own in tokens])
    column_of = np.concatenate([*tokens, np.zeros(0, np.int64)])
    counts = scipy.sparse.coo_array((np.ones(len(row_of)), (row_of, column_of)), shape=(rows, columns))
    return counts.tocsr()


def _unit(vectors: Float[np.ndarray, "row d"]) -> Float[np.ndarray, "row d"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _SMALL)


def _padded(
    columns: Float[np.ndarray, "row some"], width: int, height: int | None = None
) -> Float[np.ndarray, "height width"]:
    missing = 0 if height is None else height - len(columns)
    return np.pad(columns, ((0, missing), (0, width - columns.shape[1])))
