"""Ridge regression on prepared data: what a model without any network reaches on the same features.

`python -m benchmarks.baselines DIR` maps the mean and the maximum over a video's frames to the TF-IDF
vector of its training captions by ridge regression in closed form, and ranks by cosine. The penalty is chosen by
leave-one-out error on the training videos; nothing is chosen on the split that is reported. `--out=RUN` also writes
the results as those of a trained run, so that `mcsan compare` takes them.
"""

import argparse
import collections
import dataclasses
import pathlib
import re
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from benchmarks.figures import write_figures
from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.pipeline import SplitReader
from data_pipeline.errors import InputError
from data_pipeline.host.command_line import ends_with_a_message
from data_pipeline.levels import GLOBAL
from data_pipeline.manifest import Manifest
from mcsan_jax.config import Config, DataConfig, ModelConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.evaluation.evaluate_split import BothWays, query_columns
from mcsan_jax.evaluation.protocols import describe_protocol
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import TextCollection, VideoCollection
from mcsan_jax.ranking.counting import count_ranks
from mcsan_jax.ranking.encode_split import EncodedCaptions, EncodedVideos
from mcsan_jax.ranking.occurrences import TopAnswers
from mcsan_jax.ranking.pair_ranks import PairCounter
from mcsan_jax.ranking.rank_split import Evaluation, ScoredSplit, figures_of
from mcsan_jax.ranking.ranks import RankCounter
from mcsan_jax.ranking.relevance import Matches
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.record import EvaluationRecord
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos

MINIMUM_DOCUMENTS = 2
PENALTIES = tuple(10.0**exponent for exponent in range(-1, 7))
# Frames are not cut; captions are read as text, so that the other limits do not matter.
LIMITS = BatchLimits(max_frames=200, max_tokens=1, max_actions=1, max_entities=1, max_relationships=1)


class TfIdf:
    """Unit-length TF-IDF vectors over the words of training documents."""

    def __init__(self, documents: list[list[str]]) -> None:
        counts = collections.Counter(word for document in documents for word in set(document))
        kept = sorted(word for word, count in counts.items() if count >= MINIMUM_DOCUMENTS)
        self._index = {word: place for place, word in enumerate(kept)}
        self._idf = np.log(len(documents) / np.array([counts[word] for word in kept])) + 1.0

    def __call__(self, documents: list[list[str]]) -> np.ndarray:
        """Vectors [document, word]; a document of unknown words is zero."""
        vectors = np.zeros((len(documents), len(self._index)))
        for row, document in enumerate(documents):
            for word in document:
                if word in self._index:
                    vectors[row, self._index[word]] += 1.0
        return unit(vectors * self._idf)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length; zero rows stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


@dataclasses.dataclass(frozen=True)
class RidgeSplit:
    """What ridge regression sees of a split.

    Attributes:
        ids: of the videos.
        pooled: mean and maximum of each video's frames [video, 2 d].
        caption_ids, texts: of the captions.
        owners: index of each caption's video [caption].
    """

    ids: list[str]
    pooled: np.ndarray
    caption_ids: list[str]
    texts: list[str]
    owners: np.ndarray

    @classmethod
    def read(cls, folder: pathlib.Path, manifest: Manifest, split: str) -> "RidgeSplit":
        """Reads a split of prepared data.

        Raises:
            InputError: there is no such split, or no video or caption in it, or a record is damaged.
        """
        if split not in manifest.splits:
            raise InputError(f"no split {split!r} in {folder}; it has {', '.join(sorted(manifest.splits))}")
        reader = SplitReader(folder, manifest, split, LIMITS)
        if not reader.videos or not reader.captions:
            raise InputError(
                f"split {split!r} of {folder} has {reader.videos} videos and {reader.captions} captions; expected some "
                "of both, choose another split or prepare the data again"
            )
        ids, pooled = [], []
        for own_ids, batch in reader.video_batches(64):
            frames, mask = np.asarray(batch.frames, np.float64), np.asarray(batch.frame_mask)
            for row in range(len(own_ids)):
                real = frames[row][mask[row]]
                pooled.append(np.concatenate([real.mean(axis=0), real.max(axis=0)]))
            ids += own_ids
        infos = [info for info, _ in reader.caption_batches(256)]
        return cls(
            ids,
            np.stack(pooled),
            [caption for info in infos for caption in info.ids],
            [text for info in infos for text in info.texts],
            np.concatenate([info.videos for info in infos]),
        )

    @property
    def words(self) -> list[list[str]]:
        """The words of each caption."""
        return [re.findall(r"\w+", text.lower()) for text in self.texts]


