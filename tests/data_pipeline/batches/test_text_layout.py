"""Captions laid out with array operations against the same in plain loops, on random captions and limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.text_layout import lay_out, place_graphs
from data_pipeline.records.schema import ACTION_NODE, ENTITY_NODE, EncodedCaption, flatten_captions
from tests.support import batches
from tests.support.plain_decoding import assert_text
from tests.support.prepared_data import ATTRIBUTE_SIZES, Prepared

EMPTY = EncodedCaption("empty", "", [], [], [], [], [], [], [], {})


@st.composite
def captions(draw: st.DrawFn) -> EncodedCaption:
    tokens = draw(st.lists(st.integers(1, 99), max_size=9))
    nodes = draw(st.lists(st.sampled_from([ACTION_NODE, ENTITY_NODE]), max_size=6)) if tokens else []
    starts = [draw(st.integers(0, len(tokens) - 1)) for _ in nodes]
    node = st.integers(0, len(nodes) - 1)
    flag, some_id = st.integers(0, 1), st.integers(0, 30)
    modifiers = []
    for _ in range(draw(st.integers(0, 5)) if nodes else 0):
        first = draw(st.integers(0, len(tokens) - 1))
        modifiers.append((draw(node), draw(some_id), first, draw(st.integers(first + 1, len(tokens)))))
    return EncodedCaption(
        caption_id="caption",
        text="",
        token_ids=tokens,
        node_levels=nodes,
        node_spans=[(start, draw(st.integers(start + 1, len(tokens)))) for start in starts],
        node_roles=[draw(some_id) for _ in nodes],
        node_negations=[draw(flag) for _ in nodes],
        modifiers=modifiers,
        edges=draw(st.lists(st.tuples(node, node, some_id, flag), max_size=7)) if nodes else [],
        attributes={
            level: draw(st.lists(st.integers(0, size - 1), max_size=4))
            for level, size in ATTRIBUTE_SIZES.items()
        },
    )


LIMITS = st.builds(
    BatchLimits,
    max_frames=st.just(1),
    max_tokens=st.integers(1, 10),
    max_actions=st.integers(1, 4),
    max_entities=st.integers(1, 4),
    max_relationships=st.integers(1, 6),
    max_modifiers=st.integers(0, 4),
)


@settings(deadline=None, max_examples=150)
@given(made=st.lists(captions(), max_size=5), limits=LIMITS, data=st.data())
def test_any_captions_in_any_order(
    made: list[EncodedCaption], limits: BatchLimits, data: st.DataObject
) -> None:
    chosen = np.array(data.draw(st.lists(st.integers(0, len(made)), max_size=8)), np.int32)
    groups = np.arange(1, len(made) + 1, dtype=np.int32)
    batch = lay_out(flatten_captions(made), groups, chosen, limits, ATTRIBUTE_SIZES)
    for row, number in enumerate(chosen):
        assert_text(batch, row, [*made, EMPTY][number], limits)
    assert batch.caption_group.tolist() == [(number + 1) % (len(made) + 1) for number in chosen]
    assert {array.dtype for array in vars(batch).values() if isinstance(array, np.ndarray)} <= {
        np.dtype(np.int32),
        np.dtype(bool),
    }


@settings(deadline=None, max_examples=50)
@given(caption=captions(), limits=LIMITS)
def test_places_lead_from_nodes_to_slots_and_back(caption: EncodedCaption, limits: BatchLimits) -> None:
    places = place_graphs(flatten_captions([caption]), np.zeros(1, np.int32), limits)
    for slot in np.flatnonzero(places.node_mask[0]):
        assert places.slots[0, places.nodes[0, slot]] == slot


@pytest.mark.parametrize("limits", [batches.LIMITS, batches.ROOMY], ids=["tight", "roomy"])
def test_stored_and_free_captions_give_the_same_bits(prepared: Prepared, limits: BatchLimits) -> None:
    reader = batches.split_reader(prepared, limits)
    ((info, stored),) = reader.caption_batches(reader.captions)
    made = {caption.caption_id: caption for r in prepared.records["test"].values() for caption in r.captions}
    free = lay_out(
        flatten_captions([made[one] for one in info.ids]),
        stored.caption_group,
        np.arange(reader.captions),
        limits,
        ATTRIBUTE_SIZES,
    )
    assert batches.same(free, stored)
