"""Made-up encodings of a whole test set: random vectors, with the node counts of real captions.

The counts are those of the 59,800 captions of MSR-VTT's full test split, as
`python -m benchmarks parse_captions --dataset=msrvtt --annotations=raw/msrvtt --split=test` prints them.
"""

from collections.abc import Iterator

import jax
import numpy as np

from data_pipeline.levels import ACTION, ENTITY, NODE_LEVELS, RELATIONSHIP
from mcsan_jax.config import DataConfig
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet
from mcsan_jax.ranking.collection import CaptionNodes, TextCollection, VideoCollection
from mcsan_jax.scoring.normalised import NormalisedVideos, normalise_videos

CAPTIONS_WITH = {
    ENTITY: (9, 3984, 23249, 18350, 8608, 3351, 1355, 530, 364),
    ACTION: (5501, 36630, 13596, 3009, 752, 243, 50, 13, 6),
    RELATIONSHIP: (813, 6464, 19859, 15655, 8764, 4353, 1940, 957, 995),
}
"""How many captions have no node, one node, and so on; the last number is of eight or more."""

_BATCH = 64


def make_videos(count: int, frames: int, width: int, seed: int) -> VideoCollection:
    """Videos with `frames` frames each."""
    draw = np.random.default_rng(seed)
    mask = np.ones((_BATCH, frames), bool)
    normalise = jax.jit(normalise_videos)

    def batches() -> Iterator[tuple[int, NormalisedVideos]]:
        for start in range(0, count, _BATCH):
            nodes = {
                level: NodeSet(draw.standard_normal((_BATCH, frames, width), np.float32), mask)
                for level in NODE_LEVELS
            }
            pooled = draw.standard_normal((_BATCH, width), np.float32)
            yield min(_BATCH, count - start), normalise(Encoding(LevelEmbeddings(pooled, nodes), {}))

    return VideoCollection.gather(batches())


def make_texts(count: int, width: int, seed: int) -> TextCollection:
    """Captions with as many nodes as real ones."""
    draw = np.random.default_rng(seed)
    data = DataConfig()
    most = {ENTITY: data.max_entities, ACTION: data.max_actions, RELATIONSHIP: data.max_relationships}
    nodes = {}
    for level in NODE_LEVELS:
        captions = np.array(CAPTIONS_WITH[level])
        drawn = draw.choice(len(captions), count, p=captions / captions.sum())
        counts = np.minimum(drawn, most[level])
        total = int(counts.sum())
        nodes[level] = CaptionNodes(_unit_vectors(draw, total, width), counts, np.zeros(total, bool))
    return TextCollection(_unit_vectors(draw, count, width), nodes, {}, count)


def _unit_vectors(draw: np.random.Generator, count: int, width: int) -> np.ndarray:
    vectors = draw.standard_normal((count, width), np.float32)
    # Some at a time: the squares of all vectors would take as much memory again.
    for some in np.array_split(vectors, -(-count // 4096)):
        np.divide(some, np.sqrt(np.einsum("md,md->m", some, some))[:, None], out=some)
    return vectors