def fit_ridge(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights [d, word] of the penalty with the least leave-one-out error, and that penalty."""
    u, s, vt = np.linalg.svd(inputs, full_matrices=False)
    projected = u.T @ targets
    errors = []
    for penalty in PENALTIES:
        shrink = s**2 / (s**2 + penalty)
        residual = targets - u @ (shrink[:, None] * projected)
        leverage = np.einsum("nk,k,nk->n", u, shrink, u)
        errors.append(np.mean((residual / (1.0 - leverage)[:, None]) ** 2))
    best = PENALTIES[int(np.argmin(errors))]
    return vt.T @ ((s / (s**2 + best))[:, None] * projected), best


class Ridge:
    """From pooled frames to the TF-IDF vector of a video's captions.

    Args:
        train: the videos and captions to fit.

    Attributes:
        vectorize: TF-IDF vectors of documents.
        penalty: the chosen one.
    """

    def __init__(self, train: RidgeSplit) -> None:
        documents: list[list[str]] = [[] for _ in train.ids]
        for words, video in zip(train.words, train.owners, strict=True):
            documents[video] += words
        self.vectorize = TfIdf(documents)
        targets = self.vectorize(documents)
        self._mean, self._deviation = train.pooled.mean(axis=0), train.pooled.std(axis=0) + 1e-6
        inputs = (train.pooled - self._mean) / self._deviation
        self._weights, self.penalty = fit_ridge(inputs, targets - targets.mean(axis=0))

    def rank(self, split: RidgeSplit) -> tuple[ScoredSplit, dict[str, RankCounter], PairCounter, TopAnswers]:
        """Ranks a split by the cosine of predicted and own TF-IDF vectors, which stand for a global level."""
        predicted = unit((split.pooled - self._mean) / self._deviation @ self._weights)
        queries = self.vectorize(split.words)
        of_videos = NormalisedVideos(jnp.asarray(predicted, jnp.float32), {}, {})
        of_captions = NormalisedTexts(jnp.asarray(queries, jnp.float32), {}, {})
        videos = VideoCollection.gather([(len(predicted), of_videos)])
        captions = TextCollection.gather([(len(queries), of_captions)])
        parameters = ScoringParameters({GLOBAL: jnp.float32(1)}, jnp.float32(1))
        matches = Matches.of_owners(split.owners, len(split.ids))
        scored = ScoredSplit(
            EncodedVideos(split.ids, videos, {}, {}),
            EncodedCaptions(split.caption_ids, split.texts, split.owners, captions),
            matches,
            np.arange(len(split.texts)),
            split.owners,
            BlockScorer(videos, captions, parameters, Config()),
            lambda: (),
        )
        pairs = PairCounter(matches)
        answers = TopAnswers(Config().evaluation.answers, len(predicted), len(queries))
        counters = count_ranks(scored.scorer, matches, [pairs, answers])
        return scored, counters, pairs, answers


def run_config(folder: pathlib.Path) -> Config:
    """The configuration under which the results are kept: what a trained run would say of itself."""
    data = DataConfig(dir=str(folder), max_frames=LIMITS.max_frames)
    return Config(name="ridge", data=data, model=ModelConfig(levels=(GLOBAL,)))


def evaluate_ridge(folder: pathlib.Path, split: str, out: pathlib.Path | None) -> tuple[Ridge, Evaluation]:
    """Fits on the training split and ranks another one.

    Args:
        folder: of the prepared data.
        split: to be ranked.
        out: folder of the run that is written, if any.

    Raises:
        InputError: the data is missing or damaged, or the folder holds another run.
    """
    manifest = Manifest.load(folder)
    config = run_config(folder)
    if out is not None:
        RunFolder(out).claim(config, manifest.fingerprint)
    ridge = Ridge(RidgeSplit.read(folder, manifest, "train"))
    scored, counters, pairs, answers = ridge.rank(RidgeSplit.read(folder, manifest, split))
    figures = {component: figures_of(counter) for component, counter in counters.items()}
    evaluation = Evaluation(len(scored.videos.ids), len(scored.captions.ids), figures, {}, {})
    if out is not None:
        features = ", ".join(f"{one.name} [{one.dim}] from {one.source}" for one in manifest.streams)
        counts = (evaluation.videos, evaluation.captions)
        protocol = describe_protocol(
            manifest.dataset, manifest.protocol, split, *counts, False, None, 0, features
        )
        ranks = BothWays(pairs.text_to_video(), pairs.video_to_text())
        run = RunFolder(out)
        write_query_table(run.queries_file(split), query_columns(scored, counters, ranks, answers))
        run.write_record(
            EvaluationRecord.make(
                dataclasses.asdict(evaluation), split, 0, config, manifest.fingerprint, {"protocol": protocol}
            )
        )
    return ridge, evaluation


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir", type=pathlib.Path, help="folder written by python -m data_pipeline.prepare")
    parser.add_argument("--split", default="val", help="split to report")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    parser.add_argument("--out", type=pathlib.Path, help="folder of a run, to write ranks and figures to")
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Fits on the training split and prints the metrics of another one; bad input ends with status 2."""
    arguments = make_parser().parse_args(words)
    ridge, evaluation = evaluate_ridge(arguments.dir, arguments.split, arguments.out)
    print(
        f"ridge regression, penalty {ridge.penalty:g}; split {arguments.split}: "
        f"{evaluation.videos} videos, {evaluation.captions} captions"
    )
    fused = evaluation.directions[FUSED]
    for direction in ("t2v", "v2t"):
        figures = "  ".join(f"{metric} {value:.2f}" for metric, value in fused[direction].items())
        print(direction.upper(), figures)
    print(f"Rsum {evaluation.rsum:.1f}")
    write_figures(
        arguments.json,
        {
            "penalty": ridge.penalty,
            "split": arguments.split,
            "videos": evaluation.videos,
            "captions": evaluation.captions,
            "rsum": evaluation.rsum,
            **{direction: dict(fused[direction]) for direction in ("t2v", "v2t")},
        },
    )


if __name__ == "__main__":
    main()
