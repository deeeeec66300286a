"""Features of clips: they are those of the frames, whatever happens on the way, and no file is taken for another."""

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from data_pipeline.clips.collect_clips import collect_clips
from data_pipeline.clips.sampled_frames import Sampling, sampled_frames
from data_pipeline.errors import InputError
from data_pipeline.features.streams import open_features
from mcsan_jax.extraction.clip_picture_files import POSTER, STRIP, picture_file, pictures_folder
from mcsan_jax.extraction.extract_features import extract_features
from mcsan_jax.extraction.run_extraction import ExtractionOptions
from tests.data_pipeline.clips.bad_clips import BAD_CLIPS
from tests.extraction.colour_encoder import ColourEncoder
from tests.support.written_clip import write_clip

SIX = Sampling(frames=6)
OPTIONS = ExtractionOptions(SIX, processes=1, pictures=False)
Encoders = dict[str, ColourEncoder]


def expected(
    path: pathlib.Path, encoder: ColourEncoder, sampling: Sampling = SIX
) -> tuple[np.ndarray, np.ndarray]:
    """Times and features of a clip, one frame after another."""
    chunks = list(sampled_frames(path, sampling, encoder.view, 1))
    vectors = [encoder.encode(chunk.pictures).frames for chunk in chunks]
    return np.concatenate([chunk.seconds for chunk in chunks]), np.concatenate(vectors).astype(np.float16)


