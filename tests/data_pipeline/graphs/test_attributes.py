import collections
import dataclasses
import json

import pytest

from data_pipeline.errors import InputError
from data_pipeline.graphs.attributes import AttributeVocabulary, attributes_of, select_attributes
from data_pipeline.graphs.graph import COLOUR, MANNER, SIZE, Modifier, Node, Relationship, SemanticGraph
from data_pipeline.levels import ACTION, ENTITY, NODE_LEVELS, RELATIONSHIP

LIMITS = {ENTITY: 10, ACTION: 10, RELATIONSHIP: 10}


def graph(subject, verb, thing):
    nodes = (
        Node(ENTITY, (0, 1), subject, subject, "agent"),
        Node(ACTION, (2, 3), verb, verb, "none"),
        Node(ENTITY, (4, 5), thing, thing, "patient"),
    )
    return SemanticGraph(nodes, (Relationship(1, "agent", 0), Relationship(1, "patient", 2)))


VIDEOS = {
    "a": [graph("dog", "chase", "cat"), graph("dog", "chase", "cat"), graph("dog", "bite", "cat")],
    "b": [graph("man", "ride", "horse"), graph("dog", "chase", "horse")],
    "c": [graph("man", "ride", "bike")],
    "d": [],
}


def mine(videos, minimum, maximum):
    counts = collections.Counter(pair for graphs in videos.values() for pair in attributes_of(graphs))
    return select_attributes(counts, minimum, maximum)


def test_videos_are_counted_not_captions_and_ties_are_alphabetical():
    vocabulary = mine(VIDEOS, 1, LIMITS)
    assert vocabulary.names[ENTITY] == ("dog", "man", "bike", "cat", "horse")
    assert vocabulary.video_counts[ENTITY] == (2, 2, 1, 1, 1)
    assert vocabulary.names[ACTION] == ("chase", "ride", "bite")
    assert vocabulary.names[RELATIONSHIP][:2] == ("chase|agent|dog", "ride|agent|man")
    assert vocabulary.video_counts[RELATIONSHIP] == (2, 2, 1, 1, 1, 1, 1, 1)


def test_rare_and_surplus_attributes_are_dropped():
    assert mine(VIDEOS, 2, LIMITS).names[ENTITY] == ("dog", "man")
    vocabulary = mine(VIDEOS, 1, {ENTITY: 3, ACTION: 0, RELATIONSHIP: 1})
    assert [vocabulary.names[level] for level in NODE_LEVELS] == [
        ("dog", "man", "bike"),
        (),
        ("chase|agent|dog",),
    ]


def test_order_of_videos_does_not_matter():
    assert mine(dict(reversed(VIDEOS.items())), 1, LIMITS) == mine(VIDEOS, 1, LIMITS)


def test_labels_are_sorted_unique_and_known():
    vocabulary = mine(VIDEOS, 2, LIMITS)
    assert vocabulary.labels(graph("man", "chase", "man")) == {ENTITY: [1], ACTION: [0], RELATIONSHIP: []}
    assert vocabulary.labels(SemanticGraph((), ())) == {ENTITY: [], ACTION: [], RELATIONSHIP: []}
    assert vocabulary.video_labels(VIDEOS["b"]) == {ENTITY: [0, 1], ACTION: [0, 1], RELATIONSHIP: [0, 1]}
    assert vocabulary.video_labels([]) == {level: [] for level in NODE_LEVELS}


def described(level, lemma, *modifiers, negated=False):
    made = tuple(Modifier(kind, (0, 1), word) for kind, word in modifiers)
    return Node(level, (0, 1), lemma, lemma, "none", made, negated)


RED_BALL = described(ENTITY, "ball", (COLOUR, "red"), (SIZE, "big"))
SLOWLY = described(ACTION, "push", (MANNER, "slowly"))
ORANGE = described(ENTITY, "orange", (COLOUR, "orange"))


def test_modifiers_count_alone_and_with_what_they_modify():
    order = (Relationship(1, "agent", 0), Relationship(1, "patient", 2), Relationship(1, "before", 3))
    whole = SemanticGraph((RED_BALL, SLOWLY, ORANGE, described(ACTION, "stop")), order)
    counts = collections.Counter(attributes_of([whole]))
    assert set(counts.values()) == {1}
    assert {name for level, name in counts if level == ENTITY} == {
        *("ball", "red", "big", "red ball", "big ball"),
        *("orange", "orange orange"),
    }
    assert {name for level, name in counts if level == ACTION} == {"push", "slowly", "push slowly", "stop"}
    assert {name for level, name in counts if level == RELATIONSHIP} == {
        *("push|agent|ball", "push|agent|red ball", "push|agent|big ball", "push slowly|agent|ball"),
        *("push|patient|orange", "push|patient|orange orange", "push slowly|patient|orange"),
        *("push|before|stop", "push slowly|before|stop"),
    }


def test_what_is_denied_gives_no_attribute():
    denied = dataclasses.replace(RED_BALL, negated=True)
    edges = (Relationship(1, "agent", 0), Relationship(1, "patient", 2))
    without_ball = SemanticGraph((denied, SLOWLY, ORANGE), edges)
    names = attributes_of([without_ball])
    assert not [name for _, name in names if "ball" in name or name in ("red", "big")]
    assert (RELATIONSHIP, "push|patient|orange") in names
    not_pushed = dataclasses.replace(SLOWLY, negated=True)
    assert {level for level, _ in attributes_of([SemanticGraph((RED_BALL, not_pushed, ORANGE), edges)])} == {
        ENTITY
    }
    elsewhere = (dataclasses.replace(edges[0], negated=True), edges[1])
    names = {name for _, name in attributes_of([SemanticGraph((RED_BALL, SLOWLY, ORANGE), elsewhere)])}
    assert "push" in names and "red ball" in names and "push|patient|orange" in names
    assert "push|agent|ball" not in names


def test_labels_of_a_caption_have_its_modifiers():
    whole = SemanticGraph((RED_BALL, SLOWLY), (Relationship(1, "agent", 0),))
    vocabulary = mine({"a": [whole]}, 1, LIMITS)
    plain = SemanticGraph((described(ENTITY, "ball"), SLOWLY), (Relationship(1, "agent", 0),))
    names = {
        level: [vocabulary.names[level][one] for one in ids]
        for level, ids in vocabulary.labels(plain).items()
    }
    assert names == {
        ENTITY: ["ball"],
        ACTION: ["push", "push slowly", "slowly"],
        RELATIONSHIP: ["push slowly|agent|ball", "push|agent|ball"],
    }


def test_json_gives_the_vocabulary_back():
    vocabulary = mine(VIDEOS, 1, LIMITS)
    value = json.loads(json.dumps(vocabulary.to_json(), sort_keys=True))
    assert value[ENTITY][0] == ["dog", 2]
    assert AttributeVocabulary.from_json(value) == vocabulary


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.pop(ACTION), "KeyError"),
        (lambda value: value.update(action=[["run"]]), "ValueError"),
        (lambda value: value.update(action=None), "TypeError"),
        (lambda value: value.update(action=[["run", "2"]]), "action.*prepare the data again"),
        (lambda value: value.update(action=[["run", 2], ["run", 1]]), "action.*prepare the data again"),
    ],
)
def test_malformed_json_is_refused(change, message):
    value = mine(VIDEOS, 1, LIMITS).to_json()
    change(value)
    with pytest.raises(InputError, match=message):
        AttributeVocabulary.from_json(value)
