"""This module turns stored captions back into words, to show their graphs."""

import dataclasses
from collections.abc import Sequence

from data_pipeline.graphs.negation import NOBODY
from data_pipeline.levels import ACTION, ENTITY
from data_pipeline.records.schema import ACTION_NODE, EncodedCaption
from data_pipeline.text.tokenizer import Tokenizer

Span = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class PhraseGraph:
    """A phrase graph is a graph in the caption's own words, to be shown.

    Attributes:
        phrases: the words of each node; behind them in brackets its modifiers that stand elsewhere ("car (red)"), and
            before them "not" where the caption denies it, unless they say so themselves ("nobody").
        levels: the level of each node.
        relationships: source node, name of the role and target node of each relationship, once; the name begins with
            "not" where the caption denies the relationship alone, and neither of its ends.
        modifiers: kind and words of each modifier of each node.
    """

    phrases: tuple[str, ...]
    levels: tuple[str, ...]
    relationships: tuple[tuple[int, str, int], ...]
    modifiers: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def unattached(self) -> list[int]:
        """Returns the nodes without a relationship."""
        attached = {node for source, _, target in self.relationships for node in (source, target)}
        return [node for node in range(len(self.phrases)) if node not in attached]


def phrase_graph(
    caption: EncodedCaption, tokenizer: Tokenizer | None, roles: Sequence[str], modifier_kinds: Sequence[str]
) -> PhraseGraph:
    """Returns the graph in the caption's own words; a caption that passed the checks has one.

    Args:
        caption: the caption.
        tokenizer: the tokenizer that made its token ids; without it, nodes are named by the numbers of their tokens.
        roles, modifier_kinds: the names of both by id.
    """
    words = _Words(caption, tokenizer)
    modifiers: list[list[tuple[str, str]]] = [[] for _ in caption.node_levels]
    elsewhere: list[list[str]] = [[] for _ in caption.node_levels]
    for node, kind, first, end in caption.modifiers:
        said = words.of((first, end))
        modifiers[node].append((modifier_kinds[kind], said))
        start, stop = caption.node_spans[node]
        if not start <= first < end <= stop:
            elsewhere[node].append(said)
    return PhraseGraph(
        phrases=tuple(
            (denied(words.of(span)) if negated else words.of(span))
            + (f" ({', '.join(more)})" if more else "")
            for span, negated, more in zip(caption.node_spans, caption.node_negations, elsewhere, strict=True)
        ),
        levels=tuple(ACTION if level == ACTION_NODE else ENTITY for level in caption.node_levels),
        relationships=tuple(
            dict.fromkeys(
                (source, shown_role(caption, number, roles), target)
                for number, (source, target, _, _) in enumerate(caption.edges)
            )
        ),
        modifiers=tuple(map(tuple, modifiers)),
    )


def denied(words: str) -> str:
    """Returns what is shown for the words of a node that the caption denies."""
    return words if NOBODY.keys() & set(words.lower().split()) else f"not {words}"


def shown_role(caption: EncodedCaption, number: int, roles: Sequence[str]) -> str:
    """Returns the name of a relationship's role, with "not" before it where the caption denies it and neither end."""
    source, target, role, negated = caption.edges[number]
    of_an_end = caption.node_negations[source] or caption.node_negations[target]
    return f"not {roles[role]}" if negated and not of_an_end else roles[role]


def token_texts(caption: EncodedCaption, tokenizer: Tokenizer | None) -> list[str]:
    """Returns the caption's text cut into its tokens: ``▁`` for a lone space, and ids without a tokenizer."""
    if tokenizer is None:
        return [str(token) for token in caption.token_ids]
    offsets = tokenizer.encode(caption.text).offsets
    return [caption.text[begin:end].strip() or "▁" for begin, end in offsets]


class _Words:
    """The words of spans of a caption's tokens."""

    def __init__(self, caption: EncodedCaption, tokenizer: Tokenizer | None) -> None:
        self._text = caption.text
        self._offsets = None if tokenizer is None else tokenizer.encode(caption.text).offsets

    def of(self, span: Span) -> str:
        first, end = span
        if self._offsets is None:
            return f"tokens {first}–{end - 1}"
        return " ".join(self._text[self._offsets[first][0] : self._offsets[end - 1][1]].split())
