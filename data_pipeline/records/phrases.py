"""The graph of a stored caption in words again."""

import dataclasses
from collections.abc import Sequence

from data_pipeline.levels import ACTION, ENTITY
from data_pipeline.records.schema import ACTION_NODE, EncodedCaption
from data_pipeline.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class PhraseGraph:
    """A graph to be shown.

    Attributes:
        phrases: words of each node.
        levels: level of each node.
        relationships: source node, name of the role, target node; each once.
    """

    phrases: tuple[str, ...]
    levels: tuple[str, ...]
    relationships: tuple[tuple[int, str, int], ...]

    @property
    def unattached(self) -> list[int]:
        """Nodes without a relationship."""
        attached = {node for source, _, target in self.relationships for node in (source, target)}
        return [node for node in range(len(self.phrases)) if node not in attached]


def phrase_graph(caption: EncodedCaption, tokenizer: Tokenizer | None, roles: Sequence[str]) -> PhraseGraph:
    """The graph with the caption's own words; a caption that passed the checks has one.

    Args:
        caption: the caption.
        tokenizer: made its token ids; without it, nodes are called by the places of their tokens.
        roles: names of the roles by id.
    """
    return PhraseGraph(
        phrases=tuple(_phrases(caption, tokenizer)),
        levels=tuple(ACTION if level == ACTION_NODE else ENTITY for level in caption.node_levels),
        relationships=tuple(
            dict.fromkeys((source, roles[role], target) for source, target, role in caption.edges)
        ),
    )


def token_texts(caption: EncodedCaption, tokenizer: Tokenizer | None) -> list[str]:
    """The caption's text cut into its tokens; ``▁`` for a space alone; ids where there is no tokenizer."""
    if tokenizer is None:
        return [str(token) for token in caption.token_ids]
    offsets = tokenizer.encode(caption.text).offsets
    return [caption.text[begin:end].strip() or "▁" for begin, end in offsets]


def _phrases(caption: EncodedCaption, tokenizer: Tokenizer | None) -> list[str]:
    if tokenizer is None:
        return [f"tokens {first}–{end - 1}" for first, end in caption.node_spans]
    offsets = tokenizer.encode(caption.text).offsets
    return [
        " ".join(caption.text[offsets[first][0] : offsets[end - 1][1]].split())
        for first, end in caption.node_spans
    ]
