"""This module searches the videos of a split by free text, with the scores of the evaluation."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from data_pipeline.errors import InputError
from data_pipeline.levels import LEVELS
from data_pipeline.prepared_data import Query, QueryParser, SplitReader
from mcsan_jax.config import Config
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.ranking.encode_split import EncodedVideos, Encoders, Variables, encode_videos
from mcsan_jax.runs.open import check_split, open_run
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, LINEAR
from mcsan_jax.scoring.normalised import NormalisedTexts
from mcsan_jax.training.experiment import batch_limits


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer is a video that was found.

    Attributes:
        video: its id.
        score: the fused score, by which answers are ordered.
        level_scores: the score of each level that the text has, and of the attributes and of the linear branch where
            the fused score has them.
    """

    video: str
    score: float
    level_scores: dict[str, float]


class Searcher:
    """A searcher holds the videos of a split, encoded once, and the trained text encoder.

    Attributes:
        config: the configuration of the run.
        videos: the encoded videos.
        parser: the parser of texts.
    """

    def __init__(
        self,
        config: Config,
        encoders: Encoders,
        variables: Variables,
        reader: SplitReader,
        split: str,
        parser: QueryParser,
        rows: int,
    ) -> None:
        """Encodes the videos; `open` makes all that is needed from the folder of a run.

        Args:
            config: the configuration of the run.
            encoders: the encoders of the run.
            variables: the variables of the model.
            reader: the reader of the split.
            split: the split whose videos are searched.
            parser: the parser of texts.
            rows: size of a batch of texts, a multiple of the number of devices.
        """
        self.config, self.parser = config, parser
        self.videos: EncodedVideos = encode_videos(
            encoders, variables, reader, config.evaluation.encode_batch, split
        )
        self.parameters: ScoringParameters = encoders.scoring_parameters(variables)
        self._encoders, self._variables, self._reader, self._rows = encoders, variables, reader, rows

    @classmethod
    def open(cls, run: pathlib.Path, split: str, data: pathlib.Path | None = None) -> "Searcher":
        """Opens the best checkpoint of a run and encodes the videos of a split.

        Args:
            run: folder of the run.
            split: the split whose videos are searched.
            data: folder of the prepared data; None is the one that the configuration of the run names.

        Raises:
            InputError: there is no such run, checkpoint, data or split, or the data is not what the run was trained on.
        """
        opened = open_run(run, data)
        experiment = opened.experiment
        check_split(experiment.manifest, split)
        config, manifest = experiment.config, experiment.manifest
        limits = batch_limits(config.data)
        return cls(
            config,
            experiment.encoders,
            opened.variables,
            SplitReader(opened.data, manifest, split, limits),
            split,
            QueryParser(opened.data, manifest, limits),
            experiment.mesh.size,
        )

    @functools.cached_property
    def frame_times(self) -> dict[str, np.ndarray]:
        """Returns the times of the frames by video id, float32 [f] in seconds; empty where unknown."""
        return self._reader.frame_times()

    def search(self, text: str, k: int = 10) -> list[Answer]:
        """Returns the best `k` videos for a text, the best first; equal scores come in the order of the records.

        Raises:
            InputError: the text is empty, or `k` is below 1.
        """
        if k < 1:
            raise InputError(f"k, the number of answers, must be at least 1, found {k}")
        scores = self.scores(text)
        best = np.argsort(-scores[FUSED], kind="stable")[:k]
        return [
            Answer(
                self.videos.ids[video],
                float(scores[FUSED][video]),
                {name: float(of_videos[video]) for name, of_videos in scores.items() if name != FUSED},
            )
            for video in best.tolist()
        ]

    def scores(self, text: str) -> dict[str, np.ndarray]:
        """Returns every score that the text has by name, each float32 [v] in the order of `videos.ids`.

        Raises:
            InputError: the text is empty.
        """
        texts = TextCollection.gather([(1, self.encode(self.parser.parse([text])))])
        mesh = self._encoders.local_mesh
        scorer = BlockScorer(self.videos.collection, texts, self.parameters, self.config, mesh=mesh)
        (strip,) = scorer.blocks()
        blocks = [of_block for _, of_block in scorer.scores(strip)]
        lacking = {level for level, nodes in texts.nodes.items() if not nodes.counts.sum()}
        return {
            name: np.concatenate([of_block[name][:, 0] for of_block in blocks])
            for name in (FUSED, *LEVELS, ATTRIBUTES, LINEAR)
            if name in blocks[0] and name not in lacking
        }

    def encode(self, queries: Sequence[Query]) -> NormalisedTexts:
        """Encodes a few parsed texts, ready to be scored; rows that fill up the batch have no node."""
        normalised, _ = self._encoders.texts(
            self._variables, self.parser.batch(queries, self._filled(len(queries)))
        )
        return normalised

    def linear_tokens(self, query: Query) -> tuple[Float[np.ndarray, "w r"], Float[np.ndarray, "w q"]]:
        """Returns what each token of a text adds to its vector of the linear branch, for words and for sentences."""
        words, sentences = self._encoders.linear_tokens(
            self._variables, self.parser.batch([query], self._filled(1))
        )
        real = len(query.word_of_token)
        return np.asarray(words)[0, :real], np.asarray(sentences)[0, :real]

    def _filled(self, texts: int) -> int:
        return -(-texts // self._rows) * self._rows

    def row_of(self, video: str) -> int:
        """Returns the row of a video among the scores by its id.

        Raises:
            InputError: the split has no such video.
        """
        try:
            return self.videos.ids.index(video)
        except ValueError:
            known = ", ".join(self.videos.ids[:3])
            raise InputError(
                f"no video {video!r} among the {len(self.videos.ids)} searched ({known}, …)"
            ) from None
