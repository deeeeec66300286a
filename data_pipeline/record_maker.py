"""Puts a video's features, captions, foils and labels together into its record."""

import dataclasses

from data_pipeline.builders.record import EncodedCaption, EncodedFoil, VideoRecord
from data_pipeline.captions.role_swap import ROLE, swap_roles
from data_pipeline.encoding import CaptionEncoder
from data_pipeline.features.reading import FeatureReader
from data_pipeline.videos import Video


@dataclasses.dataclass(frozen=True)
class RecordMaker:
    """Makes records one by one; can be sent to another process.

    Attributes:
        features: reads the features of all streams.
        encoder: turns captions and graphs into numbers.
        swapped_splits: splits whose videos get a foil of each caption in which two entities can change their roles.
    """

    features: FeatureReader
    encoder: CaptionEncoder
    swapped_splits: frozenset[str] = frozenset()

    def record(self, video: Video) -> VideoRecord:
        """The record of a video whose texts all have graphs.

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
            + self._swapped(video),
            attributes=self.encoder.vocabulary.video_labels(graphs),
        )

    def _swapped(self, video: Video) -> list[EncodedFoil]:
        if video.split not in self.swapped_splits:
            return []
        swapped = [swap_roles(caption.text, video.graphs[caption.text]) for caption in video.captions]
        return [
            EncodedFoil(ROLE, index, self.encoder.encode(f"{video.video_id}~swapped{index}", *found))
            for index, found in enumerate(swapped)
            if found is not None
        ]

    def _encode(self, caption_id: str, text: str, video: Video) -> EncodedCaption:
        return self.encoder.encode(caption_id, text, video.graphs[text])
