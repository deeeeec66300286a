"""This module types what an evaluation record says of foils."""

import pydantic

from mcsan_jax.runs.record_fields import STRICT, Interval


class FoilAccuracy(pydantic.BaseModel):
    """This says how often, in percent, the true caption was preferred to all foils, with the 95 % interval."""

    model_config = STRICT

    accuracy: float
    interval: Interval


class FoilKind(pydantic.BaseModel):
    """These are the accuracies of the questions whose foils change the same.

    Attributes:
        kind: what the foils change.
        questions: the number of questions.
        videos: the number of videos that they are about.
        chance: the mean, over the questions, of 100 divided by the number of captions.
        words: the accuracy of words alone, a control that sees no video; None where there is only one video.
        scores: the accuracy of the fused score and of each of its components.
    """

    model_config = STRICT

    kind: str
    questions: int
    videos: int
    chance: float
    words: FoilAccuracy | None
    scores: dict[str, FoilAccuracy]


class FoilsAbsent(pydantic.BaseModel):
    """These are the questions of a file about videos that the split lacks; a few of the videos are named."""

    model_config = STRICT

    questions: int
    videos: int
    examples: list[str]


class FoilTest(pydantic.BaseModel):
    """A foil test asks which caption of a video is the true one.

    Attributes:
        source: the name of the file with the questions, or "prepared data" where the records hold the foils.
        form: in what form the file was written.
        questions: the number of questions about videos of the split.
        videos: the number of these videos.
        absent: the questions about other videos.
        kinds: the accuracies by kind, in the order of the file; empty where no question is about a video of the split.
    """

    model_config = STRICT

    source: str
    form: str
    questions: int
    videos: int
    absent: FoilsAbsent
    kinds: list[FoilKind]
