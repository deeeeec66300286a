"""The two passes over all videos that a preparation makes, wherever they are executed."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from data_pipeline.builders.shards import ShardSummary, ShardWriter
from data_pipeline.record_maker import RecordMaker
from data_pipeline.survey import Count
from data_pipeline.videos import Video


@dataclasses.dataclass(frozen=True)
class Survey:
    """The result of the first pass.

    Attributes:
        counts: `data_pipeline.survey.survey` of all videos; attributes of too few videos may be missing.
        parsed: texts that were parsed now.
        cached: texts whose graphs were found from an earlier run.
    """

    counts: Mapping[Count, int]
    parsed: int
    cached: int


class Run(Protocol):
    """Executes the passes. The same videos give the same result in every kind of run.

    Attributes:
        parser: names and versions of the parser; see `data_pipeline.captions.parser.parser_identity`.
    """

    parser: dict[str, str]

    def survey(self, videos: Sequence[Video], minimum_videos: int) -> Survey:
        """Parses what has no graph yet and counts; attributes of fewer videos than the minimum may be left out."""
        ...

    def write(self, maker: RecordMaker, writer: ShardWriter) -> Sequence[ShardSummary]:
        """Writes the records of the surveyed videos.

        Raises:
            InputError: features of a video cannot be used.
        """
        ...
