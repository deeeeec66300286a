"""Ridge regression on prepared data: what a model without any network reaches on the same features.

`python -m benchmarks baselines DIR` maps a video's pooled frames to what its training captions say, by ridge
regression in closed form (`mcsan_jax.models.linear_fit`): to the TF-IDF vector of their tokens and, where the data
was prepared with MiniLM's tokenizer, to the mean of their sentence vectors, unless `--words_only` is given. Penalties
are chosen by leaving out training videos; nothing is chosen on the split that is reported. `--out=RUN` also writes the
results as those of a trained run, so that `mcsan compare` takes them.
"""

import dataclasses
import pathlib
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from benchmarks.options import ReportedSplit
from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.pipeline import SplitReader
from data_pipeline.errors import InputError
from data_pipeline.levels import GLOBAL
from data_pipeline.manifest import Manifest
from mcsan_jax.config import Config, DataConfig, ModelConfig
from mcsan_jax.data_sizes import feature_statistics
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.evaluation.evaluate_split import BothWays, query_columns
from mcsan_jax.evaluation.protocols import describe_protocol
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.models.linear_branch import LinearBranch
from mcsan_jax.models.linear_fit import TrainingSplit, fit_linear_branch
from mcsan_jax.pretrained.bert_files import installed_reader
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import TextCollection, VideoCollection
from mcsan_jax.ranking.counting import count_ranks
from mcsan_jax.ranking.duplicates import relevant_pairs
from mcsan_jax.ranking.encode_split import EncodedCaptions, EncodedVideos
from mcsan_jax.ranking.occurrences import TopAnswers
from mcsan_jax.ranking.pair_ranks import PairCounter
from mcsan_jax.ranking.rank_split import Evaluation, ScoredSplit, figures_of
from mcsan_jax.ranking.ranks import RankCounter
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.record import EvaluationRecord
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos
from mcsan_jax.training.linear_start import pooled_frames
from mcsan_jax.training.token_state_cache import TokenStateCache

ENCODER = "minilm"
# Frames are not cut. Graphs are not read.
LIMITS = BatchLimits(
    max_frames=200, max_tokens=64, max_actions=1, max_entities=1, max_relationships=1, max_modifiers=1
)


