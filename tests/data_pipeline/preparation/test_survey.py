import collections

import pytest

from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION, Caption, Video
from data_pipeline.graphs.graph import Node, Relationship, SemanticGraph
from data_pipeline.preparation.runner import (
    CAPTIONS,
    WITHOUT_ACTION,
    WITHOUT_ANY_NODE,
    WITHOUT_ENTITY,
    survey,
)

DOG = Node("entity", (2, 5), "dog", "dog", "agent")
RUN = Node("action", (6, 10), "runs", "run", "none")
GRAPHS = {
    "a dog runs": SemanticGraph((DOG, RUN), (Relationship(1, "agent", 0),)),
    "a dog": SemanticGraph((DOG,), ()),
    "of the": SemanticGraph((), ()),
}
LACKING = {(CAPTIONS, WITHOUT_ENTITY): 1, (CAPTIONS, WITHOUT_ACTION): 2, (CAPTIONS, WITHOUT_ANY_NODE): 1}
ATTRIBUTES = {("entity", "dog"): 1, ("action", "run"): 1, ("relationship", "run|agent|dog"): 1}


def video(split: str) -> Video:
    captions = tuple(Caption("v", str(number), text, split) for number, text in enumerate(GRAPHS))
    return Video("v", split, captions, graphs=GRAPHS)


def test_attributes_of_a_training_video_count_once() -> None:
    assert survey(video(TRAIN)) == collections.Counter(LACKING | ATTRIBUTES)


@pytest.mark.parametrize("split", [VALIDATION, TEST])
def test_attributes_of_other_videos_do_not_count(split: str) -> None:
    assert survey(video(split)) == collections.Counter(LACKING)
