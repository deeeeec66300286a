"""This module turns free text into the arrays that records of that text would give, without TensorFlow."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from data_pipeline.batches.batch import BatchLimits, TextBatch
from data_pipeline.batches.other_tokens import OtherTokens
from data_pipeline.batches.text_layout import lay_out, place_graphs
from data_pipeline.errors import InputError, shown
from data_pipeline.graphs.attributes import open_attributes
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.parser import CaptionParser, recorded_model
from data_pipeline.graphs.spelling import Spelling
from data_pipeline.graphs.words import gerund, third_person
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from data_pipeline.manifest import MANIFEST_NAME, Manifest
from data_pipeline.records.make import CaptionEncoder
from data_pipeline.records.phrase_graph import phrase_graph, shown_role
from data_pipeline.records.schema import EncodedCaption, flatten_captions
from data_pipeline.text.same_text import text_key
from data_pipeline.text.vocabulary import open_tokenizer


@dataclasses.dataclass(frozen=True)
class Query:
    """A query is a text as the encoder sees it.

    Attributes:
        caption: the text in numbers.
        phrases: by node level, the words of each node that has a slot in the batch, in the order of the slots, as
            `data_pipeline.records.phrase_graph.PhraseGraph` has them.
        edges: the relationships in the same order: the words of the source, the role, the words of the target.
        words: the words of the text, as white space divides it.
        word_of_token: for each token that has a slot in the batch, the index of its word.
        is_foreign: whether the text is most likely not English, which graphs are made of; it has no nodes then.
    """

    caption: EncodedCaption
    phrases: dict[str, list[str]]
    edges: list[tuple[str, str, str]]
    words: list[str]
    word_of_token: Int[np.ndarray, " w"]
    is_foreign: bool = False


class QueryParser:
    """A query parser parses and encodes texts with the tokenizer, attributes and roles of a prepared data set.

    Args:
        folder: the folder of the prepared data.
        manifest: the folder's manifest.
        limits: the sizes to which batches are padded or cut.
        other_tokens: reads the texts where the model has another tokenizer than the data; None where it has theirs.

    Raises:
        InputError: a file of the prepared data is missing or damaged, or the spaCy model that the manifest names is
            not installed in that version.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        manifest: Manifest,
        limits: BatchLimits,
        other_tokens: OtherTokens | None = None,
    ) -> None:
        self._tokenizer = open_tokenizer(folder, manifest.tokenizer)
        self._attributes = open_attributes(folder, manifest.attributes)
        self._encoder = CaptionEncoder(
            self._tokenizer, self._attributes, manifest.roles, manifest.modifier_kinds
        )
        self._model = recorded_model(manifest.parser, str(folder / MANIFEST_NAME))
        self._other_tokens = other_tokens
        self._manifest, self._limits = manifest, limits

    @functools.cached_property
    def _parser(self) -> CaptionParser:
        return CaptionParser(self._model)

    @functools.cached_property
    def _spelling(self) -> Spelling:
        """Knows the words of the data as well."""
        actions = self._attributes.names[ACTION]
        verbs = (form(action) for action in actions for form in (gerund, third_person))
        return self._parser.spelling.with_frequent([*self._attributes.names[ENTITY], *actions, *verbs])

    def corrected(self, text: str) -> str:
        """Returns a text without slips: words that are one away from a frequent word, or from one of the data."""
        return self._spelling.correct_text(text)

    def parse(self, texts: Sequence[str]) -> list[Query]:
        """Returns the texts with their graphs; one in another language than English has an empty graph.

        Raises:
            InputError: a text has neither a letter nor a digit, or the tokenizer can read nothing in it.
        """
        stripped = [text.strip() for text in texts]
        foreign = [self._spelling.is_foreign(text) for text in stripped]
        graphs = self._parser.parse(stripped)
        captions = [
            self._encoder.encode(f"query {number}", text, SemanticGraph((), ()) if is_foreign else graph)
            for number, (text, graph, is_foreign) in enumerate(
                zip(stripped, graphs, foreign, strict=True), start=1
            )
        ]
        for number, caption in enumerate(captions, start=1):
            if not caption.token_ids or not any(map(str.isalnum, caption.text)):
                raise InputError(
                    f"text {number} of {len(texts)} is {shown(texts[number - 1])}: there is nothing to search for; "
                    "give a sentence such as 'a man plays a guitar'"
                )
        return [
            Query(caption, *self._phrases(caption), *self._words(caption.text), is_foreign)
            for caption, is_foreign in zip(captions, foreign, strict=True)
        ]

    def batch(self, queries: Sequence[Query], rows: int) -> TextBatch:
        """Returns the queries as a batch of `rows` rows; the rows beyond the queries are padding."""
        captions = [query.caption for query in queries]
        # An index one past the last caption stands for padding.
        chosen = np.minimum(np.arange(rows), len(captions))
        texts = [caption.text for caption in captions]
        groups, flat = _groups(texts), flatten_captions(captions)
        if self._other_tokens is not None:
            flat = {**flat, **self._other_tokens.of(texts, flat)}
        return lay_out(flat, groups, chosen, self._limits, self._manifest.attribute_sizes)

    def _phrases(self, caption: EncodedCaption) -> tuple[dict[str, list[str]], list[tuple[str, str, str]]]:
        places = place_graphs(flatten_captions([caption]), np.zeros(1, np.int32), self._limits)
        phrases = phrase_graph(
            caption, self._tokenizer, self._manifest.roles, self._manifest.modifier_kinds
        ).phrases
        actions, entities = np.split(places.nodes[0], [self._limits.max_actions])
        real_actions, real_entities = np.split(places.node_mask[0], [self._limits.max_actions])
        edges = [
            (
                phrases[caption.edges[edge][0]],
                shown_role(caption, edge, self._manifest.roles),
                phrases[caption.edges[edge][1]],
            )
            for edge in places.edges[0][places.edge_mask[0]]
        ]
        by_level = {
            ENTITY: [phrases[node] for node in entities[real_entities]],
            ACTION: [phrases[node] for node in actions[real_actions]],
            RELATIONSHIP: [f"{source} –{role}→ {target}" for source, role, target in edges],
        }
        return by_level, edges

    def _words(self, text: str) -> tuple[list[str], np.ndarray]:
        words = list(re.finditer(r"\S+", text))
        ends = [end for _, end in self._tokenizer.encode(text).offsets[: self._limits.max_tokens]]
        # A token may begin with the white space before its word, so that only its end tells.
        started = np.searchsorted([word.start() for word in words], ends)
        return [word.group() for word in words], np.maximum(started - 1, 0)


def _groups(texts: Sequence[str]) -> np.ndarray:
    """Returns numbers from one on, equal for texts that are the same by `text_key`."""
    keys = [text_key(text) for text in texts]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys), start=1)}
    return np.array([numbers[key] for key in keys], np.int32)
