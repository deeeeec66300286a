"""This module prints a result in a terminal: a table of answers, and which phrase of the query met which frame."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mcsan_jax.retrieval.explain import Explanation, LevelExplanation
from mcsan_jax.search.answer_formats import no_good_match
from mcsan_jax.search.answering.found_captions import FoundCaption
from mcsan_jax.search.answers import FoundMoment, SearchAnswer, SearchResult

WIDTH_OF_FILES = 120
"""Width of a table that is not printed in a terminal, in characters."""

_SCORE_PLACE = 2
_BARS = "▁▂▃▄▅▆▇█"


def as_table(
    result: SearchResult,
    group_by: str = "",
    explanations: Mapping[str, Sequence[Explanation]] | None = None,
    width: int = WIDTH_OF_FILES,
) -> str:
    """Returns a result as a table, with what is to be known of it below.

    Args:
        result: the result.
        group_by: a column of the metadata that is shown; may be empty.
        explanations: by video, of each step of the query.
        width: of the terminal, in characters.
    """
    console = _console(width)
    if result.no_good_match:
        console.print(no_good_match(result), soft_wrap=True)
    elif result.answers:
        console.print(_table(result, group_by))
    for answer in result.answers:
        if answer.duplicates:
            console.print(f"{answer.rank}: nearly the same: {', '.join(answer.duplicates)}", soft_wrap=True)
        if explanations is not None:
            console.print(f"{answer.rank}: {answer.video}", soft_wrap=True)
            for explanation in explanations[answer.video]:
                console.print(_bars(explanation))
    for note in result.notes:
        console.print(f"note: {note}", soft_wrap=True)
    return _written(console)


def captions_as_table(captions: Sequence[FoundCaption], width: int = WIDTH_OF_FILES) -> str:
    """Returns the texts that describe a video best as a table."""
    table = _empty_table("rank", "probability", "score", "caption")
    for rank, caption in enumerate(captions, start=1):
        table.add_row(
            *map(Text, (str(rank), _probability(caption.probability), f"{caption.score:.3f}", caption.text))
        )
    console = _console(width)
    console.print(table)
    return _written(console)


def _console(width: int) -> Console:
    # Ids and queries may look like markup, but they are plain text.
    return Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)


def _written(console: Console) -> str:
    """Returns what was printed, without the spaces that fill up lines."""
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def _table(result: SearchResult, group_by: str) -> Table:
    added = list(dict.fromkeys(name for answer in result.answers for name in answer.contributions))
    # The video stands there in any case.
    group = [group_by] if group_by not in ("", "id") else []
    table = _empty_table("rank", *group, "video", "moment", "probability", "score", *added)
    for answer in result.answers:
        cells = [
            str(answer.rank),
            *(str(answer.metadata.get(name)) for name in group),
            answer.video,
            "\n".join(_moment(moment, answer) for moment in answer.moments),
            _probability(answer.probability),
            f"{answer.score:.3f}",
            *(f"{answer.contributions[name]:.3f}" if name in answer.contributions else "" for name in added),
        ]
        table.add_row(*map(Text, cells))
    return table


def _empty_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    texts = {"video", "moment", "caption"}
    after_score = columns.index("score")
    for place, name in enumerate(columns):
        is_number = name == "rank" or (name not in texts and place >= after_score - 1)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    return table


def _probability(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.2f}"


def _moment(moment: FoundMoment, answer: SearchAnswer) -> str:
    if answer.seconds:
        return f"{clock(moment.start)}–{clock(moment.end)}"
    return f"frames {moment.first}–{moment.last}"


def clock(seconds: float) -> str:
    """Returns a time as ``1:02.34``, or ``1:00:02.34`` from an hour on."""
    # `round` would take a half to the even neighbour, so that times with equal steps would differ in theirs.
    minutes, rest = divmod(math.floor(seconds * 100 + 0.5), 6000)
    hours, minutes = divmod(minutes, 60)
    end = f"{rest // 100:02}.{rest % 100:02}"
    return f"{hours}:{minutes:02}:{end}" if hours else f"{minutes}:{end}"


def _bars(explanation: Explanation) -> Table:
    """Draws the cosine of each phrase and each frame, from zero to the highest of the text."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=True)
    for place in range(5):
        table.add_column(justify="right" if place == _SCORE_PLACE else "left", overflow="fold")
    highest = max((float(level.cosines.max(initial=0)) for level in explanation.levels.values()), default=0.0)
    for name, level in explanation.levels.items():
        for number, phrase in enumerate(level.phrases):
            best = int(np.argmax(level.cosines[number])) if level.cosines.shape[1] else 0
            table.add_row(
                *map(
                    Text,
                    (
                        name,
                        phrase,
                        f"{level.scores[number]:.2f}",
                        _bar(level, number, highest),
                        _when(explanation, best),
                    ),
                )
            )
    if not explanation.levels:
        table.add_row(Text(""), Text("no phrase that could meet a frame"), Text(""), Text(""), Text(""))
    return table


def _bar(level: LevelExplanation, number: int, highest: float) -> str:
    shares = np.clip(level.cosines[number] / max(highest, 1e-6), 0, 1)
    return "".join(_BARS[round(share * (len(_BARS) - 1))] for share in shares.tolist())


def _when(explanation: Explanation, frame: int) -> str:
    if len(explanation.seconds):
        return f"best at {clock(float(explanation.seconds[frame]))}"
    return f"best in frame {frame}"
