"""Any captions and any graphs, through parser, tokenizer, record and batch: what must hold of the result."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.batches.batch import BatchLimits, TextBatch
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from data_pipeline.graphs.attributes import attributes_of, select_attributes
from data_pipeline.graphs.graph import MODIFIER_KINDS, ROLES, Modifier, Node, Relationship, SemanticGraph
from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.levels import ACTION, ENTITY, NODE_LEVELS
from data_pipeline.manifest import FRAMES
from data_pipeline.records.make import CaptionEncoder
from data_pipeline.records.schema import VideoRecord
from data_pipeline.text.sentencepiece_model import KINDS, train_tokenizer
from data_pipeline.text.tokenizer import PAD_ID, Tokenizer
from tests.support.prepared_data import make_stream, write_prepared

WORDS = (
    "a the man woman dog ball who that is and in on behind red two running sings kicked plays there".split()
)
LIMITS = BatchLimits(
    max_frames=4, max_tokens=12, max_actions=2, max_entities=3, max_relationships=3, max_modifiers=4
)
Captioned = tuple[str, SemanticGraph | None]
"""A text, and a graph to use in place of the parser's."""
STREAM = make_stream("made", FRAMES, 2)
MOST_CAPTIONS = 5


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    folder = tmp_path_factory.mktemp("tokenizers")
    return {kind: train_tokenizer([" ".join(WORDS)] * 3, folder / kind, kind, 60) for kind in KINDS}


def texts() -> st.SearchStrategy[str]:
    anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)
    return (anything | st.lists(st.sampled_from(WORDS), min_size=1, max_size=25).map(" ".join)).filter(
        str.strip
    )


@st.composite
def random_graphs(draw: st.DrawFn, text: str) -> SemanticGraph:
    """Spans anywhere in the text, relationships from any node to any other."""
    nodes: list[Node] = []

    def random_span() -> tuple[int, int]:
        start = draw(st.integers(0, len(text) - 1))
        return start, draw(st.integers(start + 1, len(text)))

    for _ in range(draw(st.integers(0, 6))):
        span = random_span()
        word = text[slice(*span)]
        modifiers = tuple(
            Modifier(draw(st.sampled_from(MODIFIER_KINDS)), random_span(), "lemma")
            for _ in range(draw(st.integers(0, 3)))
        )
        level, role = draw(st.sampled_from([ENTITY, ACTION])), draw(st.sampled_from(ROLES))
        nodes.append(Node(level, span, word, word, role, modifiers, draw(st.booleans())))
    pairs = list(itertools.permutations(range(len(nodes)), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=6)) if pairs else []
    edges = (Relationship(s, draw(st.sampled_from(ROLES[1:])), t, draw(st.booleans())) for s, t in chosen)
    return SemanticGraph(tuple(nodes), tuple(edges))


def many(one: st.SearchStrategy[Captioned]) -> st.SearchStrategy[list[Captioned]]:
    return st.lists(one, min_size=1, max_size=MOST_CAPTIONS)


UNPARSED = many(texts().map(lambda text: (text, None)))
MADE_UP = many(texts().flatmap(lambda text: st.tuples(st.just(text), random_graphs(text))))


def check(batch: TextBatch, row: int) -> None:
    tokens = np.asarray(batch.token_mask[row]).sum()
    assert np.array_equal(batch.token_mask[row], np.arange(LIMITS.max_tokens) < tokens)
    assert np.array_equal(np.asarray(batch.token_ids[row]) != PAD_ID, batch.token_mask[row])
    starts, ends = np.asarray(batch.node_spans[row]).T
    real = np.asarray(batch.node_mask[row])
    assert (starts[real] < ends[real]).all() and (ends[real] <= tokens).all() and (starts[real] >= 0).all()
    assert not starts[~real].any() and not ends[~real].any()
    assert not np.asarray(batch.node_negated[row])[~real].any()
    said = np.asarray(batch.modifier_mask[row])
    starts, ends = np.asarray(batch.modifier_spans[row])[said].T
    assert (starts < ends).all() and (ends <= tokens).all() and (starts >= 0).all()
    assert real[np.asarray(batch.modifier_nodes[row])[said]].all()
    assert (np.asarray(batch.modifier_kinds[row]) < len(MODIFIER_KINDS)).all()
    assert not np.asarray(batch.edge_negated[row])[~np.asarray(batch.edge_mask[row])].any()
    for source, target, role, exists in zip(
        batch.edge_source[row],
        batch.edge_target[row],
        batch.edge_roles[row],
        batch.edge_mask[row],
        strict=True,
    ):
        if exists:
            assert real[source] and real[target] and source != target
            assert 0 <= role < len(ROLES)


@pytest.mark.parametrize("captions", [UNPARSED, MADE_UP], ids=["parsed", "made up"])
def test_spans_masks_and_edges_hold(
    parser: CaptionParser,
    tokenizers: dict[str, Tokenizer],
    captions: st.SearchStrategy[list[Captioned]],
) -> None:
    """One record for each kind of tokenizer, so that all are written and read at once."""

    @settings(max_examples=5, deadline=None)
    @given(captions)
    def holds(made: list[Captioned]) -> None:
        parsed = parser.parse([text for text, _ in made])
        graphs = [given or own for (_, given), own in zip(made, parsed, strict=True)]
        vocabulary = select_attributes(
            dict.fromkeys(attributes_of(graphs), 1), 1, dict.fromkeys(NODE_LEVELS, 4)
        )
        records = [
            encoded_record(kind, CaptionEncoder(tokenizer, vocabulary), made, graphs)
            for kind, tokenizer in tokenizers.items()
        ]
        with tempfile.TemporaryDirectory() as folder:
            prepared = write_prepared(Path(folder), (STREAM,), {"train": records})
            reader = SplitReader(prepared.folder, prepared.manifest, "train", LIMITS)
            [(info, batch)] = reader.caption_batches(len(KINDS) * MOST_CAPTIONS)
            assert info.texts == [text for text, _ in made] * len(KINDS)
            for row in range(len(info.texts)):
                check(batch, row)
            batches = TrainBatches(prepared.folder, prepared.manifest, "train", len(KINDS), LIMITS, 0)
            pairs = next(batches.from_step(0))
            for row in range(len(KINDS)):
                check(pairs.texts, row)

    holds()


def encoded_record(
    kind: str, encoder: CaptionEncoder, made: list[Captioned], graphs: list[SemanticGraph]
) -> VideoRecord:
    """A video with these captions, of which none has lost a place that it must have."""
    encoded = [
        encoder.encode(f"{kind}#{n}", text, graph)
        for n, ((text, _), graph) in enumerate(zip(made, graphs, strict=True))
    ]
    for caption, graph in zip(encoded, graphs, strict=True):
        assert len(caption.node_spans) <= len(graph.nodes)
        assert len(caption.edges) <= len(graph.relationships)
        assert all(0 <= start < end <= len(caption.token_ids) for start, end in caption.node_spans)
        assert PAD_ID not in caption.token_ids
    return VideoRecord(
        kind,
        {"made": np.ones((3, 2), np.float16)},
        {},
        np.zeros(0, np.float32),
        encoded,
        [],
        encoder.vocabulary.video_labels(graphs),
    )
