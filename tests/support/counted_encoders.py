"""Encoders that count what they encode."""

import collections
import dataclasses

import jax
import numpy as np

from data_pipeline.batches.batch import TextBatch, VideoBatch
from mcsan_jax.ranking.encode_split import Encoders, Variables


@dataclasses.dataclass
class CountedEncoders:
    """Counts how often each video and each caption is encoded; rows that fill up a batch do not count.

    Attributes:
        counted: the encoders, to be used instead of those that were given.
        videos, texts: by content, how often it was encoded.
    """

    encoders: Encoders
    videos: collections.Counter[bytes] = dataclasses.field(default_factory=collections.Counter)
    texts: collections.Counter[bytes] = dataclasses.field(default_factory=collections.Counter)

    @property
    def counted(self) -> Encoders:
        def videos(variables: Variables, batch: VideoBatch):
            self.videos.update(_real_rows(batch.frames, batch.frame_mask))
            return self.encoders.videos(variables, batch)

        def texts(variables: Variables, batch: TextBatch):
            content = (batch.token_ids, batch.node_spans, batch.edge_roles)
            whole = np.concatenate(
                [np.asarray(leaf).reshape(len(batch.token_ids), -1) for leaf in content], axis=1
            )
            self.texts.update(_real_rows(whole, batch.token_mask))
            return self.encoders.texts(variables, batch)

        return dataclasses.replace(self.encoders, videos=videos, texts=texts)


def _real_rows(content: jax.typing.ArrayLike, mask: jax.typing.ArrayLike) -> list[bytes]:
    real = np.asarray(mask).any(axis=1)
    return [row.tobytes() for row in np.asarray(content)[real]]
