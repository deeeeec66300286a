import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

import h5py
import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import SplitReader
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.searcher import Searcher
from mcsan_jax.runs.open import open_run
from tests.support import ROOT

Features = dict[str, dict[str, np.ndarray]]
TEXTS = ["a red ball pushes the blue box", "something red", "a green cone moves left"]


@pytest.fixture(scope="module")
def model(finished_run: pathlib.Path) -> Mcsan:
    return Mcsan.from_pretrained(finished_run)


@pytest.fixture(scope="module")
def features(finished_run: pathlib.Path) -> Features:
    """The features of the test split by stream, as the records hold them: one vector a frame, and regions."""
    run = open_run(finished_run)
    reader = SplitReader(run.data, run.experiment.manifest, "test", batch_limits(run.experiment.config.data))
    found: Features = {"pixels": {}, "objects": {}}
    for ids, batch in reader.video_batches(4):
        assert batch.regions is not None
        for row, video_id in enumerate(ids):
            real = np.asarray(batch.frame_mask[row])
            found["pixels"][video_id] = np.asarray(batch.frames[row])[real]
            found["objects"][video_id] = np.asarray(batch.regions[row])[real]
    return found


@pytest.fixture(scope="module")
def folder(model: Mcsan, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    saved = tmp_path_factory.mktemp("saved") / "a model"
    model.save_pretrained(saved)
    return saved


def leaves(tree: object) -> Iterator[np.ndarray]:
    return map(np.asarray, jax.tree.leaves(tree))


def test_given_features_are_encoded_as_prepared_ones(
    model: Mcsan, features: Features, searcher: Searcher
) -> None:
    size = model.config.evaluation.encode_batch
    found = model.encode_document(features, batch_size=size)
    assert found.ids == searcher.videos.ids
    for own, prepared in zip(leaves(found), leaves(searcher.videos), strict=True):
        np.testing.assert_array_equal(own, prepared)


def test_many_at_once_and_one_by_one_are_the_same(model: Mcsan, features: Features) -> None:
    whole = model.encode_document(features)
    for row, video_id in enumerate(whole.ids[:3]):
        alone = model.encode_document({name: {video_id: own[video_id]} for name, own in features.items()})
        for one, of_whole in zip(leaves(alone), leaves(whole), strict=True):
            np.testing.assert_allclose(one[0], of_whole[row], rtol=0, atol=1e-6)
    together = model.encode_query(TEXTS)
    for row, text in enumerate(TEXTS):
        (alone_text,) = model.similarity(model.encode_query(text), whole)
        np.testing.assert_allclose(alone_text, model.similarity(together, whole)[row], rtol=0, atol=1e-6)


def test_embeddings_are_trees_of_named_arrays(model: Mcsan, features: Features) -> None:
    videos, texts = model.encode_video(features), model.encode_text(TEXTS)
    assert len(videos) == 10 and len(texts) == 3 and texts.texts == tuple(TEXTS)
    assert videos.frames["entity"].directions.shape[:2] == (10, 12)
    assert texts.pooled is not None and texts.pooled.shape == (3, model.config.model.width)
    np.testing.assert_allclose(np.linalg.norm(texts.pooled, axis=1), 1, rtol=1e-5)
    assert texts.node_counts["entity"].tolist() == [2, 1, 1]
    assert videos.nbytes == sum(leaf.nbytes for leaf in leaves(videos))
    on_device = jax.tree.map(jax.numpy.asarray, videos)
    assert isinstance(on_device.pooled, jax.Array)
    assert isinstance(on_device.numpy().pooled, np.ndarray)
    np.testing.assert_array_equal(model.similarity(texts, on_device), model.similarity(texts, videos))


def test_scores_have_levels_and_explanations(model: Mcsan, features: Features, searcher: Searcher) -> None:
    scores = model.similarity(model.encode_query(TEXTS), model.encode_document(features))
    assert scores.shape == (3, 10) and scores.dtype == np.float32
    for row, text in enumerate(TEXTS):
        best = searcher.search(text, k=1)[0]
        column = int(scores[row].argmax())
        assert searcher.videos.ids[column] == best.video
        assert scores[row, column] == pytest.approx(best.score, abs=1e-5)
        explanation = scores.explain(row, column)
        assert explanation.scores["fused"] == pytest.approx(best.score, abs=1e-5)
    levels = scores.levels
    assert set(levels) == {"global", "entity", "action", "relationship", "linear"}
    # "something red" has no action.
    assert np.isnan(levels["action"][1]).all() and not np.isnan(levels["action"][0]).any()
    for asked in (scores[:1], scores + 1):
        with pytest.raises(InputError, match="cut or computed from another one"):
            asked.explain(0, 0)
    with pytest.raises(InputError, match="there are 10 videos, numbered from 0; found 10"):
        scores.explain(0, 10)


def test_embeddings_are_cut_with_their_ids(model: Mcsan, features: Features) -> None:
    videos, texts = model.encode_document(features), model.encode_query(TEXTS)
    whole = model.similarity(texts, videos)
    some = videos.take([7, 2])
    assert some.ids == (videos.ids[7], videos.ids[2])
    np.testing.assert_allclose(model.similarity(texts, some), whole[:, [7, 2]], atol=1e-6)
    with pytest.raises(
        InputError, match="there are 10 ids and an array of 2 rows: cut embeddings with `take`"
    ):
        model.similarity(texts, jax.tree.map(lambda leaf: leaf[:2], videos))
    halved = jax.tree.map(lambda leaf: leaf.astype(np.float16), videos)
    np.testing.assert_allclose(model.similarity(texts, halved), whole, atol=0.02)


def test_what_cannot_be_compared_is_named(model: Mcsan, features: Features) -> None:
    videos, texts = model.encode_document(features), model.encode_query(TEXTS)
    calls = (
        (lambda: model.similarity(videos, texts), "the texts are of type VideoEmbeddings"),
        (lambda: model.similarity(texts, texts), "the videos are of type TextEmbeddings"),
        (lambda: model.similarity("a ball", videos), "the texts are of type str"),
        (lambda: model.explain("a ball", videos, 10), "there are 10 videos, numbered from 0; found 10"),
        (lambda: model.explain("a ball", videos, "clip"), "numbered from 0; found 'clip'"),
        (lambda: model.explain(["a ball"], videos, 0), "text 1 of 1 is"),
        (lambda: model.encode_query(None), "the texts are None of type NoneType"),
        (lambda: model.encode_document(features, only=[]), "expected the ids of one video or more"),
        (lambda: model.encode_document(features, only="abc"), "expected the ids of one video or more"),
    )
    for call, told in calls:
        with pytest.raises(InputError, match=told):
            call()


def test_a_saved_model_scores_the_same_bits(
    model: Mcsan, folder: pathlib.Path, features: Features, tmp_path: pathlib.Path
) -> None:
    moved = tmp_path / "moved, and read only"
    shutil.copytree(folder, moved)
    for path in [*moved.rglob("*"), moved]:
        path.chmod(path.stat().st_mode & ~0o222)
    again = Mcsan.from_pretrained(moved)
    assert again.config == model.config and again.step == model.step
    for one, other in zip(
        leaves(model.encode_document(features)), leaves(again.encode_document(features)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    scores = [
        one.similarity(one.encode_query(TEXTS), one.encode_document(features)) for one in (model, again)
    ]
    np.testing.assert_array_equal(*scores)


def test_features_come_from_files_too(model: Mcsan, features: Features, tmp_path: pathlib.Path) -> None:
    in_order = {name: dict(sorted(own.items())) for name, own in features.items()}
    expected = model.encode_document(in_order)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for video_id, array in features["pixels"].items():
            file[video_id] = array
    np.savez(tmp_path / "f.npz", **features["pixels"])
    (tmp_path / "folder").mkdir()
    for video_id, array in features["pixels"].items():
        np.save(tmp_path / "folder" / f"{video_id}.npy", array)
    for given in (tmp_path / "f.h5", str(tmp_path / "f.npz"), tmp_path / "folder"):
        found = model.encode_document({"pixels": given, "objects": features["objects"]})
        assert found.ids == expected.ids
        for one, other in zip(leaves(found), leaves(expected), strict=True):
            np.testing.assert_array_equal(one, other)
    first = expected.ids[0]
    of_first = {
        "pixels": tmp_path / "folder" / f"{first}.npy",
        "objects": {first: features["objects"][first]},
    }
    assert model.encode_document(of_first).ids == (first,)


def test_times_are_kept_at_a_frame_rate(model: Mcsan, features: Features) -> None:
    videos = model.encode_document(features, frame_rate=2.0)
    np.testing.assert_allclose(videos.times_of(0), (np.arange(12) + 0.5) / 2)
    explanation = model.similarity(model.encode_query(TEXTS[0]), videos).explain(0, 0)
    np.testing.assert_allclose(explanation.seconds, videos.times_of(0))
    assert len(model.encode_document(features).times_of(0)) == 0


def test_features_that_cannot_be_used_are_named(model: Mcsan, features: Features) -> None:
    good, grid = (next(iter(own.values())).astype(np.float32) for own in features.values())
    nan = good.copy()
    nan[1, 0] = np.nan
    bad = {
        "wide": np.zeros((3, good.shape[1] + 1), np.float32),
        "empty": good[:0],
        "nan": nan,
        "vector": good[0],
        "whole": np.ones((2, 3), np.int64),
        "fine": good,
    }
    with pytest.raises(InputError) as caught:
        model.encode_document({"pixels": bad, "objects": dict.fromkeys(bad, grid)})
    message = str(caught.value)
    assert message.startswith("5 faults")
    for name in ("wide", "empty", "nan", "vector", "whole"):
        assert f"video '{name}'" in message
    assert f"the model was trained on pixels [frames, {good.shape[1]}]" in message
    one = {"a": good}
    for given, told in (
        ({"pixels": {}, "objects": {"a": grid}}, "an empty mapping"),
        (
            {"pixels": {3: good}, "objects": {"a": grid}},
            "have the id 3 of type int; expected ids that are texts",
        ),
        (good, "expected a mapping of features by stream"),
        ({"pixels": good, "objects": {"a": grid}}, "found ndarray"),
        ({"pixels": one, "objects": {"a": grid}, "sound": one}, "the model reads no stream 'sound'"),
        ({"pixels": one}, "there are no features of stream 'objects'"),
        ({"pixels": one, "objects": {"b": grid}}, "have different videos: a, b"),
        ({"pixels": one, "objects": one}, r"the model was trained on objects \[frames, \d+, \d+\]"),
        ({"pixels": "nowhere.h5", "objects": one}, "nowhere.h5: no such file or folder"),
    ):
        with pytest.raises(InputError, match=told):
            model.encode_document(given)


def test_texts_that_cannot_be_used_are_named(model: Mcsan) -> None:
    for given, told in (
        ([], "there are no texts"),
        (["a ball", "  "], "text 2 of 2"),
        (["a ball", 7], "text 2 of 2 is 7 of type int"),
    ):
        with pytest.raises(InputError, match=told):
            model.encode_query(given)
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        model.encode_query("a ball", batch_size=0)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("flip", "model.safetensors: was changed after it was written"),
        ("missing", "cannot be read"),
        ("newer", "a newer version of mcsan-jax wrote the model"),
        ("older", "an earlier version of mcsan-jax wrote the model; .* train the model again"),
        ("not json", "is no valid JSON"),
        ("unknown key", "no known key"),
        ("other limit", "config.json: was changed after it was written"),
    ],
)
def test_a_damaged_folder_is_refused(
    folder: pathlib.Path, tmp_path: pathlib.Path, damage: str, told: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    weights, config = copy / "model.safetensors", copy / "config.json"
    content = json.loads(config.read_text())
    if damage == "flip":
        flipped = bytearray(weights.read_bytes())
        flipped[-5] ^= 1
        weights.write_bytes(flipped)
    elif damage == "missing":
        next(copy.glob("tokenizer*")).unlink()
    elif damage in ("newer", "older"):
        version = 99 if damage == "newer" else 1
        config.write_text(json.dumps({**content, "schema_version": version, "more": 1}))
    elif damage == "not json":
        config.write_text(config.read_text()[:-9] + '"mcsan"')
        with pytest.raises(InputError):
            Mcsan.from_pretrained(copy)
        return
    elif damage == "other limit":
        content["config"]["data.max_tokens"] -= 1
        config.write_text(json.dumps(content))
    else:
        config.write_text(json.dumps({**content, "colour": 1}))
    with pytest.raises(InputError, match=told):
        Mcsan.from_pretrained(copy)


def test_what_is_no_model_is_refused(tmp_path: pathlib.Path, model: Mcsan) -> None:
    with pytest.raises(InputError, match="holds neither a model"):
        Mcsan.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="there is no model 'nobody/nothing'"):
        Mcsan.from_pretrained("nobody/nothing")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no model"):
        model.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_half_precision_rounds(
    model: Mcsan, features: Features, tmp_path: pathlib.Path, folder: pathlib.Path
) -> None:
    model.save_pretrained(tmp_path / "half", dtype="float16")
    sizes = [(each / "model.safetensors").stat().st_size for each in (folder, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    again = Mcsan.from_pretrained(tmp_path / "half")
    scores = [
        one.similarity(one.encode_query(TEXTS), one.encode_document(features)) for one in (model, again)
    ]
    np.testing.assert_allclose(*scores, atol=0.05)


def test_a_folder_is_opened_without_tensorflow(folder: pathlib.Path) -> None:
    """In another process, as a user's program would."""
    code = (
        "import sys, numpy as np\n"
        "from mcsan_jax import Mcsan\n"
        "print([name for name in ('tensorflow', 'torch', 'orbax', 'spacy') if name in sys.modules])\n"
        f"model = Mcsan.from_pretrained({str(folder)!r})\n"
        "from data_pipeline.records.schema import frame_shape\n"
        "given = {s.name: {'v': np.ones((5, *frame_shape(s)), np.float32)} for s in model.manifest.streams}\n"
        "videos = model.encode_document(given)\n"
        "scores = model.similarity(model.encode_query('a red ball'), videos)\n"
        "assert scores.shape == (1, 1)\n"
        "print([name for name in ('tensorflow', 'orbax') if name in sys.modules])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.split("\n") == ["[]", "[]", ""]
