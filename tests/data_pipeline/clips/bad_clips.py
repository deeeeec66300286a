"""Clips that are broken or odd in each way that a folder of videos may hold, written on the spot."""

import dataclasses
import pathlib
import struct
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from tests.data_pipeline.clips.numbered_clips import B_FRAMES, PLAIN, Kind, even_times, write_numbered

FRAMES = 50
"""A clip has so many frames, 25 a second, unless its name says otherwise."""


@dataclasses.dataclass(frozen=True)
class BadClip:
    """A clip and what is to be expected of it.

    Attributes:
        name: of the file.
        write: writes it.
        fault: what is said of a clip with nothing to show; None where it has something.
        note: what is said of a clip of which a part cannot be read; None where all can.
        shown: the numbers that its frames carry at five a second, where they carry some.
    """

    name: str
    write: Callable[[pathlib.Path], object]
    fault: str | None = None
    note: str | None = None
    shown: tuple[int, ...] | None = None


MATROSKA = dataclasses.replace(PLAIN, ending=".mkv")
ALL = tuple(range(0, FRAMES, 5))


def _clip(path: pathlib.Path, kind: Kind = PLAIN, count: int = FRAMES) -> pathlib.Path:
    return write_numbered(path, kind, even_times(count))


def _sound(path: pathlib.Path) -> None:
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        heard = AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        heard.sample_rate = 48_000
        out.mux([*sound.encode(heard), *sound.encode(None)])


def _of_size(path: pathlib.Path, rows: int, columns: int) -> None:
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("png", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = columns, rows, "rgb24"
        for number in range(10):
            frame = VideoFrame.from_ndarray(np.full((rows, columns, 3), 20 * number, np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))


def _front_index(path: pathlib.Path) -> bytes:
    """A clip with its index at its front, so that what is cut off are frames."""
    made = path.with_suffix(".whole.mp4")
    _clip(made)
    with av.open(str(made)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    made.unlink()
    return path.read_bytes()


def _cut_in_the_middle(path: pathlib.Path) -> None:
    content = _front_index(path)
    path.write_bytes(content[: content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2])


def _without_index(path: pathlib.Path) -> None:
    content = _clip(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _matroska_cut(path: pathlib.Path) -> None:
    content = _clip(path, MATROSKA).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _packets(path: pathlib.Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as clip:
        return [(one.pos, one.size) for one in clip.demux(video=0) if one.pos is not None and one.size]


def _damaged(path: pathlib.Path, first: int, last: int) -> None:
    """Overwrites the bytes of some frames."""
    content = bytearray(_clip(path).read_bytes())
    rng = np.random.default_rng(0)
    for place, size in _packets(path)[first:last]:
        content[place : place + size] = rng.bytes(size)
    path.write_bytes(content)


def _lies(path: pathlib.Path, seconds: int) -> None:
    """Every length in the header of an mp4 becomes another one; the frames stay."""
    content = bytearray(_clip(path).read_bytes())
    for box, length_at in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        at = content.index(box)
        scale = 1000 if box == b"tkhd" else struct.unpack(">I", content[at + 16 : at + 20])[0]
        content[at + length_at : at + length_at + 4] = struct.pack(">I", seconds * scale)
    path.write_bytes(content)


def _matroska_lies(path: pathlib.Path) -> None:
    content = bytearray(_clip(path, MATROSKA).read_bytes())
    # The element Duration: its name, its size, and a number of milliseconds.
    at = content.index(b"\x44\x89\x88") + 3
    content[at : at + 8] = struct.pack(">d", 7200e3)
    path.write_bytes(content)


def _one_frame_stays(path: pathlib.Path) -> None:
    """The second half begins a month later."""
    times = even_times(FRAMES)
    write_numbered(path, MATROSKA, [*times[:25], *(one + 30 * 86_400 for one in times[25:])])


def _playlist(path: pathlib.Path) -> None:
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://localhost:9/secret.ts\n#EXT-X-ENDLIST\n"
    )


TEN_BIT = Kind(".mp4", "libx264", "yuv420p10le", B_FRAMES)
FULL_COLOUR = Kind(".mp4", "libx264", "yuv444p", B_FRAMES)

BAD_CLIPS = (
    BadClip("zero.mp4", lambda path: path.touch(), "expected a video, found a file that is empty (0 bytes)"),
    BadClip(
        "text.mp4",
        lambda path: path.write_text("no video\n" * 100),
        "expected a video, found a text, which begins with 'no video'",
    ),
    BadClip(
        "noise.mp4",
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
        "expected a video, found a file that cannot be decoded: Invalid data",
    ),
    BadClip("playlist.mp4", _playlist, "expected a video, found a text, which begins with '#EXTM3U'"),
    BadClip("sound.mp4", _sound, "expected a video, found a file without pictures"),
    BadClip(
        "no_index.mp4",
        _without_index,
        "expected a video, found a file that breaks off: its index (moov) is missing; copy or record it again",
    ),
    BadClip(
        "all_broken.mp4",
        lambda path: _damaged(path, 0, FRAMES),
        "expected a video, found one without a frame that can be decoded",
    ),
    BadClip("one frame.mp4", lambda path: _clip(path, count=1), shown=(0,)),
    BadClip("ten_bit.mp4", lambda path: _clip(path, TEN_BIT), shown=ALL),
    BadClip("full_colour.mp4", lambda path: _clip(path, FULL_COLOUR), shown=ALL),
    BadClip("pixel.mov", lambda path: _of_size(path, 1, 1)),
    BadClip("wide.mov", lambda path: _of_size(path, 2, 7680)),
    BadClip("high.mov", lambda path: _of_size(path, 7680, 2)),
    BadClip("too_long.mp4", lambda path: _lies(path, 7200), shown=ALL),
    BadClip("too_short.mp4", lambda path: _lies(path, 1), shown=ALL),
    BadClip(
        "too_long.mkv",
        _matroska_lies,
        note="the file says that it has 7200.00 s, and has 2.00 s",
        shown=ALL,
    ),
    BadClip(
        "cut.mp4",
        _cut_in_the_middle,
        note="the file says that it has 2.00 s, and has 0.68 s; 1 frame cannot be decoded, the first at 0.64 s",
        shown=ALL[:4],
    ),
    BadClip(
        "cut.mkv",
        _matroska_cut,
        note="the file says that it has 2.00 s, and has 0.48 s",
        shown=ALL[:3],
    ),
    # Frame 24 is the first that needs none before it; those up to half a second earlier are replaced by it.
    BadClip(
        "first_broken.mp4",
        lambda path: _damaged(path, 0, 15),
        note="15 frames cannot be decoded, the first at 0.00 s; "
        "3 of the frames asked for are lost, the first at 0.00 s",
        shown=(24, 24, *ALL[5:]),
    ),
    BadClip(
        "middle_broken.mp4",
        lambda path: _damaged(path, 12, 36),
        note="24 frames cannot be decoded, the first at 0.48 s; "
        "3 of the frames asked for are lost, the first at 1.00 s",
        shown=(0, 5, 10, 11, 11, 40, 45),
    ),
    BadClip(
        "month.mkv",
        _one_frame_stays,
        note="a frame is said to stay longer than 600 s, that at 0.96 s",
        shown=ALL[:5],
    ),
    BadClip('it\'s "so"\nlong, 猫.mp4', _clip, shown=ALL),
    BadClip("12:30 %03d.mp4", _clip, shown=ALL),
)
