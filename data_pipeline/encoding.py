"""A caption and its graph in numbers: tokens, node spans in tokens, role ids, attribute ids."""

from data_pipeline.builders.record import ACTION_NODE, ENTITY_NODE, EncodedCaption
from data_pipeline.captions.attributes import AttributeVocabulary
from data_pipeline.captions.graph import ROLES, SemanticGraph
from data_pipeline.captions.tokenizer import Tokenizer, token_span
from mcsan_jax.levels import ACTION

_ROLE_IDS = {role: index for index, role in enumerate(ROLES)}


class CaptionEncoder:
    """Encodes captions with one tokenizer and one attribute vocabulary."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: AttributeVocabulary) -> None:
        self._tokenizer = tokenizer
        self.vocabulary = vocabulary

    def encode(self, caption_id: str, text: str, graph: SemanticGraph) -> EncodedCaption:
        """The caption in numbers. A node that no token overlaps is left out, and its relationships with it."""
        tokens = self._tokenizer.encode(text)
        place: dict[int, int] = {}
        spans: list[tuple[int, int]] = []
        for index, node in enumerate(graph.nodes):
            span = token_span(tokens.offsets, node.span)
            if span is not None:
                place[index] = len(spans)
                spans.append(span)
        kept = [graph.nodes[index] for index in place]
        return EncodedCaption(
            caption_id=caption_id,
            text=text,
            token_ids=tokens.ids,
            node_levels=[ACTION_NODE if node.level == ACTION else ENTITY_NODE for node in kept],
            node_spans=spans,
            node_roles=[_ROLE_IDS[node.role] for node in kept],
            edges=[
                (place[edge.source], place[edge.target], _ROLE_IDS[edge.role])
                for edge in graph.relationships
                if edge.source in place and edge.target in place
            ],
            attributes=self.vocabulary.labels(graph),
        )
