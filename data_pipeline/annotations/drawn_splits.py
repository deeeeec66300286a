"""Splits for captions that name none: videos are drawn, and the same ones whenever the captions are read."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping, Sequence

from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION, Caption, Segment, split_meant
from data_pipeline.annotations.text_tables import TextTable, text_value
from data_pipeline.errors import Faults, InputError, nearest

SPLIT = "split"
_SHARE = 0.1
"""Of the videos, for validation and for the test; a video at least."""
_SEED = "mcsan"
_TEXTS = ("video_id", "caption")


class RowsWithoutSplit:
    """The rows of captions that name no split."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._elsewhere = False

    def note(self, row: dict[str, object], where: str) -> None:
        """Notes a row, and whether another key of it seems to name a split."""
        try:
            text_value(row, SPLIT, where)
        except InputError as error:
            self._faults.append(str(error))
        values = (value for key, value in row.items() if key not in _TEXTS and isinstance(value, str))
        self._elsewhere |= nearest(SPLIT, row) is not None or any(map(split_meant, values))

    def resolved(
        self, captions: Sequence[Caption], segments: Mapping[str, Segment], faults: Faults
    ) -> tuple[Sequence[Caption], list[str]]:
        """Returns captions with their splits, drawn where no row names one, and what is said of that.

        Args:
            captions: of all rows, with an empty split where the row names none.
            segments: the parts of longer videos, by the id of the part.
            faults: where some rows name a split, or seem to, the others are added here.
        """
        if not self._faults:
            return captions, []
        if self._elsewhere or any(caption.split for caption in captions):
            for fault in self._faults:
                faults.add(fault)
            return captions, []
        drawn, said = draw_splits(captions, segments)
        return drawn, [said]


def table_with_or_without_splits(
    path: pathlib.Path, columns: Sequence[str], may_be_empty: Sequence[str]
) -> TextTable:
    """Opens a table whose column `SPLIT` may be left out; see `TextTable`.

    Raises:
        InputError: the file cannot be read, the header lacks another column, or seems to have this one by another name.
    """
    try:
        table = TextTable(path, [column for column in columns if column != SPLIT], may_be_empty)
    except InputError:
        # The message is to name all columns.
        return TextTable(path, columns, may_be_empty)
    without = SPLIT not in table.header and nearest(SPLIT, table.header) is None
    return table if without else TextTable(path, columns, may_be_empty)


def draw_splits(captions: Sequence[Caption], segments: Mapping[str, Segment]) -> tuple[list[Caption], str]:
    """Gives each caption the split that is drawn for its video, and says how many videos each split has.

    Parts of one longer video have the same split, because they look alike. Fewer than three videos are all for
    training.

    Args:
        captions: whose splits do not count.
        segments: the parts of longer videos, by the id of the part.

    Returns:
        The captions in their order, and a sentence about what was drawn.
    """
    whole = {
        one.video_id: segments[one.video_id].video_id if one.video_id in segments else one.video_id
        for one in captions
    }
    drawn = sorted(
        set(whole.values()), key=lambda video: hashlib.sha256(f"{_SEED}:{video}".encode()).digest()
    )
    share = max(1, round(_SHARE * len(drawn))) if len(drawn) >= 3 else 0
    split_of = {
        video: TEST if place < share else VALIDATION if place < 2 * share else TRAIN
        for place, video in enumerate(drawn)
    }
    return (
        [dataclasses.replace(one, split=split_of[whole[one.video_id]]) for one in captions],
        f"no caption names its split: of {len(drawn):,} videos, {share:,} were drawn for validation and {share:,} for "
        "the test, always the same ones; a column 'split' (train, val, test) or --split_file decides it otherwise",
    )
