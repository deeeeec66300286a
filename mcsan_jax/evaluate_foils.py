"""Asks a run the questions of files: which caption of a video is true, and which is a foil."""

import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from data_pipeline.errors import InputError, first_few
from data_pipeline.prepared_data import (
    FoilFile,
    QueryParser,
    match_without_endings,
    read_foil_files,
    stored_video_ids,
)
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.evaluation.foil_figures import AbsentQuestions, AskedFoils, words_by_kind
from mcsan_jax.processes import is_first
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.ranking.foil_answers import FoilAnswers, answer_questions
from mcsan_jax.ranking.rank_split import ScoredSplit
from mcsan_jax.runs.open import TrainedRun

_EXAMPLES = 5


class FoilFiles:
    """They are files of true and false captions, read and checked before a split is encoded.

    Args:
        paths: of the files.
        run: is asked.
        splits: those that will be evaluated.

    Raises:
        InputError: a file cannot be read, none of the splits has a video that it asks about, or the parser of the
            data is not installed.
    """

    def __init__(self, paths: Sequence[pathlib.Path], run: TrainedRun, splits: Sequence[str]) -> None:
        self._files = read_foil_files(paths)
        self._run, self._size = run, run.experiment.config.evaluation.encode_batch
        if self._files:
            self._check_videos(splits)
            limits = batch_limits(run.experiment.config.data)
            self._parser = QueryParser(run.data, run.experiment.manifest, limits, run.other_tokens)

    def ask(self, scored: ScoredSplit) -> list[AskedFoils]:
        """Asks about the videos of a split; returns the answers by file."""
        return [self._ask(file, scored) for file in self._files]

    def _check_videos(self, splits: Sequence[str]) -> None:
        run, manifest = self._run, self._run.experiment.manifest
        ids = functools.cache(lambda split: stored_video_ids(run.data, manifest, split))
        for file in self._files:
            asked = {question.video for question in file.questions}
            if any(match_without_endings(asked, ids(split)) for split in splits):
                continue
            others = (split for split in manifest.splits if split not in splits)
            fitting = next((split for split in others if match_without_endings(asked, ids(split))), None)
            raise InputError(
                f"{file.name}: none of the videos that it asks about ({len(asked):,}) is in split "
                f"{' or '.join(splits)}; it asks about {first_few(sorted(asked))}, and {splits[0]} has "
                f"{first_few(ids(splits[0]))}; "
                + (f"give --split={fitting}, which has some" if fitting else "give a file about these videos")
            )

    def _ask(self, file: FoilFile, scored: ScoredSplit) -> AskedFoils:
        names = [question.video for question in file.questions]
        row_of_id = {video: row for row, video in enumerate(scored.videos.ids)}
        known = match_without_endings(names, row_of_id)
        kept = [place for place, name in enumerate(names) if name in known]
        missing = sorted(set(names) - set(known))
        absent = AbsentQuestions(len(names) - len(kept), len(missing), tuple(missing[:_EXAMPLES]))
        questions = [file.questions[place] for place in kept]
        videos = np.array([row_of_id[known[question.video]] for question in questions], np.int64)
        kinds, texts = [question.kind for question in questions], [question.texts for question in questions]
        answers = FoilAnswers(kinds, videos, texts, self._answers(file.name, texts, videos, scored))
        # Words learn from all questions of the file, so that the control is as strong as the file allows.
        all_kinds, all_texts = [each.kind for each in file.questions], [each.texts for each in file.questions]
        words = words_by_kind(all_kinds, all_texts, np.unique(names, return_inverse=True)[1])
        return AskedFoils(file.name, file.form, answers, words[kept], absent)

    def _answers(
        self, name: str, questions: Sequence[Sequence[str]], videos: np.ndarray, scored: ScoredSplit
    ) -> dict[str, np.ndarray]:
        if not questions:
            return {}
        if is_first():
            print(f"asking {len(questions):,} questions of {name}", flush=True)
        row_of_text: dict[str, int] = {}
        choices = [[row_of_text.setdefault(text, len(row_of_text)) for text in texts] for texts in questions]
        return answer_questions(scored.scorer, self._encoded(list(row_of_text)), choices, videos, self._size)

    def _encoded(self, texts: Sequence[str]) -> TextCollection:
        def batches() -> Iterator[tuple[int, Any]]:
            for start in range(0, len(texts), self._size):
                queries = self._parser.parse(texts[start : start + self._size])
                batch = self._parser.batch(queries, self._size)
                normalised, _ = self._run.experiment.encoders.texts(self._run.variables, batch)
                yield len(queries), normalised

        return TextCollection.gather(batches())
