"""An index as the page may meet it, made by the commands: rendered clips, and what could be taken for HTML."""

import json
import pathlib
from typing import Any

import av
import numpy as np

from data_pipeline.prepared_data import embedded_clips
from tests.support.command_line import run_mcsan
from tests.support.written_clip import decoded

CLIPS = 60
CAMERAS = ("north", "south", "east <img src=x onerror=alert(2)>")
ODD, COPIED = "a/b <script>alert(1)</script> 100%", "test_00005"
"""The id of a video without a clip, and that of its copy."""
MARKUP = "<script>alert(4)</script> & <b>bold</b>"
ANGLE, LIST = "camera angle", "texts"
"""Columns: with a name that is no plain word, and with several values of each video."""
GONE = "test_00012"
"""The clip of this video is gone."""
UNPLAYABLE = "test_00048"
"""No browser plays the clip of this one."""


def make_page_index(folder: pathlib.Path) -> None:
    """Makes FOLDER/index with `CLIPS` clips and one more video."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = embedded_clips(CLIPS)
    rows = [
        {
            "id": video,
            "caption": texts[0],
            "camera": CAMERAS[row % 3],
            "year": 2018 + row % 5,
            ANGLE: "low",
            LIST: texts,
        }
        for row, (video, texts) in enumerate(clips.captions.items())
    ]
    _write_rows(folder / "videos.jsonl", rows)
    _write_rows(folder / "odd.jsonl", [{"id": ODD, "caption": MARKUP, "camera": CAMERAS[0], "year": 2018}])
    streams = []
    for stream, features in clips.features.items():
        np.savez(folder / f"{stream}.npz", **{ODD: features[COPIED]})
        streams.append(f"{stream}={folder / f'{stream}.npz'}")
    index = folder / "index"
    _run(
        "demo",
        "moving_shapes",
        f"--count={CLIPS}",
        "--render_clips",
        f"--metadata={folder / 'videos.jsonl'}",
        f"--out={index}",
    )
    _run("add", index, *streams, f"--metadata={folder / 'odd.jsonl'}", "--frame_rate=4")
    (index / "clips" / f"{GONE}.mp4").unlink()
    _encode_again(index / "clips" / f"{UNPLAYABLE}.mp4")


def _encode_again(clip: pathlib.Path) -> None:
    """Puts the pictures of a clip into a format that FFmpeg reads, and browsers do not."""
    times, pictures = decoded(clip.read_bytes())
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("mpeg4", rate=round(1 / (times[1] - times[0])))
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode(None))


def _run(*arguments: object) -> None:
    ended = run_mcsan("index", *arguments)
    assert ended.status == 0, ended.stderr


def _write_rows(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
