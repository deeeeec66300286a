"""This module makes captions false by changing one thing in their text and, in the same way, in their graph.

The texts alone shall not tell a foil from its caption. Words are replaced by words of the training captions in the same
context and form, as often as they stand there. What the texts still tell is learned from them (`plausibility`), and a
foil is kept by Metropolis's rule, that is with the chance with which its caption could as well have been made from it.
"""

import collections
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from data_pipeline.foils.foil_words import FoilWords, chance
from data_pipeline.foils.plausibility import (
    BIGRAM_MODEL,
    IMPARTIAL,
    Difference,
    Plausibility,
    features_of,
    keeping_chance,
)
from data_pipeline.foils.polarity import denials
from data_pipeline.foils.proposals import DRAWN, PROPOSALS, Original
from data_pipeline.foils.text_edits import Captioned
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.host.worker_processes import result_of, submitted, worker_processes
from data_pipeline.levels import POLARITY

_TRIES = 2
"""Words are drawn so many times; more would favour captions whose words can hardly be replaced."""

_ROUNDS = 3
_FITTED_FOILS = 2
_FITTED_PAIRS = 20_000
"""A round learns from so many foils of a caption, and from at most so many pairs of each half of the videos."""

_WORTH_A_PROCESS = 400
"""Of fewer videos, another process would start longer than it learns."""


@dataclasses.dataclass(frozen=True)
class GraphFoil:
    """A graph foil is a caption made false, with its graph.

    Attributes:
        kind: what was changed, one of `data_pipeline.levels.FOIL_KINDS`.
        text: the false caption.
        graph: its graph.
    """

    kind: str
    text: str
    graph: SemanticGraph


Judges = Mapping[str, Plausibility]
"""Judges tell true captions from foils by their texts, each the foils of one kind."""

VideoCaptions = tuple[str, Sequence[Captioned]]
"""These are the id of a video and its captions."""


@dataclasses.dataclass(frozen=True)
class FoilMaker:
    """A foil maker makes foils of the captions of any video; it can be sent to another process.

    Attributes:
        words: the words that may replace each other.
        judges: what the texts of each half of the training videos tell of which of two captions is true. A video has
            its foils judged by what the other half tells, because its own captions are too plausible to the half that
            has them.
    """

    words: FoilWords
    judges: tuple[Judges, Judges]

    @staticmethod
    def learn(videos: Sequence[VideoCaptions], processes: int = 1) -> "FoilMaker":
        """Learns words and judges from the captions of training videos.

        The judges learn in rounds, each from the foils that they let pass before it.

        Args:
            videos: the training videos.
            processes: the number of processes that may learn; with two or more, another one learns for one half.
        """
        # In an order of their own, whoever gives them.
        videos = sorted(videos, key=lambda video: chance("fit", video[0]))
        halves = [[video for video in videos if _half_of(video[0]) == half] for half in range(2)]
        counts = [_count_features(half) for half in halves]
        untaught = [_untaught(of_half) for of_half in counts]
        maker = FoilMaker(FoilWords.of(captions for _, captions in videos), (untaught[0], untaught[1]))
        # The captions of the other half are in none of the pairs.
        lessons = [_Lesson(maker.words, index, half, counts[1 - index]) for index, half in enumerate(halves)]
        with _learning(lessons, processes if len(videos) >= _WORTH_A_PROCESS else 1) as learned:
            for number in range(_ROUNDS):
                maker = dataclasses.replace(maker, judges=learned(number, maker.judges))
        return maker

    def foils(self, video_id: str, captions: Sequence[Captioned], most: int) -> list[list[GraphFoil]]:
        """Returns the foils of each caption of a video, of different kinds where it allows several.

        Those with the same words in another structure, or with a denial, come first.

        Args:
            video_id: the video's id, on which the choices depend.
            captions: all its captions.
            most: the largest number of foils of a caption; many have fewer.
        """
        judged = self.judged(video_id, captions, "", most)
        return [[foil for foil, _ in of_caption] for of_caption in judged]

    def judged(
        self, video_id: str, captions: Sequence[Captioned], draw: str, most: int
    ) -> list[list[tuple[GraphFoil, Difference]]]:
        """Returns the foils of each caption, and the features in which caption and foil differ; see `foils`.

        Other foils are drawn with another `draw`.
        """
        sources = [Original(caption) for caption in captions]
        said = frozenset[str]().union(*(source.statements for source in sources))
        judges = self.judges[1 - _half_of(video_id)]
        return [
            list(self._foils_of(source, said, judges, f"{video_id}/{number}/{draw}", most))
            for number, source in enumerate(sources)
        ]

    def _foils_of(
        self, source: Original, said: frozenset[str], judges: Judges, key: str, most: int
    ) -> Iterator[tuple[GraphFoil, Difference]]:
        # Captions of other videos have other words, but only foils have the same words in another structure.
        kinds = sorted(PROPOSALS, key=lambda kind: (kind in DRAWN, chance(key, kind)))
        found: set[str] = set()
        for turn in range(_TRIES):
            for kind in kinds if turn == 0 else [kind for kind in kinds if kind in DRAWN]:
                attempt = f"{key}/{kind}/{turn}"
                foil = PROPOSALS[kind](source, self.words, attempt)
                if foil is None or foil.text in found or not source.is_false(kind, foil, said):
                    continue
                row = source.difference(foil)
                chance_to_keep = keeping_chance(judges[kind].advantage(row))
                if kind == POLARITY and denials(foil) > denials(source.caption):
                    chance_to_keep *= self.words.denied_share
                if chance(attempt, "keep") < chance_to_keep:
                    found.add(foil.text)
                    yield GraphFoil(kind, *foil), row
                    if len(found) == most:
                        return


