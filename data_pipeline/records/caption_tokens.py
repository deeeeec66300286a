"""This module lays the graph of a caption over the tokens of its text."""

import dataclasses

from data_pipeline.records.schema import EncodedCaption
from data_pipeline.text.tokenizer import Tokenizer, token_span

Span = tuple[int, int]


def in_tokens(caption: EncodedCaption, tokenizer: Tokenizer) -> EncodedCaption:
    """Returns a caption with the tokens of its text.

    A node that no token overlaps is left out, with its modifiers and relationships; so is such a modifier.

    Args:
        caption: a caption whose spans are of characters; its token ids are not read.
        tokenizer: cuts the text.
    """
    tokens = tokenizer.encode(caption.text)
    spans = {
        node: found
        for node, characters in enumerate(caption.node_spans)
        if (found := token_span(tokens.offsets, characters)) is not None
    }
    place = {node: number for number, node in enumerate(spans)}
    return dataclasses.replace(
        caption,
        token_ids=tokens.ids,
        node_levels=[caption.node_levels[node] for node in spans],
        node_spans=list(spans.values()),
        node_roles=[caption.node_roles[node] for node in spans],
        node_negations=[caption.node_negations[node] for node in spans],
        modifiers=[
            (place[node], kind, *found)
            for node, kind, *characters in caption.modifiers
            if node in place and (found := token_span(tokens.offsets, (characters[0], characters[1])))
        ],
        edges=[
            (place[source], place[target], role, negated)
            for source, target, role, negated in caption.edges
            if source in place and target in place
        ],
    )


def in_characters(caption: EncodedCaption, tokenizer: Tokenizer) -> EncodedCaption:
    """Returns a caption whose spans are of characters, which `in_tokens` reads.

    Args:
        caption: a caption as it is stored.
        tokenizer: the tokenizer that made its tokens.
    """
    text, offsets = caption.text, tokenizer.encode(caption.text).offsets

    def characters(first: int, end: int) -> Span:
        begin, stop = offsets[first][0], offsets[end - 1][1]
        # A token may begin with the white space before its word.
        return stop - len(text[begin:stop].lstrip()), stop

    return dataclasses.replace(
        caption,
        node_spans=[characters(*span) for span in caption.node_spans],
        modifiers=[(node, kind, *characters(*span)) for node, kind, *span in caption.modifiers],
    )
