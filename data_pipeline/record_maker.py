"""Puts a video's features, captions, foils and labels together into its record."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from data_pipeline.annotations.caption import TRAIN, Caption, Foil
from data_pipeline.builders.record import EncodedCaption, EncodedFoil, VideoRecord
from data_pipeline.captions.graph import SemanticGraph
from data_pipeline.encoding import CaptionEncoder
from data_pipeline.feature_streams import StreamReader
from data_pipeline.progress import track


class RecordMaker:
    """Makes records one after another; features are read when a record is due."""

    def __init__(
        self,
        captions_of: Mapping[str, Sequence[Caption]],
        foils_of: Mapping[str, Sequence[Foil]],
        readers: Sequence[StreamReader],
        encoder: CaptionEncoder,
        graphs: Mapping[str, SemanticGraph],
    ) -> None:
        self._captions_of, self._foils_of = captions_of, foils_of
        self._readers, self._encoder, self._graphs = readers, encoder, graphs

    def records(self, split: str, video_ids: Sequence[str]) -> Iterator[VideoRecord]:
        """Records of the videos of a split; those for training are counted into the feature statistics.

        Raises:
            InputError: features of a video cannot be used.
        """
        for video_id in track(video_ids, len(video_ids), f"writing {split}", "videos"):
            features = [(reader, reader.read(video_id, count=split == TRAIN)) for reader in self._readers]
            captions = self._captions_of[video_id]
            yield VideoRecord(
                video_id=video_id,
                frames={reader.name: array for reader, array in features if not reader.has_regions},
                regions={reader.name: array for reader, array in features if reader.has_regions},
                frame_times=np.zeros(0, np.float32),
                captions=[self._encode(caption.caption_id, caption.text) for caption in captions],
                foils=[
                    EncodedFoil(
                        foil.kind, foil.caption_index, self._encode(f"{video_id}~{number}", foil.text)
                    )
                    for number, foil in enumerate(self._foils_of.get(video_id, ()))
                ],
                attributes=self._encoder.vocabulary.video_labels(
                    self._graphs[caption.text] for caption in captions
                ),
            )

    def _encode(self, caption_id: str, text: str) -> EncodedCaption:
        return self._encoder.encode(caption_id, text, self._graphs[text])
