"""This module makes figures of answers about foils: accuracy by kind with intervals, chance, and a control of words."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from mcsan_jax.evaluation.mean_significance import mean_intervals
from mcsan_jax.evaluation.words_alone import answer_by_words
from mcsan_jax.ranking.foil_answers import FoilAnswers

PREPARED = "prepared data"
"""The source of the foils that the records of a split hold."""


@dataclasses.dataclass(frozen=True)
class AbsentQuestions:
    """They are the questions about videos that the split lacks.

    Attributes:
        questions, videos: how many there are.
        examples: the ids of a few of these videos.
    """

    questions: int = 0
    videos: int = 0
    examples: tuple[str, ...] = ()


def words_by_kind(
    kinds: list[str], texts: list[tuple[str, ...]], groups: np.ndarray
) -> Float[np.ndarray, " q"]:
    """Returns what `words_alone.answer_by_words` answers, fitted to each kind alone; NaN where it cannot be."""
    right = np.full(len(kinds), np.nan)
    for kind in set(kinds):
        (rows,) = np.nonzero(np.asarray(kinds) == kind)
        found = answer_by_words([texts[row] for row in rows], groups[rows])
        if found is not None:
            right[rows] = found
    return right


@dataclasses.dataclass(frozen=True)
class AskedFoils:
    """They are the questions of one source, with what was answered.

    Attributes:
        source: the name of the file, or `PREPARED`.
        form: in what form the file was written.
        answers: to the questions about videos of the split.
        words: the answers of words alone to the same questions; not a number where there are none.
        absent: the questions about other videos.
    """

    source: str
    form: str
    answers: FoilAnswers
    words: Float[np.ndarray, " q"]
    absent: AbsentQuestions = AbsentQuestions()

    def figures(self) -> dict[str, Any]:
        """Returns the figures, as `runs.foil_fields.FoilTest` keeps them."""
        answers, kinds = self.answers, np.asarray(self.answers.kinds)
        return {
            "source": self.source,
            "form": self.form,
            "questions": len(kinds),
            "videos": len(set(answers.videos.tolist())),
            "absent": {**dataclasses.asdict(self.absent), "examples": list(self.absent.examples)},
            "kinds": [
                _of_kind(kind, kinds == kind, answers, self.words) for kind in dict.fromkeys(answers.kinds)
            ],
        }


def _of_kind(kind: str, rows: np.ndarray, answers: FoilAnswers, words: np.ndarray) -> dict[str, Any]:
    videos = answers.videos[rows]
    values = {component: right[rows] for component, right in answers.right.items()}
    if not np.isnan(words[rows]).any():
        # No component of a score has a name in which there is a space.
        values["words alone"] = words[rows]
    intervals = mean_intervals(videos, values)
    accuracies = {
        name: {"accuracy": 100.0 * float(right.mean()), "interval": [100.0 * end for end in intervals[name]]}
        for name, right in values.items()
    }
    chances = [1 / len(answers.texts[row]) for row in np.flatnonzero(rows)]
    return {
        "kind": kind,
        "questions": int(rows.sum()),
        "videos": len(set(videos.tolist())),
        "chance": 100.0 * float(np.mean(chances)),
        "words": accuracies.pop("words alone", None),
        "scores": accuracies,
    }
