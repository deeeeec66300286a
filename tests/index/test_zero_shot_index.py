"""Clips and an image-text encoder are an index, without a model and without training."""

import pathlib

import pytest

from data_pipeline.clips.render_clips import render_clips
from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.video_index import VideoIndex
from tests.support.command_line import run_mcsan
from tests.support.image_text_folder import save_encoder_with_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """With an encoder, which reads fewer tokens than are usual, and the files of three clips."""
    made = tmp_path_factory.mktemp("zero_shot")
    save_encoder_with_tokenizer(made / "encoder", places=16)
    (made / "clips").mkdir()
    clips = embedded_clips(3)
    render_clips(clips.images, made / "clips", clips.frames_per_second, show_progress=False)
    return made


def test_clips_are_searched_by_an_encoder_alone(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run_mcsan("index", folder / "clips", f"--encoder={folder / 'encoder'}")
    assert ended.status == 0, ended.stderr
    index = VideoIndex.open(tmp_path / "search.index")
    assert len(index) == 3
    assert [pathlib.Path(clip).stem for clip in index.table["clip"].to_pylist()] == [
        f"test_{number:05d}" for number in range(3)
    ]
    found = run_mcsan("search", "search.index", "the red ball moves")
    assert found.status == 0 and "test_00001" in found.stdout, found.stderr
    # The index has the text tower, and asks for no encoder.
    again = run_mcsan("index", "list", "search.index")
    assert again.status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{clips}",), "give features or clips; clips alone are searched untrained with --encoder=FOLDER"),
        (("{clips}", "--encoder={encoder}", "--encoder=other"), "give one of them"),
        (("{clips}", "--encoder={clips}"), "clips is no folder of an image-text encoder"),
        (("{clips}", "--encoder=efficientnet_lite0"), "give that of a CLIP, SigLIP or SigLIP 2"),
        (("{clips}", "--encoder={encoder}s"), "did you mean {encoder}? give that of a CLIP"),
    ],
    ids=[
        "no encoder",
        "two encoders",
        "no encoder in the folder",
        "an encoder of images alone",
        "a misspelled one",
    ],
)
def test_what_is_no_encoder_of_images_and_texts_is_refused(
    words: tuple[str, ...], said: str, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    *named, expected = (
        word.format(clips=folder / "clips", encoder=folder / "encoder") for word in (*words, said)
    )
    ended = run_mcsan("index", *named, f"--out={tmp_path / 'index'}")
    assert ended.status == 2 and expected in ended.stderr and "Traceback" not in ended.stderr, ended.stderr