def test_features_are_those_of_the_frames_and_tell_where_they_are_from(
    clips: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "new" / "f.hdf5"
    found = collect_clips([clips])
    report = extract_features(found, {out: "colours"}, dataclasses.replace(OPTIONS, pictures=True))
    source = open_features(out)
    assert source.ids() == {"first", "dé jà_'vu' \"ü\" 犬"} == set(found) - set(report.skipped)
    for video_id in source.ids():
        seconds, vectors = expected(found[video_id], encoders["colours"])
        assert np.array_equal(source.read(video_id), vectors)
        assert np.array_equal(source.times(video_id, 6), seconds.astype(np.float32))
        clip = source.clip(video_id)
        assert clip is not None and (clip.path, clip.parts) == (str(found[video_id]), ())
        for kind in (POSTER, STRIP):
            assert picture_file(pictures_folder(out), video_id, kind).read_bytes().startswith(b"\xff\xd8")
    made = source.provenance()
    assert made is not None and (made.encoder, made.sha256, made.width) == (
        "colours",
        encoders["colours"].sha256,
        3,
    )
    assert made.preprocessing == "24x48 pixels, bilinear; x / 255" and (made.frames, made.opened_as) == (
        6,
        "colours",
    )
    assert sorted(path.name for path in out.parent.iterdir()) == ["f.hdf5", "f.pictures", "f.report.json"]
    assert list(report.skipped) == ["empty", "letter"] and report.extracted == (2, 12)
    assert "empty.mp4" in report.skipped["empty"] and "letter.mp4" in report.skipped["letter"]
    written = json.loads((out.parent / "f.report.json").read_text())
    assert written["skipped"] == report.skipped and written["clips"] == 2
    assert report.length == pytest.approx(160 / 25, rel=0.1)


@pytest.fixture
def two(clips: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of two clips that a test may change."""
    shutil.copytree(clips, tmp_path / "two", ignore=shutil.ignore_patterns("empty*", "letter*"))
    return tmp_path / "two"


def test_the_same_command_again_does_nothing(
    two: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "f.hdf5"
    first = extract_features(collect_clips([two]), {out: "colours"}, OPTIONS)
    written, seen = out.stat().st_mtime_ns, list(encoders["colours"].seen)
    second = extract_features(collect_clips([two]), {out: "colours"}, OPTIONS)
    assert second.was_finished and not first.was_finished and second.skipped == {}
    assert "done already" in second.lines()[0]
    assert (out.stat().st_mtime_ns, encoders["colours"].seen) == (written, seen)


def test_an_interrupted_extraction_goes_on_and_gives_the_same_bytes(
    two: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcsan_jax.extraction.encode_clips._FRAMES_AT_ONCE", 4)
    whole, out = tmp_path / "whole.hdf5", tmp_path / "f.hdf5"
    extract_features(collect_clips([two]), {whole: "colours"}, OPTIONS)
    with pytest.raises(InputError, match="has seen enough"):
        # The first clip is done, and of the second one some frames are.
        encoders["colours"] = ColourEncoder(fails_after=8)
        extract_features(collect_clips([two]), {out: "colours"}, OPTIONS)
    assert not out.exists() and len(list(out.with_name("f.hdf5.partial").glob("*.json"))) == 1
    encoders["colours"] = ColourEncoder()
    report = extract_features(collect_clips([two]), {out: "colours"}, OPTIONS)
    assert report.extracted == (1, 6) and report.frames == 12
    assert out.read_bytes() == whole.read_bytes()
    assert not out.with_name("f.hdf5.partial").exists()


def test_half_a_result_counts_for_nothing(
    two: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a loss of power, where files are shorter than they were."""
    out = tmp_path / "f.hdf5"
    monkeypatch.setattr("mcsan_jax.extraction.encode_clips._FRAMES_AT_ONCE", 4)
    encoders["colours"] = ColourEncoder(fails_after=8)
    with pytest.raises(InputError, match="has seen enough"):
        extract_features(collect_clips([two]), {out: "colours"}, OPTIONS)
    [done] = out.with_name("f.hdf5.partial").glob("*.json")
    os.truncate(done.with_suffix(".frames"), 4)
    encoders["colours"] = ColourEncoder()
    assert extract_features(collect_clips([two]), {out: "colours"}, OPTIONS).extracted == (2, 12)


@pytest.mark.parametrize("change", ["encoder", "sampling", "clip"])
def test_another_command_takes_no_stale_result(
    two: pathlib.Path,
    encoders: Encoders,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    out, options, name = tmp_path / "f.hdf5", OPTIONS, "colours"
    monkeypatch.setattr("mcsan_jax.extraction.encode_clips._FRAMES_AT_ONCE", 4)
    encoders["colours"] = ColourEncoder(fails_after=8)
    with pytest.raises(InputError, match="has seen enough"):
        extract_features(collect_clips([two]), {out: "colours"}, OPTIONS)
    encoders["colours"] = ColourEncoder()
    if change == "encoder":
        name = "bright"
    elif change == "sampling":
        options = dataclasses.replace(OPTIONS, sampling=Sampling(frames_per_second=2.0))
    else:
        for path in collect_clips([two]).values():
            write_clip(path, 90)
    found = collect_clips([two])
    extract_features(found, {out: name}, options)
    for video_id, path in found.items():
        _, vectors = expected(path, encoders[name], options.sampling)
        assert np.array_equal(open_features(out).read(video_id), vectors)


def test_a_file_of_another_command_is_kept_and_unchanged_clips_are_taken_from_it(
    two: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    out, fresh = tmp_path / "f.hdf5", tmp_path / "fresh.hdf5"
    options = dataclasses.replace(OPTIONS, regions=(2, 2), pictures=True)
    extract_features(collect_clips([two]), {out: "colours"}, options)
    before = out.read_bytes()
    write_clip(two / "third.mp4", 30)
    with pytest.raises(InputError, match=r"f\.hdf5 and .*f_regions\.hdf5: is there already.*--overwrite"):
        extract_features(collect_clips([two]), {out: "colours"}, options)
    assert out.read_bytes() == before
    replacing = dataclasses.replace(options, overwrite=True)
    assert extract_features(collect_clips([two]), {out: "colours"}, replacing).extracted == (1, 6)
    extract_features(collect_clips([two]), {fresh: "colours"}, options)
    for ending in (".hdf5", "_regions.hdf5"):
        assert (tmp_path / f"f{ending}").read_bytes() == (tmp_path / f"fresh{ending}").read_bytes()
    (two / "third.mp4").unlink()
    assert extract_features(collect_clips([two]), {out: "colours"}, replacing).extracted == (0, 0)
    assert out.read_bytes() == before
    assert not picture_file(pictures_folder(out), "third", POSTER).exists()


def test_what_is_no_features_file_is_kept(
    two: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "f.hdf5"
    out.write_text("the only copy of something")
    with pytest.raises(InputError, match=r"f\.hdf5: is there already"):
        extract_features(collect_clips([two]), {out: "colours"}, OPTIONS)
    assert out.read_text() == "the only copy of something"


def test_regions_go_to_a_file_of_their_own(
    two: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "f.hdf5"
    found = collect_clips([two])
    extract_features(found, {out: "colours"}, dataclasses.replace(OPTIONS, regions=(3, 4)))
    frames, regions = open_features(out), open_features(tmp_path / "f_regions.hdf5")
    for video_id, path in found.items():
        pictures = np.concatenate(
            [one.pictures for one in sampled_frames(path, SIX, encoders["colours"].view)]
        )
        made = encoders["colours"].encode(pictures, (3, 4)).regions
        assert made is not None and np.array_equal(regions.read(video_id), made.astype(np.float16))
        assert np.array_equal(frames.read(video_id), expected(path, encoders["colours"])[1])
    made_by = regions.provenance()
    assert made_by is not None and (made_by.regions, made_by.width) == ((3, 4), 3)


def test_encoders_share_the_decoding_where_they_see_the_same(
    two: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    outs = {tmp_path / f"{name}.hdf5": name for name in ("colours", "small", "bright")}
    found = collect_clips([two])
    report = extract_features(found, outs, OPTIONS)
    assert report.extracted == (2, 24)
    for out, name in outs.items():
        for video_id, path in found.items():
            assert np.array_equal(open_features(out).read(video_id), expected(path, encoders[name])[1])
    assert not (tmp_path / "small.pictures").exists()


def test_strict_names_every_clip_and_writes_nothing(
    clips: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "f.hdf5"
    found = collect_clips([clips])
    with pytest.raises(InputError) as refused:
        extract_features(found, {out: "colours"}, dataclasses.replace(OPTIONS, strict=True))
    assert all(f"{name}: skipped: clip '{name}.mp4'" in str(refused.value) for name in ("empty", "letter"))
    assert not out.exists()
    assert extract_features(found, {out: "colours"}, OPTIONS).extracted == (0, 0)
    with pytest.raises(InputError, match="2 clips cannot be used"):
        extract_features(found, {out: "colours"}, dataclasses.replace(OPTIONS, strict=True))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["empty.mp4", "letter.mp4"], r"none of 2 clips can be used:(?s:.*)empty\.mp4(?s:.*)letter\.mp4"),
        (
            ["first.mp4"],
            "none of 1 clip can be used:(?s:.*)'first.mp4': the encoder gave values that are not finite",
        ),
    ],
    ids=["nothing to see", "no numbers"],
)
def test_where_no_clip_can_be_used_all_are_named(
    clips: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path, names: Sequence[str], message: str
) -> None:
    encoder = "endless" if names == ["first.mp4"] else "colours"
    with pytest.raises(InputError, match=message):
        extract_features(
            collect_clips([clips / name for name in names]), {tmp_path / "f.hdf5": encoder}, OPTIONS
        )


@pytest.mark.parametrize(
    ("outs", "options", "message"),
    [
        (
            {"f.hdf5": "colours", "folder/../f.hdf5": "small"},
            {},
            "expected a file for each encoder, found f.hdf5 f.hdf5",
        ),
        (
            {"f_regions.hdf5": "small", "f.hdf5": "colours"},
            {"regions": (1, 1)},
            "expected a file for each encoder",
        ),
        ({"f.npz": "colours"}, {}, r"f\.npz: expected a name that ends with \.h5 or \.hdf5"),
        ({"f.hdf5": "colors"}, {}, "'colors'.*did you mean 'colours'"),
        ({"f.hdf5": "colours"}, {"regions": (13, 1)}, "13x1: colours sees a grid of 12x24"),
    ],
    ids=["one file", "regions of another", "no HDF5", "unknown encoder", "too many regions"],
)
def test_what_cannot_be_is_refused_before_a_clip_is_decoded(
    clips: pathlib.Path,
    encoders: Encoders,
    tmp_path: pathlib.Path,
    outs: Mapping[str, str],
    options: Mapping[str, object],
    message: str,
) -> None:
    named = {tmp_path / name: encoder for name, encoder in outs.items()}
    with pytest.raises(InputError, match=message):
        extract_features(collect_clips([clips]), named, dataclasses.replace(OPTIONS, **options))
    assert not list(tmp_path.iterdir())


def test_two_programs_do_not_write_one_file(
    two: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    from mcsan_jax.extraction.pending_results import PendingResults

    other = PendingResults(tmp_path / "f.hdf5")
    other.open()
    try:
        with pytest.raises(InputError, match="another program extracts into the same file"):
            extract_features(collect_clips([two]), {tmp_path / "f.hdf5": "colours"}, OPTIONS)
    finally:
        other.close()


def test_a_path_that_is_no_unicode_is_kept(
    clips: pathlib.Path, encoders: Encoders, tmp_path: pathlib.Path
) -> None:
    odd = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4"))
    shutil.copy(clips / "first.mp4", odd)
    out = tmp_path / "f.hdf5"
    extract_features(collect_clips([odd]), {out: "colours"}, OPTIONS)
    [video_id] = open_features(out).ids()
    clip = open_features(out).clip(video_id)
    assert clip is not None and pathlib.Path(clip.path) == odd


def test_bad_clips_are_named_and_stop_none_of_the_others(encoders: Encoders, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for clip in BAD_CLIPS:
        clip.write(folder / clip.name)
    found = collect_clips([folder])
    bad = {
        video_id: next(clip for clip in BAD_CLIPS if clip.name == path.name)
        for video_id, path in found.items()
    }
    assert len(found) == len(BAD_CLIPS)
    out = tmp_path / "f.hdf5"
    options = ExtractionOptions(Sampling(frames_per_second=5), processes=1)
    report = extract_features(found, {out: "colours"}, options)
    assert set(report.skipped) == {video_id for video_id, clip in bad.items() if clip.fault}
    assert set(report.cut_short) >= {video_id for video_id, clip in bad.items() if clip.note}
    assert open_features(out).ids() == set(found) - set(report.skipped)
    for video_id, reason in report.skipped.items():
        assert repr(bad[video_id].name) in reason and (bad[video_id].fault or "") in reason
    for video_id in report.cut_short:
        assert (bad[video_id].note or "") in report.cut_short[video_id]
