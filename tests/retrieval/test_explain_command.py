"""`mcsan explain`: the picture of a score, for runs, for models without data, and for given features and frames."""

import pathlib

import numpy as np
import pytest
from matplotlib.image import imsave

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.searcher import explain_video
from tests.support.command_line import Ended, run_mcsan

TEXT = "a red ball pushes the blue box"
VIDEO = "test_00002"


@pytest.fixture(scope="module")
def folder(finished_run: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    saved = tmp_path_factory.mktemp("explained") / "a model"
    Mcsan.from_pretrained(finished_run).save_pretrained(saved)
    return saved


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """Features of three videos in a file for each stream, and frames of one video as image files."""
    clips = embedded_clips(3)
    made = tmp_path_factory.mktemp("files")
    for stream, features in clips.features.items():
        np.savez(made / f"{stream}.npz", **features)
    (made / "frames").mkdir()
    for number, image in enumerate(clips.images[VIDEO]):
        imsave(made / "frames" / f"{number:03d}.png", image)
    return {"pixels": made / "pixels.npz", "objects": made / "objects.npz", "frames": made / "frames"}


def explain(model: object, out: pathlib.Path, *more: str, video: str = VIDEO, text: str = TEXT) -> Ended:
    return run_mcsan("explain", model, f"--text={text}", f"--video={video}", f"--out={out}", *more)


@pytest.mark.parametrize("way", ["run", "model", "given", "given without frames"])
def test_a_picture_is_drawn_by_every_way_to_a_video(
    way: str,
    finished_run: pathlib.Path,
    folder: pathlib.Path,
    files: dict[str, pathlib.Path],
    tmp_path: pathlib.Path,
) -> None:
    """A model has no data: its video is an embedded clip, whose frames are known, or given, with frames or without."""
    streams = [f"--features={name}={files[name]}" for name in ("pixels", "objects")]
    model, more = {
        "run": (finished_run, []),
        "model": (folder, []),
        "given": (folder, [*streams, f"--frames={files['frames']}"]),
        "given without frames": (folder, streams),
    }[way]
    out = tmp_path / "an answer.svg"
    ended = explain(model, out, *more)
    assert ended.status == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"written to {out}"
    # The colours beside the two heat maps, and the film strip.
    assert out.read_text().count("<image") == (2 if way.endswith("without frames") else 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT, []),
        (" ".join(["a red ball pushes the blue box and"] * 5), ["reads no further than word"]),
        ("a star does not push the box", ['denies what begins with "not"']),
        ("show me a red ball", ["a search scores something else: read as 'a red ball'; left out 'show me'"]),
        (
            "a ball moves without a red box",
            ["denies what", "read as 'a ball moves', without 'a red box'"],
        ),
    ],
)
def test_notes_say_how_the_text_was_read(text: str, said: list[str], tmp_path: pathlib.Path) -> None:
    ended = explain("demo", tmp_path / "out.svg", text=text)
    assert ended.status == 0, ended.stderr
    *notes, written = ended.stdout.splitlines()
    assert written.startswith("written to")
    for note, part in zip(notes, said, strict=True):
        assert note.startswith("note: ") and part in note


def test_by_every_way_to_a_video_the_scores_are_the_same(
    finished_run: pathlib.Path, folder: pathlib.Path
) -> None:
    prepared, images = explain_video(str(finished_run), TEXT, VIDEO)
    clip = embedded_clips(3)
    given, none = explain_video(str(folder), TEXT, VIDEO, clip.features)
    assert none is None and images is not None
    np.testing.assert_array_equal(images, clip.images[VIDEO])
    assert (given.video, given.frames) == (prepared.video, prepared.frames) == (VIDEO, 12)
    for name, score in prepared.scores.items():
        assert given.scores[name] == pytest.approx(score, abs=1e-4)


def test_what_cannot_be_written_is_said_before_a_model_is_opened(tmp_path: pathlib.Path) -> None:
    (tmp_path / "there.svg").touch()
    for out, said in (("there.svg", "--overwrite"), ("there.txt", "end it with .svg, .png or .pdf")):
        ended = explain("absent", tmp_path / out)
        assert ended.status == 2 and said in ended.stderr
    ended = explain("absent", tmp_path / "new.svg", f"--frames={tmp_path / 'none'}")
    assert ended.status == 2 and "found none" in ended.stderr


@pytest.mark.parametrize(
    ("video", "more", "said"),
    [
        ("clip", (), "no clip 'clip' in the embedded data set; its clips are called test_00012"),
        ("test_2", (), "did you mean 'test_00002'?"),
        ("test_99999", (), "has 500 clips"),
        ("tset_00001", (), "no split 'tset'"),
        (VIDEO, ("--data=somewhere",), "is no run"),
        (VIDEO, ("--features=pixels=PIXELS", "--data=somewhere"), "leave out one of the two"),
        (VIDEO, ("--features=pixels=PIXELS",), "there are no features of stream 'objects'"),
        (VIDEO, ("--features=pixels=PIXELS", "--features=OBJECTS"), "each is given as STREAM=PATH"),
        (VIDEO, ("--features=pixels=PIXELS", "--features=pixels=OBJECTS"), "stream 'pixels' is given twice"),
        (
            VIDEO,
            ("--features=pixel=PIXELS", "--features=objects=OBJECTS"),
            "no stream 'pixel'; did you mean 'pixels'?",
        ),
        (
            "test_00012",
            ("--features=pixels=PIXELS", "--features=objects=OBJECTS"),
            "there are no features of test_00012; did you mean 'test_0000",
        ),
    ],
)
def test_a_slip_is_answered(
    folder: pathlib.Path,
    files: dict[str, pathlib.Path],
    tmp_path: pathlib.Path,
    video: str,
    more: tuple[str, ...],
    said: str,
) -> None:
    given = [
        word.replace("PIXELS", str(files["pixels"])).replace("OBJECTS", str(files["objects"]))
        for word in more
    ]
    ended = explain(folder, tmp_path / "new.svg", *given, video=video)
    assert ended.status == 2
    assert said in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_video_of_another_split_is_found(finished_run: pathlib.Path) -> None:
    with pytest.raises(
        InputError, match="'train_00001' is not in split test, but in train; give --split=train"
    ):
        explain_video(str(finished_run), TEXT, "train_00001")


def test_some_of_the_videos_are_encoded_and_no_others_are_read(folder: pathlib.Path) -> None:
    model, features = Mcsan.from_pretrained(folder), embedded_clips(3).features
    features["pixels"]["test_00001"] = np.full((12, 192), np.nan, np.float16)
    found = model.encode_document(features, only=["test_00002", "test_00000", "test_00002"])
    assert found.ids == ("test_00002", "test_00000")
    [alone] = model.encode_document(features, only=["test_00000"]).pooled
    assert found.pooled is not None
    np.testing.assert_allclose(found.pooled[1], alone, atol=1e-6)
    with pytest.raises(InputError, match="no features of test_0001; did you mean 'test_00001'"):
        model.encode_document(features, only=["test_00000", "test_0001"])
    with pytest.raises(InputError, match="test_00001"):
        model.encode_document(features)
