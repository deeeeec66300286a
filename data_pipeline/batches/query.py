"""Free text → the arrays that the text encoder takes, the same that records of that text give; no TensorFlow."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from data_pipeline.batches.batch import BatchLimits, TextBatch
from data_pipeline.errors import InputError
from data_pipeline.graphs.attributes import open_attributes
from data_pipeline.graphs.parser import CaptionParser, recorded_model
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from data_pipeline.manifest import MANIFEST_NAME, Manifest
from data_pipeline.records.make import CaptionEncoder
from data_pipeline.records.phrases import phrase_graph
from data_pipeline.records.schema import ACTION_NODE, EncodedCaption
from data_pipeline.text.loading import open_tokenizer
from data_pipeline.text.same_text import text_key


@dataclasses.dataclass(frozen=True)
class Query:
    """A text as the encoder sees it.

    Attributes:
        caption: the text in numbers.
        phrases: per node level, the words of each node that has a place in the batch, in the order of the slots.
    """

    caption: EncodedCaption
    phrases: dict[str, list[str]]


class QueryParser:
    """Parses and encodes texts with the tokenizer, attributes and roles of a prepared data set.

    Args:
        folder: of the prepared data.
        manifest: its manifest.
        limits: sizes to which batches are padded or cut.

    Raises:
        InputError: a file of the prepared data is missing or damaged, or the spaCy model that the manifest names is
            not installed in the same version.
    """

    def __init__(self, folder: pathlib.Path, manifest: Manifest, limits: BatchLimits) -> None:
        self._tokenizer = open_tokenizer(folder, manifest.tokenizer)
        vocabulary = open_attributes(folder, manifest.attributes)
        self._encoder = CaptionEncoder(self._tokenizer, vocabulary, manifest.roles)
        self._model = recorded_model(manifest.parser, str(folder / MANIFEST_NAME))
        self._roles, self._attribute_sizes, self._limits = manifest.roles, manifest.attribute_sizes, limits

    @functools.cached_property
    def _parser(self) -> CaptionParser:
        return CaptionParser(self._model)

    def parse(self, texts: Sequence[str]) -> list[Query]:
        """Texts with their graphs.

        Raises:
            InputError: a text is empty, or holds nothing that the tokenizer can read.
        """
        stripped = [text.strip() for text in texts]
        captions = [
            self._encoder.encode(f"query {number}", text, graph)
            for number, (text, graph) in enumerate(
                zip(stripped, self._parser.parse(stripped), strict=True), start=1
            )
        ]
        for number, caption in enumerate(captions, start=1):
            if not caption.token_ids:
                raise InputError(
                    f"text {number} of {len(texts)} is {texts[number - 1]!r}: there is nothing to search for; give a "
                    "sentence such as 'a man plays a guitar'"
                )
        return [Query(caption, self._phrases(caption)) for caption in captions]

    def batch(self, queries: Sequence[Query], rows: int) -> TextBatch:
        """The queries as a batch of `rows` rows; those beyond the queries are padding."""
        return text_batch([query.caption for query in queries], self._limits, self._attribute_sizes, rows)

    def _phrases(self, caption: EncodedCaption) -> dict[str, list[str]]:
        slots, edges = place_nodes(caption, self._limits)
        phrases = phrase_graph(caption, self._tokenizer, self._roles).phrases
        of_slot = {slot: phrases[node] for node, slot in sorted(slots.items(), key=lambda item: item[1])}
        return {
            ENTITY: [phrase for slot, phrase in of_slot.items() if slot >= self._limits.max_actions],
            ACTION: [phrase for slot, phrase in of_slot.items() if slot < self._limits.max_actions],
            RELATIONSHIP: [
                f"{phrases[source]} –{self._roles[role]}→ {phrases[target]}" for source, target, role in edges
            ],
        }


def place_nodes(
    caption: EncodedCaption, limits: BatchLimits
) -> tuple[dict[int, int], list[tuple[int, int, int]]]:
    """The slot of each node that has one, and the relationships that have one, in order.

    Actions take the first slots and entities those after them, as `TextBatch` has it. What lies beyond the limits is
    left out, and relationships with it.
    """
    slots: dict[int, int] = {}
    taken = {True: 0, False: 0}
    room = {True: limits.max_actions, False: limits.max_entities}
    for node, (level, (first, _)) in enumerate(zip(caption.node_levels, caption.node_spans, strict=True)):
        is_action = level == ACTION_NODE
        if first < limits.max_tokens and taken[is_action] < room[is_action]:
            slots[node] = taken[is_action] + (0 if is_action else limits.max_actions)
            taken[is_action] += 1
    edges = [edge for edge in caption.edges if edge[0] in slots and edge[1] in slots]
    return slots, edges[: limits.max_relationships]


def text_batch(
    captions: Sequence[EncodedCaption], limits: BatchLimits, attribute_sizes: dict[str, int], rows: int
) -> TextBatch:
    """A batch of captions, laid out as `data_pipeline.batches.decoding.decode_captions` lays out stored ones.

    Args:
        captions: at most `rows`.
        limits: sizes to pad and cut to.
        attribute_sizes: number of attributes of each node level.
        rows: of the batch; those beyond the captions are padding.
    """
    node_count = limits.max_actions + limits.max_entities

    def integers(*shape: int) -> np.ndarray:
        return np.zeros((rows, *shape), np.int32)

    tokens, spans, roles = integers(limits.max_tokens), integers(node_count, 2), integers(node_count)
    edges = integers(limits.max_relationships, 3)
    counts, edge_counts = integers(), integers()
    node_mask = np.zeros((rows, node_count), bool)
    labels = {level: np.zeros((rows, size), bool) for level, size in attribute_sizes.items()}
    for row, caption in enumerate(captions):
        ids = caption.token_ids[: limits.max_tokens]
        tokens[row, : len(ids)], counts[row] = ids, len(ids)
        slots, kept = place_nodes(caption, limits)
        for node, slot in slots.items():
            spans[row, slot] = np.minimum(caption.node_spans[node], limits.max_tokens)
            roles[row, slot], node_mask[row, slot] = caption.node_roles[node], True
        for place, (source, target, role) in enumerate(kept):
            edges[row, place] = slots[source], slots[target], role
        edge_counts[row] = len(kept)
        for level, of_level in labels.items():
            of_level[row, caption.attributes[level]] = True
    return TextBatch(
        token_ids=tokens,
        token_mask=_first_places(counts, limits.max_tokens),
        node_spans=spans,
        node_roles=roles,
        node_mask=node_mask,
        edge_source=edges[..., 0],
        edge_target=edges[..., 1],
        edge_roles=edges[..., 2],
        edge_mask=_first_places(edge_counts, limits.max_relationships),
        labels=dict(labels),
        caption_group=_groups([caption.text for caption in captions], rows),
    )


def _first_places(counts: np.ndarray, size: int) -> np.ndarray:
    return np.arange(size) < counts[:, None]


def _groups(texts: Sequence[str], rows: int) -> np.ndarray:
    """Returns equal numbers for texts that are the same by `text_key`, int32 ``[rows]``; padding has zero."""
    keys = [text_key(text) for text in texts]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys), start=1)}
    return np.array([*(numbers[key] for key in keys), *[0] * (rows - len(keys))], np.int32)
