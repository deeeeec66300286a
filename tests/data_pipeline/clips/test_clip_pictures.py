"""Posters, film strips and cuts against clips whose frames tell their number."""

import io
import os
import pathlib

import av
import numpy as np
import pytest
from PIL import Image

from data_pipeline.clips.clip_pictures import LONGEST_CUT, cut, film_strip, poster
from data_pipeline.clips.passing_pictures import PassingPictures
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.render_clips import render_clips
from data_pipeline.clips.sampled_frames import Sampling, sampled_frames
from data_pipeline.errors import InputError
from data_pipeline.prepared_data import embedded_clips
from tests.support.written_clip import RATE, SIDE, decoded, numbers, write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Six seconds, of which the first three are black; a tone is heard from the fifth on."""
    return write_clip(tmp_path_factory.mktemp("clip") / "one.mp4", 150, range(75), sound_from=4.0)


def image(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg)) as opened:
        assert opened.format == "JPEG"
        return np.asarray(opened.convert("RGB"))


def number(jpeg: bytes) -> float:
    return float(numbers(image(jpeg)[None])[0])


@pytest.mark.parametrize(("seconds", "expected"), [(3.0, 75), (4.01, 100), (5.99, 149), (1e6, 149)])
def test_a_poster_is_the_frame_on_the_screen(clip: pathlib.Path, seconds: float, expected: int) -> None:
    assert number(poster(clip, seconds)) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("seconds", [0.0, 1.5, 2.96])
def test_a_poster_of_a_black_part_is_the_nearest_frame_that_shows_something(
    clip: pathlib.Path, seconds: float
) -> None:
    assert number(poster(clip, seconds)) == pytest.approx(75, abs=2)


def test_the_nearest_frame_may_come_before(tmp_path: pathlib.Path) -> None:
    clip = write_clip(tmp_path / "one.mp4", 150, [*range(40), *range(41, 100)])
    assert number(poster(clip, 1.72)) == pytest.approx(40, abs=2)
    assert number(poster(clip, 3.0)) == pytest.approx(100, abs=2)
    # Without a time it is the middle, which is as far from both.
    assert number(poster(clip)) == pytest.approx(100, abs=2)


def test_of_black_frames_the_brightest_is_taken(tmp_path: pathlib.Path) -> None:
    images = np.zeros((8, 16, 16, 3), np.uint8)
    images[5] = 20
    path = render_clips({"dark": images}, tmp_path, 4.0)["dark"]
    for seconds in (None, 0.0, 1.9):
        assert image(poster(path, seconds)).mean() == pytest.approx(20, abs=2)


def test_a_poster_in_a_long_black_part_is_a_key_frame(tmp_path: pathlib.Path) -> None:
    images = np.zeros((90, 16, 16, 3), np.uint8)
    images[85, :8] = 200
    path = render_clips({"long": images}, tmp_path, 0.5)["long"]
    assert image(poster(path, 2.0)).max() > 150


def test_a_film_strip_has_frames_from_the_whole_clip(tmp_path: pathlib.Path) -> None:
    strip = image(film_strip(write_clip(tmp_path / "one.mp4", 100), 5))
    assert strip.shape == (SIDE // 2, 5 * SIDE, 3)
    shown = numbers(strip.reshape(SIDE // 2, 5, SIDE, 3).swapaxes(0, 1))
    np.testing.assert_allclose(shown, [10, 30, 50, 70, 90], atol=2)


def test_a_long_film_strip_has_key_frames(tmp_path: pathlib.Path) -> None:
    images = np.arange(60, dtype=np.uint8)[:, None, None, None] * 4 + np.zeros((60, 8, 8, 3), np.uint8)
    path = render_clips({"long": images}, tmp_path, 1.0, enlarged=2)["long"]
    strip = image(film_strip(path, 6)).reshape(16, 6, 16, 3)
    np.testing.assert_allclose(strip.mean(axis=(0, 2, 3)), np.arange(5, 60, 10) * 4, atol=4)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (3.0, 4.0, 75, 99),
        (3.52, 3.6, 88, 89),
        (3.53, 3.535, 88, 88),
        (3.519, 3.561, 88, 88),
        (5.5, 60, 137, 149),
    ],
)
def test_a_cut_has_the_frames_of_its_time(
    clip: pathlib.Path, start: float, end: float, first: int, last: int
) -> None:
    times, pictures = decoded(cut(clip, start, end))
    np.testing.assert_allclose(numbers(pictures), np.arange(first, last + 1), atol=2)
    np.testing.assert_allclose(times, np.arange(len(times)) / RATE, atol=1e-3)


def test_a_cut_has_the_sound_of_its_time(clip: pathlib.Path) -> None:
    with av.open(io.BytesIO(cut(clip, 3.5, 4.5))) as made:
        assert {stream.type: stream.codec_context.name for stream in made.streams} == {
            "video": "h264",
            "audio": "aac",
        }
        wave = np.concatenate([frame.to_ndarray()[0] for frame in made.decode(audio=0)])
        rate = made.streams.audio[0].rate
    assert len(wave) / rate == pytest.approx(1.0, abs=0.1)
    assert np.argmax(np.abs(wave) > 0.2) / rate == pytest.approx(0.5, abs=1 / RATE)


def test_pictures_of_a_phone_stand_upright(tmp_path: pathlib.Path) -> None:
    clip = write_clip(tmp_path / "one.mp4", 30, rotation=-90)
    _, [frame, *_] = decoded(cut(clip, 0.4, 1.0))
    for picture in (image(poster(clip, 0.4)), frame):
        # The left side is now above.
        assert picture.shape == (SIDE, SIDE // 2, 3)
        assert picture[: SIDE // 2 - 2].mean() == pytest.approx(60, abs=3)
        assert picture[SIDE // 2 + 2 :].mean() > 250
    assert image(film_strip(clip, 3)).shape == (SIDE, 3 * SIDE // 2, 3)


def passed(path: pathlib.Path) -> PassingPictures:
    """All frames of a clip have passed, although one alone was asked for."""
    passing = PassingPictures()
    list(sampled_frames(path, Sampling(frames=1), PictureView((8, 8)), passing=passing))
    assert passing.end()
    return passing


def test_pictures_of_frames_that_pass_are_those_of_the_file(tmp_path: pathlib.Path) -> None:
    for name, black in (("all", ()), ("none", range(100)), ("half", range(40, 80))):
        clip = write_clip(tmp_path / f"{name}.mp4", 100, black)
        passing = passed(clip)
        assert passing.film_strip() == film_strip(clip)
        if name != "half":
            assert passing.poster() == poster(clip)
    # The poster is a frame of the strip, the nearest one to the middle that shows something: 37.5 or 87.5.
    assert number(passed(tmp_path / "half.mp4").poster()) == pytest.approx(37, abs=2)


def test_a_changed_file_has_another_poster(tmp_path: pathlib.Path) -> None:
    clip = write_clip(tmp_path / "one.mp4", 30)
    first = poster(clip, 0.4)
    assert poster(clip, 0.4) is first
    write_clip(clip, 60, range(40))
    os.utime(clip, ns=(0, 0))
    assert number(poster(clip, 0.4)) == pytest.approx(40, abs=2)


def test_embedded_clips_are_rendered_as_they_are(tmp_path: pathlib.Path) -> None:
    made = embedded_clips(2)
    paths = render_clips(made.images, tmp_path / "a", made.frames_per_second)
    again = render_clips(made.images, tmp_path / "b", made.frames_per_second)
    for name, images in made.images.items():
        content = paths[name].read_bytes()
        assert content == again[name].read_bytes()
        times, pictures = decoded(content)
        np.testing.assert_allclose(times, np.arange(len(images)) / made.frames_per_second, atol=1e-3)
        difference = pictures[:, 4::8, 4::8].astype(float) - images
        assert np.abs(difference).mean() < 2
        with av.open(io.BytesIO(content)) as clip:
            assert clip.duration == pytest.approx(1e6 * len(images) / made.frames_per_second)
            assert all(frame.key_frame for frame in clip.decode(video=0))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/clips: no clips can be written here: Not a directory"):
        render_clips({}, tmp_path / "file" / "clips", 4.0)


def test_what_cannot_be_decoded_is_named(tmp_path: pathlib.Path, clip: pathlib.Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:500])
    with av.open(str(tmp_path / "sound.mp4"), "w") as out:
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        heard.sample_rate = 48_000
        out.mux([*sound.encode(heard), *sound.encode(None)])
    for name, said in [
        ("gone.mp4", "expected a file, found none; restore it"),
        ("text.mp4", "expected a video, found a text, which begins with 'no video'"),
        ("cut.mp4", r"expected a video, found a file that breaks off: its index \(moov\) is missing"),
        ("sound.mp4", "expected a video, found a file without pictures"),
    ]:
        for make in (poster, film_strip, lambda path: cut(path, 0.0, 1.0)):
            with pytest.raises(InputError, match=f"^clip '{name}': {said}"):
                make(tmp_path / name)


def test_times_and_numbers_are_checked(clip: pathlib.Path) -> None:
    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="at: expected a time in seconds, 0 or more, found"):
            poster(clip, seconds)
        with pytest.raises(InputError, match="start and end: expected 0 <= start < end"):
            cut(clip, seconds, 2.0)
        with pytest.raises(InputError, match="start and end: expected 0 <= start < end"):
            cut(clip, 2.0, seconds)
    with pytest.raises(InputError, match="expected 600 seconds at most, found 601"):
        cut(clip, 0.0, LONGEST_CUT + 1)
    with pytest.raises(InputError, match=r"start: clip 'one.mp4' has 6\.\d* seconds, found 7"):
        cut(clip, 7.0, 8.0)
    for count in (0, 61):
        with pytest.raises(InputError, match="expected a number of frames from 1 to 60"):
            film_strip(clip, count)
