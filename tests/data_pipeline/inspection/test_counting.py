import numpy as np
import pytest

from data_pipeline.inspection.record_view import sparkline
from data_pipeline.inspection.split_statistics import (
    EXAMPLES_PER_KIND,
    MODIFIERS,
    CaptionExamples,
    Distribution,
    SplitStatistics,
    effective_number,
)
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from data_pipeline.records.schema import ACTION_NODE, ENTITY_NODE
from tests.support.prepared_data import ATTRIBUTE_SIZES, Prepared


def test_quantiles_of_counted_numbers() -> None:
    distribution = Distribution()
    assert str(distribution) == "0 / 0 / 0"
    for value in (5, 1, 1, 9):
        distribution.add(value)
    assert str(distribution) == "1 / 1 / 9"
    assert (distribution.quantile(0.75), distribution.total, distribution.times(1)) == (5, 16, 2)


def test_effective_number() -> None:
    assert effective_number(np.array([3, 3, 3, 0])) == pytest.approx(3)
    assert effective_number(np.array([1000, 1])) == pytest.approx(1.008, abs=1e-3)
    assert effective_number(np.zeros(4, np.int64)) == 0


def test_records_are_counted(prepared: Prepared) -> None:
    statistics = SplitStatistics.empty(prepared.manifest, None)
    records = list(prepared.records["train"].values())
    for record in records:
        statistics.add(record)
    captions = [caption for record in records for caption in record.captions]
    assert (statistics.videos, statistics.captions) == (23, len(captions))
    assert statistics.foils == sum(len(record.foils) for record in records) == statistics.foil_kinds.total()
    actions = [caption.node_levels.count(ACTION_NODE) for caption in captions]
    assert statistics.sizes[ACTION].total == sum(actions)
    assert statistics.sizes[ACTION].times(0) == actions.count(0)
    assert statistics.sizes[ENTITY].total == sum(len(caption.node_levels) for caption in captions) - sum(
        actions
    )
    assert statistics.sizes[RELATIONSHIP].quantile(1.0) == max(len(caption.edges) for caption in captions)
    kinds = [kind for caption in captions for _, kind, _, _ in caption.modifiers]
    for kind, name in enumerate(prepared.manifest.modifier_kinds):
        assert statistics.said[name] == kinds.count(kind)
    assert statistics.sizes[MODIFIERS].total == len(kinds) > 0
    for level, number in ((ENTITY, ENTITY_NODE), (ACTION, ACTION_NODE)):
        negated = [
            pair
            for caption in captions
            for pair in zip(caption.node_levels, caption.node_negations, strict=True)
        ]
        assert statistics.said[f"denied: {level}"] == negated.count((number, 1)) > 0
    edges = [(caption, edge) for caption in captions for edge in caption.edges]
    assert statistics.said["denied: relationship"] == sum(edge[3] for _, edge in edges)
    orders = [
        prepared.manifest.roles[role]
        for caption, (source, target, role, _) in edges
        if caption.node_levels[source] == caption.node_levels[target] == ACTION_NODE
    ]
    for role in prepared.manifest.roles:
        assert statistics.said[f"order of actions: {role}"] == orders.count(role)
    for level, size in ATTRIBUTE_SIZES.items():
        labels = [[one in record.attributes[level] for one in range(size)] for record in records]
        np.testing.assert_array_equal(statistics.positive_videos[level], np.sum(labels, axis=0))
    norms = np.concatenate(statistics.norms["objects"])
    expected = np.concatenate(
        [np.square(r.regions["objects"].astype(float)).sum(-1).ravel() for r in records]
    )
    np.testing.assert_allclose(norms, np.sqrt(expected), rtol=1e-5)


def test_examples_differ_in_their_number_of_relationships(prepared: Prepared) -> None:
    examples = CaptionExamples()
    for record in prepared.records["train"].values():
        examples.add(record)
    chosen = list(examples.chosen(median=2).values())
    most, typical, none = ([len(caption.edges) for caption in captions] for captions in chosen)
    assert most == [4] * EXAMPLES_PER_KIND
    assert typical == [2] * EXAMPLES_PER_KIND
    assert none == [0] * EXAMPLES_PER_KIND
    texts = [caption.text for captions in chosen for caption in captions]
    assert len(set(texts)) == len(texts)


def test_a_sparkline_shows_the_course_of_numbers() -> None:
    assert sparkline(np.array([0.0, 7.0, 3.0])) == "▁█▄"
    assert sparkline(np.array([2.0, 2.0])) == "▁▁"
    long = sparkline(np.arange(1000.0))
    assert (len(long), long[0], long[-1]) == (60, "▁", "█")
