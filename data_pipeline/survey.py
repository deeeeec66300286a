"""What is counted over the captions of videos. Counts of parts add up, in any order and grouping."""

import collections

from data_pipeline.annotations.caption import TRAIN
from data_pipeline.captions.attributes import attributes_of
from data_pipeline.videos import Video
from mcsan_jax.levels import ACTION, ENTITY

CAPTIONS = "captions"
WITHOUT_ENTITY = "without_entity"
WITHOUT_ACTION = "without_action"
WITHOUT_ANY_NODE = "without_any_node"

Count = tuple[str, str]
"""What is counted: (node level, attribute) over training videos, or (`CAPTIONS`, a kind of caption)."""


def survey(video: Video) -> collections.Counter[Count]:
    """Counts of one video: its attributes, each once and only in training, and its captions that lack nodes."""
    graphs = [video.graphs[caption.text] for caption in video.captions]
    counts: collections.Counter[Count] = collections.Counter(
        attributes_of(graphs) if video.split == TRAIN else ()
    )
    counts[CAPTIONS, WITHOUT_ENTITY] = sum(not graph.lemmas(ENTITY) for graph in graphs)
    counts[CAPTIONS, WITHOUT_ACTION] = sum(not graph.lemmas(ACTION) for graph in graphs)
    counts[CAPTIONS, WITHOUT_ANY_NODE] = sum(not graph.nodes for graph in graphs)
    return counts
