"""This module says how sure an answer is: the probability that it is right, from its score and those of all others.

With scores s_j of the n videos of a collection, a temperature τ and an absent score c:

    p_i = exp(s_i / τ) / (Σ_j exp(s_j / τ) + n exp(c / τ))

This is a multinomial logistic regression on the scores, with one class for each video and one for "none of them", which
has the score c for each video that could have been the answer. So a probability depends on how high a score is and on
its margin over all others, and holds for collections of any size: it is what log-odds s_i / τ − log Σ_{j≠i} … are.
"""

import json
import pathlib
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from data_pipeline.errors import InputError
from data_pipeline.host.files import write_text
from data_pipeline.host.typed_values import RULES, Count, Positive, Share, Size, parse
from mcsan_jax.scoring.multi_level import FUSED

CALIBRATION_NAME = "calibration.json"
SCHEMA_VERSION = 1
_ADVICE = "Restore it from a copy, or delete it: `mcsan eval RUN` fits another, and a search goes on without"


@dataclass(frozen=True, config=RULES)
class FittedOn:
    """It says what a calibration was fitted on, and how well it holds there."""

    split: str
    """The split whose captions were the queries."""
    step: Size
    """The training step of the model."""
    queries: Count
    """How many captions were queries."""
    videos: Count
    """How many videos were searched."""
    same_text: str
    """What a video is to another video's caption that has the text of one of its own: relevant, or wrong."""
    ece: Share
    """Expected calibration error of the first answers, by cross-validation over videos."""
    ece_of_ten: Share
    """The same of the first ten answers."""
    refused: Share
    """Share of the queries that find no good match."""
    answered_absent: Share
    """Share of the queries that find one after all videos that have their text were left out."""
    levels: list[list[str]]
    """The sets of levels at which the queries have nodes, but for rare ones."""
    versions: dict[str, str]
    """Versions of the packages that fitted it."""


@dataclass(frozen=True, config=RULES)
class Calibration:
    """A calibration turns the scores of a query into probabilities."""

    temperature: Positive
    """τ: an answer that scores higher by it is e times as likely."""
    absent_score: float
    """c: where the soft mean of all scores is as high, a right answer is as likely to be there as not."""
    threshold: Share
    """Least probability that the collection has a right answer; below it there is no good match."""
    fitted_on: FittedOn
    """On what it was fitted."""
    schema_version: Size = SCHEMA_VERSION
    """Of the file."""

    def probabilities(
        self, components: Mapping[str, Float[np.ndarray, " n"]], searched: int | None = None
    ) -> Float[np.ndarray, " n"]:
        """Returns the probability that each answer is right, as if a query had one right answer at most.

        Args:
            components: scores of the answers, of which the fused score counts.
            searched: how many videos the answers were chosen from; by default as many as there are answers. Those that
                were not scored in full must score too low to matter.

        Raises:
            ValueError: there is no answer, or fewer videos than answers.
        """
        scores = np.asarray(components[FUSED], np.float64)
        if searched is None:
            searched = len(scores)
        if not 1 <= len(scores) <= searched:
            raise ValueError(f"{len(scores)} answers of {searched} videos; expected at least one of as many")
        absent = self.absent_score / self.temperature + np.log(searched)
        logits = np.append(scores / self.temperature, absent)
        exponentials = np.exp(logits - logits.max())
        return exponentials[:-1] / exponentials.sum()

    def knows(self, levels: Iterable[str]) -> bool:
        """Returns whether it was fitted on texts with nodes at the same levels.

        A noun alone has no action, and is scored by other levels than a sentence: the probabilities of such a text, and
        whether it has a good match, mean nothing unless the captions of the fit were of this kind, too.

        Args:
            levels: at which the text has nodes: some of entity, action and relationship.
        """
        return sorted(levels) in self.fitted_on.levels

    def presence(
        self, components: Mapping[str, Float[np.ndarray, " n"]], searched: int | None = None
    ) -> float:
        """Returns the probability that one of the answers is right, the sum of their probabilities.

        Args:
            components, searched: see `probabilities`.
        """
        return min(float(self.probabilities(components, searched).sum()), 1.0)

    def has_good_match(
        self, components: Mapping[str, Float[np.ndarray, " n"]], searched: int | None = None
    ) -> bool:
        """Returns whether the collection has a right answer with at least the probability `threshold`.

        Args:
            components, searched: see `probabilities`.
        """
        return self.presence(components, searched) >= self.threshold


def keep_calibration(calibration: Calibration | None, folder: pathlib.Path) -> None:
    """Writes a calibration into a folder as ``calibration.json``, in one step; None removes that of an earlier one."""
    path = folder / CALIBRATION_NAME
    if calibration is None:
        path.unlink(missing_ok=True)
        return
    content = TypeAdapter(Calibration).dump_python(calibration, mode="json")
    write_text(path, json.dumps(content, indent=1) + "\n")


def read_calibration(folder: pathlib.Path, step: int | None = None) -> Calibration | None:
    """Reads what `keep_calibration` wrote; None where there is none, or a newer version of the program wrote it.

    Args:
        folder: of a model or a run.
        step: the training step of the model; None is returned where it was fitted to that of another one.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / CALIBRATION_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). {_ADVICE}") from error
    except ValueError as error:
        raise InputError(f"{path} is no valid JSON ({error}). {_ADVICE}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        return None
    calibration = parse(Calibration, content, f"{path}: ", _ADVICE)
    return calibration if step in (None, calibration.fitted_on.step) else None
