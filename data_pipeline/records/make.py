"""This module turns captions into numbers, and a whole video into its record."""

import dataclasses
from collections.abc import Iterable, Sequence

from data_pipeline.annotations.caption import TRAIN, Video
from data_pipeline.features.streams import FeatureReader
from data_pipeline.foils.exchanges import swap_roles
from data_pipeline.foils.make_foils import FoilMaker
from data_pipeline.foils.text_edits import Captioned
from data_pipeline.graphs.attributes import AttributeVocabulary
from data_pipeline.graphs.graph import MODIFIER_KINDS, ROLES, SemanticGraph
from data_pipeline.levels import ACTION, ROLE
from data_pipeline.records.caption_tokens import in_tokens
from data_pipeline.records.schema import ACTION_NODE, ENTITY_NODE, EncodedCaption, EncodedFoil, VideoRecord
from data_pipeline.text.tokenizer import Tokenizer


class CaptionEncoder:
    """This encoder numericalises captions with one tokenizer, one attribute vocabulary and one list of roles."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        vocabulary: AttributeVocabulary,
        roles: Sequence[str] = ROLES,
        modifier_kinds: Sequence[str] = MODIFIER_KINDS,
    ) -> None:
        self._tokenizer = tokenizer
        self.vocabulary = vocabulary
        self._role_ids = {role: index for index, role in enumerate(roles)}
        self._kind_ids = {kind: index for index, kind in enumerate(modifier_kinds)}

    def encode(self, caption_id: str, text: str, graph: SemanticGraph) -> EncodedCaption:
        """Returns the caption in numbers; what no token overlaps is left out (`in_tokens`)."""
        in_characters = EncodedCaption(
            caption_id=caption_id,
            text=text,
            token_ids=[],
            node_levels=[ACTION_NODE if node.level == ACTION else ENTITY_NODE for node in graph.nodes],
            node_spans=[node.span for node in graph.nodes],
            node_roles=[self._role_ids[node.role] for node in graph.nodes],
            node_negations=[int(node.negated) for node in graph.nodes],
            modifiers=[
                (number, self._kind_ids[modifier.kind], *modifier.span)
                for number, node in enumerate(graph.nodes)
                for modifier in node.modifiers
            ],
            edges=[
                (edge.source, edge.target, self._role_ids[edge.role], int(edge.negated))
                for edge in graph.relationships
            ],
            attributes=self.vocabulary.labels(graph),
        )
        return in_tokens(in_characters, self._tokenizer)


@dataclasses.dataclass(frozen=True)
class RecordMaker:
    """A record maker makes records one by one; it can be sent to another process.

    Attributes:
        features: reads the features of all streams.
        encoder: turns captions and graphs into numbers.
        swapped_splits: splits whose videos get a foil of each caption in which two entities can change their roles.
        foil_maker: makes the foils of videos to train on; None leaves them without.
        foils: the largest number of foils of each caption to train on.
    """

    features: FeatureReader
    encoder: CaptionEncoder
    swapped_splits: frozenset[str] = frozenset()
    foil_maker: FoilMaker | None = None
    foils: int = 0

    def record(self, video: Video) -> VideoRecord:
        """Returns the record of a video whose texts all have graphs.

        Raises:
            InputError: its features cannot be used.
        """
        read = self.features.read(video.video_id, video.segment)
        graphs = [video.graphs[caption.text] for caption in video.captions]
        return VideoRecord(
            video_id=video.video_id,
            frames=read.frames,
            regions=read.regions,
            frame_times=read.times,
            captions=[self._encode(caption.caption_id, caption.text, video) for caption in video.captions],
            foils=[
                EncodedFoil(
                    foil.kind,
                    foil.caption_index,
                    self._encode(f"{video.video_id}~{number}", foil.text, video),
                )
                for number, foil in enumerate(video.foils)
            ]
            + self._swapped(video)
            + self._foils_to_train_on(video),
            attributes=self.encoder.vocabulary.video_labels(graphs),
        )

    def _swapped(self, video: Video) -> list[EncodedFoil]:
        if video.split not in self.swapped_splits:
            return []
        swapped = map(swap_roles, _captioned(video))
        return [
            EncodedFoil(ROLE, index, self.encoder.encode(f"{video.video_id}~swapped{index}", *found))
            for index, found in enumerate(swapped)
            if found is not None
        ]

    def _foils_to_train_on(self, video: Video) -> list[EncodedFoil]:
        if self.foil_maker is None or video.split != TRAIN:
            return []
        return [
            EncodedFoil(
                foil.kind,
                index,
                self.encoder.encode(f"{video.video_id}~{index}.{number}", foil.text, foil.graph),
            )
            for index, foils in enumerate(
                self.foil_maker.foils(video.video_id, _captioned(video), self.foils)
            )
            for number, foil in enumerate(foils)
        ]

    def _encode(self, caption_id: str, text: str, video: Video) -> EncodedCaption:
        return self.encoder.encode(caption_id, text, video.graphs[text])


def learn_foils(videos: Iterable[Video], processes: int) -> FoilMaker:
    """Returns the maker of foils that has learned from the captions of training videos, whose texts all have graphs.

    With two processes or more, another one learns from half of the videos; the maker is the same.
    """
    return FoilMaker.learn([(video.video_id, _captioned(video)) for video in videos], processes)


def _captioned(video: Video) -> list[Captioned]:
    return [Captioned(caption.text, video.graphs[caption.text]) for caption in video.captions]
