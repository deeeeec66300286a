"""This module types the fields of an evaluation record, from the figures of a score to the failure cases."""

from typing import Annotated, Generic, TypeVar

import pydantic

Value = TypeVar("Value")

Metrics = dict[str, float]
"""Value of each metric; recalls and means of precision are in percent."""
Interval = Annotated[list[float], pydantic.Field(min_length=2, max_length=2)]
"""Low and high end."""


STRICT = pydantic.ConfigDict(
    strict=True, extra="forbid", frozen=True, allow_inf_nan=True, ser_json_inf_nan="constants"
)
"""A record takes no other types and keys than its own, and does not change."""


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
    """It says under which protocol the split was evaluated; see `evaluation.protocols.describe_protocol`."""

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
    """It holds the mean average precision of a third of a vocabulary, and what chance gets, both in percent."""

    count: int
    mAP: float
    chance: float


class Densities(_Field):
    """They count the matched and the other pairs, by fused score: [bin] between ``edges`` [bin + 1]."""

    edges: list[float]
    matched: list[int]
    others: list[int]


class Hub(_Field):
    """A hub is an item that many queries have among their best answers, so many as it occurs."""

    id: str
    occurrences: int


class Hubs(_Field):
    """They say how often items are among the best `k` answers; ``histogram[n]`` items occur n times."""

    k: int
    skewness: float
    top: list[Hub]
    histogram: list[int]


class HubsOfBoth(_OfDirections[Hubs]):
    """It holds the hubs of both directions."""


class WrongAnswer(_Field):
    """A wrong answer is a video that came before the relevant one, with its fused score and one of its captions."""

    video: str
    score: float
    text: str


class PairScores(_Field):
    """It holds a level's score of the relevant video (``relevant``) and of the first wrong one (``returned``)."""

    relevant: float
    returned: float


class FailureCase(_Field):
    """A failure case is a caption whose video was ranked badly."""

    query: str
    text: str
    video: str
    rank: float
    returned: list[WrongAnswer]
    components: dict[str, PairScores]
    blame: str


class SharedCaption(_Field):
    """A shared caption is one that another video has, too."""

    query: str
    text: str
    video: str
    other: str
    rank: float


class FalseNegatives(_Field):
    """They are captions that other videos have, too; see `ranking.duplicates.shared_captions`.

    Rsum is ``rsum_merged`` if those videos count as relevant, and ``rsum_apart`` if they count as wrong.
    """

    queries: int
    share: float
    examples: list[SharedCaption]
    rsum_merged: float
    rsum_apart: float | None = None


class Variant(BothDirections):
    """A variant holds the figures of the same checkpoint, scored in another way."""

    name: str


class HubCorrection(Variant):
    """It holds the figures of the same checkpoint with a correction against hubs."""

    transductive: bool
    temperature: float | None
    hubs: HubsOfBoth
