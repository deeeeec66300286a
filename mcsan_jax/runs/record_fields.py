"""This module types the fields of an evaluation record, from the figures of a score to the failure cases."""

from typing import Annotated, Generic, TypeVar

import pydantic

Value = TypeVar("Value")

Metrics = dict[str, float]
"""The value of each metric; recalls and means of precision are in percent."""
Interval = Annotated[list[float], pydantic.Field(min_length=2, max_length=2)]
"""The low and the high end."""


STRICT = pydantic.ConfigDict(
    strict=True, extra="forbid", frozen=True, allow_inf_nan=True, ser_json_inf_nan="constants"
)
"""A record accepts no other types and keys than its own, and does not change."""


class _Field(pydantic.BaseModel):
    model_config = STRICT


class _OfDirections(_Field, Generic[Value]):
    t2v: Value
    v2t: Value

    def of(self, direction: str) -> Value:
        """Returns what belongs to the direction ``t2v`` or ``v2t``."""
        return self.t2v if direction == "t2v" else self.v2t


class BothDirections(_OfDirections[Metrics]):
    """These are the figures of one score: the metrics of each direction, and Rsum, from 0 to 600."""

    rsum: float


class ProtocolSummary(_Field):
    """This says under which protocol the split was evaluated; see `evaluation.protocols.describe_protocol`.

    Attributes:
        name: the name of the protocol.
        source: the origin of the splits, in words.
        lines: the sentences that are printed above every table.
        official: True where the published counts are met, False where they are not, None where none are known.
        duplicate_captions: the rule for captions of the same text, in words.
        selection: what chose the checkpoint, in words.
        expected: the published numbers of ``videos`` and ``captions``; None where there is no such number.
        features: the streams of features, in words.
    """

    name: str
    source: str
    lines: list[str]
    official: bool | None
    duplicate_captions: str
    selection: str
    expected: dict[str, int | None]
    features: str


class Intervals(_OfDirections[dict[str, Interval]]):
    """These are 95 % intervals of the fused figures, by metric."""

    rsum: Interval


class OverLinear(_Field):
    """It says by how much the fused score's Rsum is above that of the linear branch alone, with a paired interval."""

    rsum: float
    interval: Interval


class AttributePrecision(_Field):
    """This says how well the attributes of a third of a vocabulary are recognised.

    Attributes:
        count: the number of these attributes that the split has.
        mAP: the mean average precision in percent.
        chance: the mean share of videos that have one of these attributes, in percent.
    """

    count: int
    mAP: float
    chance: float


class Densities(_Field):
    """Densities count the matched and the other pairs by fused score.

    Attributes:
        edges: the fused scores between which the bins lie [bin + 1].
        matched: the number of matched pairs in each bin [bin].
        others: the number of all other pairs in each bin [bin].
    """

    edges: list[float]
    matched: list[int]
    others: list[int]


class Hub(_Field):
    """A hub is an item that occurs among the best answers of many queries.

    Attributes:
        id: the id of the video or caption.
        occurrences: the number of queries that have it among their best answers.
    """

    id: str
    occurrences: int


class Hubs(_Field):
    """Hubs say how often items are among the best answers of queries.

    Attributes:
        k: the number of best answers of a query that count.
        skewness: the skewness of the numbers of occurrences; about 0 without hubs.
        top: the worst hubs, the worst first.
        histogram: the number of items with each number of occurrences [occurrences].
    """

    k: int
    skewness: float
    top: list[Hub]
    histogram: list[int]


class HubsOfBoth(_OfDirections[Hubs]):
    """This holds the hubs of both directions."""


class WrongAnswer(_Field):
    """A wrong answer is a video that came before the relevant one, with its fused score and one of its captions.

    Attributes:
        video: the id of the video.
        score: the fused score.
        text: one of the video's captions.
    """

    video: str
    score: float
    text: str


class PairScores(_Field):
    """This holds a level's score of the relevant video (``relevant``) and of the first wrong one (``returned``)."""

    relevant: float
    returned: float


class FailureCase(_Field):
    """A failure case is a caption whose video was ranked badly.

    Attributes:
        query: the id of the caption.
        text: the caption.
        video: the id of the relevant video.
        rank: the expected rank of the relevant video.
        returned: the wrong answers that came before it, the best first.
        parts: the scores of both videos by score name.
        blame: the level to blame: there the wrong answer leads by most, times the level's weight.
    """

    query: str
    text: str
    video: str
    rank: float
    returned: list[WrongAnswer]
    components: dict[str, PairScores]
    blame: str


class SharedCaption(_Field):
    """A shared caption is a caption that another video also has.

    Attributes:
        query: the id of the caption.
        text: the caption.
        video: the id of its video.
        other: the id of another video with the same caption.
        rank: the expected rank of its video.
    """

    query: str
    text: str
    video: str
    other: str
    rank: float


class FalseNegatives(_Field):
    """False negatives are captions that other videos have too; `ranking.duplicates.shared_captions` counts them.

    Attributes:
        queries: the number of such captions.
        share: their share of all captions in percent.
        examples: some of them, those with the worst ranks first.
        rsum_merged: the Rsum, from 0 to 600, if every video with the caption counted as relevant.
        rsum_apart: the Rsum if every such video counted as wrong.
    """

    queries: int
    share: float
    examples: list[SharedCaption]
    rsum_merged: float
    rsum_apart: float | None = None


class ReliabilityOfAnswers(_Field):
    """It compares the probabilities of answers with how many are right, in bins of equal size.

    Attributes:
        ece: the expected calibration error, the mean over answers of the difference of the two in their bin.
        probabilities: the mean probability of each bin [bin].
        relevant: the share of each bin's answers that are right [bin].
        answers: the number of answers of each bin [bin].
    """

    ece: float
    probabilities: list[float]
    relevant: list[float]
    answers: list[int]


class SplitCalibration(_Field):
    """It says how the probabilities of answers hold on the captions of the split.

    Attributes:
        fitted_on: the split on which the calibration was fitted.
        temperature, absent_score, threshold: the fields of the `calibration.calibration.Calibration`.
        queries: the number of captions that were asked.
        first: the reliability of the first answers.
        first_ten: the reliability of the first ten answers.
        refused: the share of the captions that find no good match.
        answered_absent: the share that finds one after all videos with their text were left out; None where no video
            is left.
    """

    fitted_on: str
    temperature: float
    absent_score: float
    threshold: float
    queries: int
    first: ReliabilityOfAnswers
    first_ten: ReliabilityOfAnswers
    refused: float
    answered_absent: float | None


class Variant(BothDirections):
    """A variant holds the figures of the same checkpoint, scored in another way.

    Attributes:
        name: the name of the way.
    """

    name: str


class HubCorrection(Variant):
    """A hub correction holds the figures of the same checkpoint, scored with a correction against hubs.

    Attributes:
        transductive: whether it looks at the other test queries.
        temperature: the temperature chosen on the validation split; None for a method without one.
        hubs: the hubs after the correction.
    """

    transductive: bool
    temperature: float | None
    hubs: HubsOfBoth
