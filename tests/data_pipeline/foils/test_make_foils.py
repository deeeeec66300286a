"""Foils of a small made-up language: false, of all kinds that it allows, and not told by their texts."""

import collections
import dataclasses
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.text_only_control import Pair, control_accuracies, make_pairs
from data_pipeline.foils.foil_words import FoilWords, slots_of
from data_pipeline.foils.make_foils import FoilMaker
from data_pipeline.foils.plausibility import IMPARTIAL, Plausibility
from data_pipeline.foils.text_edits import Captioned
from data_pipeline.graphs.graph import AGENT, PATIENT, Modifier, Node, Relationship, SemanticGraph
from data_pipeline.levels import ACTION, ENTITY, FOIL_KINDS, MODIFIER, ROLE
from tests.benchmarks.programs import figures_of, refusal_of

NOUNS = ["ball", "box", "star", "apple", "dog", "cat"]
VERBS = ["push", "chase", "lift", "hit", "pull"]
COLOURS = ["red", "blue", "orange", "white", "green"]
MOST = 3

Video = tuple[str, list[Captioned]]


def sentence(colour: str, agent: str, verb: str, other: str, patient: str) -> Captioned:
    """The chance that somebody writes of a dog is twice that of a cat: words differ in their frequency."""
    words = ["an" if colour == "orange" else "a", colour, agent, "is", f"{verb}ing", "the", other, patient]
    text = " ".join(words)
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    starts = ends - [len(word) for word in words]

    def entity(first: int, last: int, role: str) -> Node:
        modifier = Modifier("colour", (int(starts[first]), int(ends[first])), words[first])
        return Node(
            ENTITY, (int(starts[first]), int(ends[last])), words[last], words[last], role, (modifier,)
        )

    action = Node(ACTION, (int(starts[4]), int(ends[4])), words[4], verb, "none")
    nodes = (entity(1, 2, AGENT), action, entity(6, 7, PATIENT))
    return Captioned(text, SemanticGraph(nodes, (Relationship(1, AGENT, 0), Relationship(1, PATIENT, 2))))


@pytest.fixture(scope="module")
def videos() -> list[Video]:
    draw = np.random.default_rng(0)
    shares = np.array([0.1, 0.1, 0.1, 0.1, 0.4, 0.2])
    made = []
    for number in range(600):
        agent, patient = draw.choice(NOUNS, 2, replace=False, p=shares)
        colours = draw.choice(COLOURS, 2, replace=False)
        made.append(
            (f"v{number}", [sentence(colours[0], agent, draw.choice(VERBS), colours[1], patient)] * 2)
        )
    return made


@pytest.fixture(scope="module")
def maker(videos: list[Video]) -> FoilMaker:
    return FoilMaker.learn(videos)


@pytest.fixture(scope="module")
def pairs(maker: FoilMaker, videos: list[Video]) -> list[Pair]:
    return make_pairs(maker, dict(videos), MOST)


def test_foils_say_something_else_in_one_point(pairs: Sequence[Pair]) -> None:
    assert collections.Counter(pair.kind for pair in pairs).keys() >= {ROLE, ACTION, ENTITY, MODIFIER}
    for pair in pairs:
        words = [collections.Counter(one.text.split()) for one in (pair.caption, pair.foil)]
        changed = {word for word in (words[0] - words[1]) + (words[1] - words[0]) if word not in ("a", "an")}
        if pair.kind == ROLE:
            assert pair.foil.graph.triples() != pair.caption.graph.triples() and not changed
        else:
            assert len(changed) in (0, 2) and pair.foil.text != pair.caption.text
        for node in pair.foil.graph.nodes:
            assert pair.foil.text[slice(*node.span)].endswith(node.head)
            for modifier in node.modifiers:
                assert pair.foil.text[slice(*modifier.span)] == modifier.lemma


