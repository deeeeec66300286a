"""This module makes attribute vocabularies: what the training captions frequently say of their videos.

* An entity gives its lemma and, with each of its modifiers, the modifier and both: ``ball``, ``red``, ``red ball``.
* An action does alike, in the other order: ``move``, ``slowly``, ``move slowly``.
* A relationship gives ``push|agent|ball`` and, for each modifier of either end, the same of the end with it:
  ``push|agent|red ball``, ``push slowly|agent|ball``.

What a caption denies gives none, and neither does a relationship of which it denies an end.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.graphs.graph import Node, SemanticGraph
from data_pipeline.levels import ACTION, NODE_LEVELS, RELATIONSHIP
from data_pipeline.manifest import AttributeFile


@dataclasses.dataclass(frozen=True)
class AttributeVocabulary:
    """A vocabulary has the attributes of each node level; an attribute's id is its place in the level's tuple.

    Attributes:
        names: the attributes by level.
        video_counts: the number of training videos that have each attribute, by level and in the same order.
    """

    names: dict[str, tuple[str, ...]]
    video_counts: dict[str, tuple[int, ...]]
    _ids: dict[str, dict[str, int]] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {
            level: {name: index for index, name in enumerate(names)} for level, names in self.names.items()
        }
        object.__setattr__(self, "_ids", ids)

    def labels(self, graph: SemanticGraph) -> dict[str, list[int]]:
        """Returns the ids of a caption's attributes by level, ascending, each once; it skips unknown ones."""
        return self.video_labels([graph])

    def video_labels(self, graphs: Iterable[SemanticGraph]) -> dict[str, list[int]]:
        """Returns the ids of all attributes of a video's captions by level, ascending, each once."""
        found: dict[str, set[int]] = {level: set() for level in NODE_LEVELS}
        for graph in graphs:
            for level in NODE_LEVELS:
                ids = self._ids[level]
                found[level].update(ids[name] for name in _attributes(graph, level) if name in ids)
        return {level: sorted(ids) for level, ids in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Returns a list of ``[attribute, number of videos]`` for each level, which `from_json` reads."""
        return {
            level: [list(pair) for pair in zip(self.names[level], self.video_counts[level], strict=True)]
            for level in NODE_LEVELS
        }

    @staticmethod
    def from_json(value: Any) -> "AttributeVocabulary":
        """Rebuilds a vocabulary from `to_json`'s dictionary.

        Raises:
            InputError: the value has another form.
        """
        try:
            pairs = {level: [(name, count) for name, count in value[level]] for level in NODE_LEVELS}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"attribute vocabulary: expected [attribute, number of videos] pairs for each of "
                f"{', '.join(NODE_LEVELS)} ({error!r}); prepare the data again"
            ) from error
        for level, level_pairs in pairs.items():
            names = [name for name, _ in level_pairs]
            if not all(isinstance(name, str) and isinstance(count, int) for name, count in level_pairs):
                raise InputError(
                    f"attribute vocabulary, {level}: a pair is not [text, integer]; prepare the data again"
                )
            if len(set(names)) != len(names):
                raise InputError(
                    f"attribute vocabulary, {level}: an attribute occurs twice; prepare the data again"
                )
        return AttributeVocabulary(
            {level: tuple(name for name, _ in level_pairs) for level, level_pairs in pairs.items()},
            {level: tuple(count for _, count in level_pairs) for level, level_pairs in pairs.items()},
        )


def open_attributes(folder: pathlib.Path, described: AttributeFile) -> AttributeVocabulary:
    """Opens the attribute vocabularies of a prepared data set.

    Args:
        folder: the folder of the data set.
        described: the manifest's description of them.

    Raises:
        InputError: the file is missing or damaged, or does not hold what the manifest describes.
    """
    path = folder / described.file
    try:
        vocabulary = AttributeVocabulary.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    problems = []
    for level, size in described.sizes.items():
        counts = list(vocabulary.video_counts[level])
        if len(counts) != size:
            problems.append(f"{level}: {len(counts)} attributes; expected {size}")
        if counts != sorted(counts, reverse=True):
            problems.append(f"{level}: not in the order of the number of videos")
    if problems:
        raise InputError(f"{path}, {'; '.join(problems)}; prepare the data again, or put the file back")
    return vocabulary


def attributes_of(graphs: Iterable[SemanticGraph]) -> set[tuple[str, str]]:
    """Returns (node level, attribute) of all graphs of a video."""
    return {(level, name) for graph in graphs for level in NODE_LEVELS for name in _attributes(graph, level)}


def select_attributes(
    video_counts: Mapping[tuple[str, str], int], minimum_videos: int, maximum: Mapping[str, int]
) -> AttributeVocabulary:
    """Keeps the frequent attributes.

    Args:
        video_counts: the number of *training* videos in which each (node level, attribute) occurs; other videos would
            leak into the labels.
        minimum_videos: the smallest number of videos of an attribute that is kept.
        maximum: the largest number of attributes of each node level.

    Returns:
        The attributes by number of videos, descending, then alphabetically.
    """
    names: dict[str, tuple[str, ...]] = {}
    counts: dict[str, tuple[int, ...]] = {}
    for level in NODE_LEVELS:
        frequent = [
            (name, count)
            for (at, name), count in video_counts.items()
            if at == level and count >= minimum_videos
        ]
        kept = sorted(frequent, key=lambda pair: (-pair[1], pair[0]))[: maximum[level]]
        names[level] = tuple(name for name, _ in kept)
        counts[level] = tuple(count for _, count in kept)
    return AttributeVocabulary(names, counts)


def _attributes(graph: SemanticGraph, level: str) -> Iterator[str]:
    """Yields the attributes of a graph at a level, with repetitions."""
    if level == RELATIONSHIP:
        yield from _relationship_attributes(graph)
        return
    for node in graph.nodes:
        if node.level == level and not node.negated:
            yield node.lemma
            yield from (modifier.lemma for modifier in node.modifiers)
            yield from _qualified(node)


def _relationship_attributes(graph: SemanticGraph) -> Iterator[str]:
    for edge in graph.relationships:
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        if not (edge.negated or source.negated or target.negated):
            yield f"{source.lemma}|{edge.role}|{target.lemma}"
            yield from (f"{name}|{edge.role}|{target.lemma}" for name in _qualified(source))
            yield from (f"{source.lemma}|{edge.role}|{name}" for name in _qualified(target))


def _qualified(node: Node) -> list[str]:
    """Returns the lemma of a node with that of each of its modifiers, in the order of English."""
    if node.level == ACTION:
        return [f"{node.lemma} {modifier.lemma}" for modifier in node.modifiers]
    return [f"{modifier.lemma} {node.lemma}" for modifier in node.modifiers]
