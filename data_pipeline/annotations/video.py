"""A video with all that is said about it: what the stages of the preparation hand to each other."""

import dataclasses
import json
from collections.abc import Mapping

from data_pipeline.annotations.caption import Caption, Foil, Segment
from data_pipeline.graphs.graph import SemanticGraph


@dataclasses.dataclass(frozen=True)
class Video:
    """What is known of a video but its features.

    Attributes:
        video_id: unique in the data set.
        split: the split it belongs to.
        captions: at least one.
        foils: false captions made from true ones.
        segment: the part of a longer video that it is; None for a whole one.
        graphs: semantic graphs by text; those of `unparsed` texts are missing.
    """

    video_id: str
    split: str
    captions: tuple[Caption, ...]
    foils: tuple[Foil, ...] = ()
    segment: Segment | None = None
    graphs: Mapping[str, SemanticGraph] = dataclasses.field(default_factory=dict)

    def unparsed(self) -> list[str]:
        """Texts of captions and foils without a graph, each once, in order."""
        texts = dict.fromkeys(
            [*(caption.text for caption in self.captions), *(foil.text for foil in self.foils)]
        )
        return [text for text in texts if text not in self.graphs]

    def with_graphs(self, graphs: Mapping[str, SemanticGraph]) -> "Video":
        """The video with the graphs of all its texts.

        Raises:
            KeyError: a text has no graph.
        """
        found = {text: graphs[text] for text in self.unparsed()}
        return dataclasses.replace(self, graphs={**self.graphs, **found})

    def to_line(self) -> str:
        """One line of JSON; the inverse of `from_line`."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_line(line: str) -> "Video":
        """Rebuilds a video from `to_line`'s text."""
        value = json.loads(line)
        return Video(
            video_id=value["video_id"],
            split=value["split"],
            captions=tuple(Caption(**caption) for caption in value["captions"]),
            foils=tuple(Foil(**foil) for foil in value["foils"]),
            segment=None if value["segment"] is None else Segment(**value["segment"]),
            graphs={text: SemanticGraph.from_json(graph) for text, graph in value["graphs"].items()},
        )
