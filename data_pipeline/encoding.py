"""A caption and its graph in numbers: tokens, node spans in tokens, role ids, attribute ids."""

from collections.abc import Sequence

from data_pipeline.builders.record import ACTION_NODE, ENTITY_NODE, EncodedCaption
from data_pipeline.captions.attributes import AttributeVocabulary
from data_pipeline.captions.graph import ROLES, SemanticGraph
from data_pipeline.captions.tokenizers.protocol import Tokenizer, token_span
from mcsan_jax.levels import ACTION


class CaptionEncoder:
    """Encodes captions with one tokenizer, one attribute vocabulary and one list of roles."""

    def __init__(
        self, tokenizer: Tokenizer, vocabulary: AttributeVocabulary, roles: Sequence[str] = ROLES
    ) -> None:
        self._tokenizer = tokenizer
        self.vocabulary = vocabulary
        self._role_ids = {role: index for index, role in enumerate(roles)}

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
            node_roles=[self._role_ids[node.role] for node in kept],
            edges=[
                (place[edge.source], place[edge.target], self._role_ids[edge.role])
                for edge in graph.relationships
                if edge.source in place and edge.target in place
            ],
            attributes=self.vocabulary.labels(graph),
        )
