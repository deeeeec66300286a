"""This module reads stored captions with another tokenizer than the one with which they were prepared."""

from collections.abc import Sequence

import numpy as np

from data_pipeline.batches.text_layout import FlatCaptions, Ragged
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.records.schema import CAPTION_FIELDS, TEXT, EncodedCaption, flatten_captions
from data_pipeline.text.tokenizer import Tokenizer, token_span

_LISTS = tuple(name for name, field in CAPTION_FIELDS.items() if field.counts is not None)
_NUMBERS = tuple(name for name, field in CAPTION_FIELDS.items() if field.dtype != TEXT)


class OtherTokens:
    """Captions keep their texts, graphs and attributes; their tokens, and those of the nodes, are of another tokenizer.

    Args:
        stored: the tokenizer with which they were prepared.
        other: the one that cuts their texts anew.
    """

    def __init__(self, stored: Tokenizer, other: Tokenizer) -> None:
        self._stored, self._other = stored, other

    def of(self, texts: Sequence[str], flat: FlatCaptions) -> dict[str, np.ndarray]:
        """Returns captions as `flatten_captions` does, without their ids and texts.

        A node that no token overlaps is left out, with its relationships.

        Args:
            texts: of the captions.
            flat: the same captions in numbers, as they are stored.
        """
        lists = {}
        for name in _LISTS:
            ragged = Ragged.of(flat, name)
            lists[name] = np.split(ragged.values, np.cumsum(ragged.lengths)[:-1])
        captions = [
            self._caption(text, {name: lists[name][row].tolist() for name in _LISTS})
            for row, text in enumerate(texts)
        ]
        anew = flatten_captions(captions)
        return {name: anew[name] for name in _NUMBERS}

    def _caption(self, text: str, stored: dict[str, list]) -> EncodedCaption:
        offsets, tokens = self._stored.encode(text).offsets, self._other.encode(text)

        def span_of(first: int, end: int) -> tuple[int, int] | None:
            begin, stop = offsets[first][0], offsets[end - 1][1]
            # A token may begin with the white space before its word.
            begin = stop - len(text[begin:stop].lstrip())
            return token_span(tokens.offsets, (begin, stop))

        spans = [span_of(first, end) for first, end in stored["node_spans"]]
        kept = [node for node, span in enumerate(spans) if span is not None]
        place = {node: number for number, node in enumerate(kept)}
        return EncodedCaption(
            caption_id="",
            text=text,
            token_ids=tokens.ids,
            node_levels=[stored["node_levels"][node] for node in kept],
            node_spans=[span for span in spans if span is not None],
            node_roles=[stored["node_roles"][node] for node in kept],
            node_negations=[stored["node_negations"][node] for node in kept],
            modifiers=[
                (place[node], kind, *span)
                for node, kind, first, end in stored["modifiers"]
                if node in place and (span := span_of(first, end)) is not None
            ],
            edges=[
                (place[source], place[target], role, negated)
                for source, target, role, negated in stored["edges"]
                if source in place and target in place
            ],
            attributes={level: stored[f"attributes/{level}"] for level in NODE_LEVELS},
        )