@dataclasses.dataclass(frozen=True)
class _Lesson:
    """A lesson is what the judges of one half of the training videos learn from.

    Attributes:
        words: as of `FoilMaker`.
        index: which half it is.
        videos: the videos of this half.
        counts: how often the captions of the other half have each feature.
    """

    words: FoilWords
    index: int
    videos: Sequence[VideoCaptions]
    counts: Mapping[int, int]

    def learned(self, number: int, judges: tuple[Judges, Judges]) -> Judges:
        """Returns the judges of this half after a round more."""
        maker = FoilMaker(self.words, judges)
        rows: dict[str, list[Difference]] = collections.defaultdict(list)
        pairs = 0
        for video_id, captions in self.videos:
            for of_caption in maker.judged(video_id, captions, f"round {number}", _FITTED_FOILS):
                for foil, row in of_caption:
                    rows[foil.kind].append(row)
                    pairs += 1
            if pairs >= _FITTED_PAIRS:
                break
        return {kind: judge.fitted_to(rows[kind], self.counts) for kind, judge in judges[self.index].items()}


@contextlib.contextmanager
def _learning(
    lessons: Sequence[_Lesson], processes: int
) -> Iterator[Callable[[int, tuple[Judges, Judges]], tuple[Judges, Judges]]]:
    """Yields what returns the judges of both halves after a round more; another process may learn the second."""
    ours, others = lessons
    if processes < 2:
        yield lambda number, judges: (ours.learned(number, judges), others.learned(number, judges))
        return
    fields = others.words, others.index, others.videos, others.counts
    with worker_processes(1, _Lesson, fields) as executor:

        def learned(number: int, judges: tuple[Judges, Judges]) -> tuple[Judges, Judges]:
            second = submitted(executor, _learned, (number, judges))
            return ours.learned(number, judges), result_of(second)

        yield learned


def _learned(lesson: _Lesson, of_round: tuple[int, tuple[Judges, Judges]]) -> Judges:
    return lesson.learned(*of_round)


def _count_features(videos: Sequence[VideoCaptions]) -> Mapping[int, int]:
    captions = itertools.chain.from_iterable(captions for _, captions in videos)
    return collections.Counter(itertools.chain.from_iterable(map(features_of, captions)))


def _untaught(counts: Mapping[int, int]) -> Judges:
    """Returns the first judges: words are drawn as often as they stand somewhere, but exchanges may be of any kind."""
    return {
        kind: Plausibility({}, counts, IMPARTIAL if kind in DRAWN else BIGRAM_MODEL) for kind in PROPOSALS
    }


def _half_of(video_id: str) -> int:
    return int(chance("half", video_id) < 0.5)