@dataclasses.dataclass(frozen=True)
class RidgeSplit:
    """What ridge regression sees of a split.

    Attributes:
        ids: of the videos.
        caption_ids, texts: of the captions.
        owners: index of each caption's video [caption].
        pooled: mean and maximum of each video's standardised frames [video, 2 d].
        tokens: ids of each caption's tokens [caption, token], and which are real.
        states: mean token state of each caption [caption, s]; None without an encoder.
    """

    ids: list[str]
    caption_ids: list[str]
    texts: list[str]
    owners: np.ndarray
    pooled: np.ndarray
    tokens: tuple[np.ndarray, np.ndarray]
    states: np.ndarray | None

    @classmethod
    def read(
        cls, folder: pathlib.Path, manifest: Manifest, split: str, encoder: TokenStateCache | None = None
    ) -> "RidgeSplit":
        """Reads a split of prepared data.

        Args:
            folder: of the data.
            manifest: of the data.
            split: to be read.
            encoder: reads the captions, if any.

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
        statistics = feature_statistics(manifest)["frame_statistics"]
        ids, pooled = [], []
        for own_ids, of_batch in pooled_frames(reader.video_batches(64), statistics):
            ids += own_ids
            pooled.append(of_batch)
        infos, tokens, masks, states = [], [], [], []
        for info, captions in reader.caption_batches(64):
            rows = len(info.ids)
            infos.append(info)
            tokens.append(np.asarray(captions.token_ids)[:rows])
            masks.append(np.asarray(captions.token_mask)[:rows])
            if encoder is not None:
                states.append(encoder.mean_states(captions)[:rows])
                encoder.forget()
        return cls(
            ids,
            [caption for info in infos for caption in info.ids],
            [text for info in infos for text in info.texts],
            np.concatenate([info.videos for info in infos]),
            np.concatenate(pooled),
            (np.concatenate(tokens), np.concatenate(masks)),
            np.concatenate(states) if states else None,
        )


def read_encoder(manifest: Manifest) -> TokenStateCache | None:
    """MiniLM, where it is installed and the captions were prepared with its tokenizer; otherwise None."""
    encoder = installed_reader(ENCODER, manifest.tokenizer.sha256)
    return None if encoder is None else TokenStateCache(encoder.shape, encoder.params(), "float32")


class Ridge:
    """From pooled frames to what the captions say: as the model's linear branch, but with plain cosines.

    Args:
        train: the videos and captions to fit.
        vocabulary_size: number of tokens.

    Attributes:
        words_share: share of the words in the score, against sentence vectors.
    """

    def __init__(self, train: RidgeSplit, vocabulary_size: int) -> None:
        ids, masks = train.tokens
        tokens = [own[real] for own, real in zip(ids, masks, strict=True)]
        fitted = fit_linear_branch(
            TrainingSplit(
                train.pooled, tokens, train.owners, train.states, vocabulary_size, train.pooled.shape[1] // 2
            ),
            corrects_hubs=False,
        )
        self.words_share = float(fitted["words_share"])
        self._constants = {
            "statistics": {name: jnp.asarray(value, jnp.float32) for name, value in fitted.items()}
        }
        sentence_dim = 0 if train.states is None else train.states.shape[1]
        self._branch = LinearBranch(train.pooled.shape[1] // 2, vocabulary_size, sentence_dim)

    def _encoded(self, split: RidgeSplit) -> tuple[jax.Array, jax.Array]:
        """Vectors of videos and captions, whose products are scores."""
        states = None
        if split.states is not None:
            states = jnp.broadcast_to(
                jnp.asarray(split.states, jnp.float32)[:, None],
                (*split.tokens[0].shape, split.states.shape[1]),
            )
        videos: Any = self._branch.apply(
            self._constants, jnp.asarray(split.pooled, jnp.float32), method=self._branch.encode_pooled
        )
        ids, mask = map(jnp.asarray, split.tokens)
        # A plain bag of words does not know what is denied.
        denied = jnp.zeros_like(mask)
        texts: Any = self._branch.apply(
            self._constants, ids, mask, denied, states, method=self._branch.encode_texts
        )
        return videos, texts

    def rank(
        self, split: RidgeSplit, same_text: str = "wrong"
    ) -> tuple[ScoredSplit, dict[str, RankCounter], PairCounter, TopAnswers]:
        """Ranks a split by the products of predictions and captions, which stand for a global level."""
        predicted, queries = self._encoded(split)
        of_videos = NormalisedVideos(predicted, {}, {})
        of_captions = NormalisedTexts(queries, {}, {})
        videos = VideoCollection.gather([(len(predicted), of_videos)])
        captions = TextCollection.gather([(len(queries), of_captions)])
        parameters = ScoringParameters({GLOBAL: jnp.float32(1)}, jnp.float32(1))
        matches = relevant_pairs(split.texts, split.owners, len(split.ids), same_text)
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


def evaluate_ridge(
    folder: pathlib.Path,
    split: str,
    out: pathlib.Path | None = None,
    words_only: bool = False,
    same_text: str = "wrong",
) -> tuple[Ridge, Evaluation]:
    """Fits on the training split and ranks another one.

    Args:
        folder: of the prepared data.
        split: to be ranked.
        out: folder of the run that is written, if any.
        words_only: whether sentence vectors are left out.
        same_text: the rule of that name in the configuration of an evaluation.

    Raises:
        InputError: the data is missing or damaged, or the folder holds another run.
    """
    manifest = Manifest.load(folder)
    config = run_config(folder)
    if out is not None:
        RunFolder(out).claim(config, manifest.fingerprint)
    encoder = None if words_only else read_encoder(manifest)
    ridge = Ridge(RidgeSplit.read(folder, manifest, "train", encoder), manifest.tokenizer.size)
    scored, counters, pairs, answers = ridge.rank(
        RidgeSplit.read(folder, manifest, split, encoder), same_text
    )
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


def run(
    dir: Annotated[pathlib.Path, typer.Argument(help="Folder written by python -m data_pipeline.prepare.")],
    split: ReportedSplit = "val",
    words_only: Annotated[
        bool, typer.Option("--words_only", help="Leave out MiniLM's sentence vectors.")
    ] = False,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Folder of a run, to write ranks and figures to.")
    ] = None,
) -> dict[str, Any]:
    """Fits on the training split and prints the metrics of another one.

    Raises:
        InputError: the data is missing or damaged, or the folder holds another run.
    """
    ridge, evaluation = evaluate_ridge(dir, split, out, words_only)
    print(
        f"ridge regression, share of words {ridge.words_share:.2f}; split {split}: "
        f"{evaluation.videos} videos, {evaluation.captions} captions"
    )
    fused = evaluation.directions[FUSED]
    for direction in ("t2v", "v2t"):
        figures = "  ".join(f"{metric} {value:.2f}" for metric, value in fused[direction].items())
        print(direction.upper(), figures)
    print(f"Rsum {evaluation.rsum:.1f}")
    return {
        "words_share": ridge.words_share,
        "split": split,
        "videos": evaluation.videos,
        "captions": evaluation.captions,
        "rsum": evaluation.rsum,
        **{direction: dict(fused[direction]) for direction in ("t2v", "v2t")},
    }
