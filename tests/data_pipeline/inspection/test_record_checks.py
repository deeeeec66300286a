import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.inspection.integrity import InspectedData, open_data, record_problems
from data_pipeline.records.read import parse_example, unflatten_record
from data_pipeline.records.schema import VideoRecord
from tests.data_pipeline.inspection.inspecting import record_file


@pytest.fixture(scope="module")
def data(shapes: Path) -> InspectedData:
    return open_data(shapes)[0]


@pytest.fixture(scope="module")
def record(data: InspectedData) -> VideoRecord:
    """A test video with foils, whose first caption is "X pushes Y" in some words."""
    tf = load_tensorflow()
    path = record_file(data.folder, "test")
    records = [
        unflatten_record(parse_example(one), data.manifest.streams)
        for one in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    return next(one for one in records if one.foils and len(one.captions[0].edges) == 2)


def problems(record: VideoRecord, data: InspectedData) -> list[str]:
    return list(record_problems(record, data.manifest, data.tokenizer))


def with_caption(record: VideoRecord, **changes: Any) -> VideoRecord:
    first = dataclasses.replace(record.captions[0], **changes)
    return dataclasses.replace(record, captions=[first, *record.captions[1:]])


def with_frames(record: VideoRecord, change: Callable[[np.ndarray], np.ndarray]) -> VideoRecord:
    return dataclasses.replace(record, frames={"pixels": change(record.frames["pixels"].copy())})


def put_nan(values: np.ndarray) -> np.ndarray:
    values[3, 5:7] = np.nan
    return values


def test_a_sound_record_has_no_problems(record: VideoRecord, data: InspectedData) -> None:
    assert problems(record, data) == []
    times = np.linspace(0, 2, 12, dtype=np.float32)
    assert problems(dataclasses.replace(record, frame_times=times), data) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: dataclasses.replace(r, video_id=""), "video_id: empty"),
        (
            lambda r: with_frames(r, put_nan),
            "frames/pixels: 2 values are NaN or infinite, the first in frame 3",
        ),
        (lambda r: with_frames(r, lambda values: values[:0]), "frames/pixels: no frames"),
        (lambda r: dataclasses.replace(r, frame_times=np.arange(3.0)), "frame_times: 3; expected none or 12"),
        (
            lambda r: dataclasses.replace(r, frame_times=np.arange(12.0)[::-1]),
            "; expected ascending seconds from 0 on",
        ),
        (lambda r: dataclasses.replace(r, captions=[], foils=[]), "captions/ids: no captions"),
        (lambda r: dataclasses.replace(r, captions=[r.captions[0]] * 2, foils=[]), " occurs 2 times"),
        (
            lambda r: dataclasses.replace(r, foils=[dataclasses.replace(r.foils[0], caption_index=9)]),
            "foils/caption_indices: number 0: 9, but the video has 5 captions",
        ),
        (
            lambda r: dataclasses.replace(r, foils=[dataclasses.replace(r.foils[0], kind="")]),
            "foils/kinds: number 0: empty",
        ),
        (
            lambda r: dataclasses.replace(r, attributes=r.attributes | {"entity": []}),
            "attributes/entity: not those of its captions; they differ in [",
        ),
        (
            lambda r: dataclasses.replace(r, attributes=r.attributes | {"entity": [777]}),
            "attributes/entity: [777]; expected ids from 0 to ",
        ),
        (lambda r: with_caption(r, text=" "), "captions/texts, number 0 ("),
        (lambda r: with_caption(r, token_ids=[]), "captions/token_ids, number 0 ("),
        (
            lambda r: with_caption(r, token_ids=[0, *r.captions[0].token_ids[1:]]),
            ": [0]; expected ids from 1 to ",
        ),
        (lambda r: with_caption(r, text="a tree"), "is not the text 'a tree'"),
        (
            lambda r: with_caption(r, node_levels=[2, *r.captions[0].node_levels[1:]]),
            "node 0 is 2; expected 0 or 1",
        ),
        (
            lambda r: with_caption(r, node_spans=[(3, 3), *r.captions[0].node_spans[1:]]),
            "node 0 goes from token 3 to before 3, of ",
        ),
        (
            lambda r: with_caption(r, node_roles=[-1, *r.captions[0].node_roles[1:]]),
            "node 0 has role -1; expected ids from 0 to ",
        ),
        (lambda r: with_caption(r, edges=[(0, 9, 1, 0)]), "relationship 0 goes from node 0 to 9, of 3 nodes"),
        (
            lambda r: with_caption(r, edges=[(0, 1, 1, 0)]),
            "relationship 0 goes from node 0 to 1, an entity and an action",
        ),
        (lambda r: with_caption(r, edges=[(0, 0, 1, 0)]), "from node 0 to 0; expected two nodes"),
        (
            lambda r: with_caption(r, edges=[(1, 0, 1, 2)]),
            "relationship 0 has 2; expected 1 where it is denied and 0 elsewhere",
        ),
        (
            lambda r: with_caption(r, node_negations=[0, -1, 0]),
            "node_negations, number 0 (",
        ),
        (lambda r: with_caption(r, modifiers=[(3, 0, 0, 1)]), "modifier 0 is of node 3, of 3 nodes"),
        (
            lambda r: with_caption(r, modifiers=[(0, 0, 0, 1), (0, 99, 0, 1)]),
            "modifier 1 has kind 99; expected ids from 0 to 9",
        ),
        (
            lambda r: with_caption(r, modifiers=[(0, 0, 2, 2)]),
            "modifier 0 goes from token 2 to before 2, of ",
        ),
        (
            lambda r: with_caption(r, edges=[(1, 0, 99, 0)]),
            "relationship 0 has role 99; expected ids from 0 to ",
        ),
        (
            lambda r: with_caption(r, attributes=r.captions[0].attributes | {"action": [1, 0]}),
            "captions/attributes/action, number 0 (",
        ),
        (
            lambda r: dataclasses.replace(
                r,
                foils=[
                    dataclasses.replace(
                        r.foils[0], caption=dataclasses.replace(r.foils[0].caption, edges=[(-1, 0, 1, 0)])
                    )
                ],
            ),
            "foils/edges, number 0 (",
        ),
    ],
)
def test_what_is_wrong_is_named(
    record: VideoRecord, data: InspectedData, change: Callable[[VideoRecord], VideoRecord], message: str
) -> None:
    assert record.captions[0].node_levels == [0, 1, 0]
    found = problems(change(record), data)
    assert any(message in problem for problem in found), found


def test_a_wrong_caption_gives_one_problem(record: VideoRecord, data: InspectedData) -> None:
    (found,) = problems(with_caption(record, edges=[(1, 0, 99, 0)]), data)
    assert found.startswith(
        f"captions/edges, number 0 ({record.captions[0].caption_id!r}): relationship 0 has"
    )