def test_a_caption_has_a_few_foils_with_texts_of_their_own(maker: FoilMaker, videos: list[Video]) -> None:
    for video_id, captions in videos[:50]:
        for caption, foils in zip(captions, maker.foils(video_id, captions, MOST), strict=True):
            texts = {foil.text for foil in foils}
            assert len(foils) <= MOST and len(texts) == len(foils) and caption.text not in texts


def test_the_same_videos_have_the_same_foils_whoever_makes_them(
    maker: FoilMaker, pairs: Sequence[Pair], videos: list[Video]
) -> None:
    other = pickle.loads(pickle.dumps(FoilMaker.learn(videos[::-1])))
    assert other == maker
    assert make_pairs(other, dict(videos), MOST) == pairs


def test_words_are_as_frequent_in_foils_as_in_captions(pairs: Sequence[Pair]) -> None:
    replaced = [pair for pair in pairs if pair.kind == ENTITY]
    true, false = (
        collections.Counter(word for pair in replaced for word in pair[side].text.split()) for side in (2, 3)
    )
    for noun in NOUNS:
        assert abs(true[noun] - false[noun]) < 5 * np.sqrt(true[noun] + false[noun])
    assert true["dog"] > 2 * true["ball"]


def test_texts_alone_do_not_tell(pairs: Sequence[Pair]) -> None:
    count, accuracy = control_accuracies(pairs)["all"]
    assert count > 1500 and accuracy < 53


def test_what_another_caption_of_the_video_says_is_no_foil(maker: FoilMaker) -> None:
    caption = sentence("red", "ball", "push", "blue", "box")
    swapped = sentence("blue", "box", "push", "red", "ball")

    keeps_all = dict.fromkeys(FOIL_KINDS, Plausibility({}, {}, IMPARTIAL))
    maker = dataclasses.replace(maker, judges=(keeps_all, keeps_all))

    def kinds(captions: list[Captioned]) -> set[str]:
        return {foil.kind for foil in maker.foils("v", captions, 20)[0]}

    assert ROLE in kinds([caption]) and ROLE not in kinds([caption, swapped])


def test_words_that_say_the_same_of_one_thing_replace_each_other_in_no_foil() -> None:
    """Nearly every video has a small thing and a large one, and two deeds, said in one word or in another."""
    draw = np.random.default_rng(1)
    words = {kind: ((f"{kind}1", f"{kind}2"), (f"{kind}3", f"{kind}4")) for kind in ("size", "do")}
    videos = []
    for _ in range(400):
        agents, patients = np.split(draw.choice(NOUNS, 4, replace=False), 2)
        videos.append(
            [
                sentence(
                    draw.choice(words["size"][which]),
                    agents[which],
                    draw.choice(words["do"][which]),
                    "red",
                    patients[which],
                )
                for which in (0, 1) * 4
            ]
        )
    found = FoilWords.of(videos)
    for slot in (slot for slot in slots_of(videos[0][0]) if slot.written.startswith(("size", "do"))):
        wide = dataclasses.replace(slot, keys=slot.keys[-1:])
        drawn = {found.replacement(wide, at / 100) for at in range(100)}
        kind = slot.lemma[:-1]
        assert {word[1] for word in drawn if word} & {f"{kind}{n}" for n in range(1, 5)} == {*words[kind][1]}


@pytest.mark.slow
def test_the_control_reads_each_embedded_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "--dataset=crowded_shapes",
        "--videos=6",
        "--processes=1",
        f"--graph_cache={tmp_path / 'graphs'}",
    )
    accuracies = figures_of("text_only_control", tmp_path, *words)
    printed = capsys.readouterr().out
    assert "captions of 6 videos" in printed and f"| all | {accuracies['all']['foils']} | " in printed


def test_a_data_set_that_cannot_be_read_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "msrvtt needs --annotations=PATH" in refusal_of("text_only_control", ["--dataset=msrvtt"], capsys)
    assert "crowded_shapes" in refusal_of("text_only_control", ["--dataset=msrvt"], capsys)
