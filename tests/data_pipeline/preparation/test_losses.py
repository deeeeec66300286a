"""Videos that cannot be used are found before captions are parsed, and no split loses many of them unasked."""

import json
from collections.abc import Iterable

import pytest

from data_pipeline.annotations.caption import Caption, Video
from data_pipeline.preparation.advice import advice_on
from data_pipeline.preparation.runner import CAPTIONS, WITHOUT_ACTION
from tests.support.command_line import run_prepare
from tests.support.corpus import Corpus, make_features, read_records, read_report, write_hdf5


def write_parts(corpus: Corpus, count: int, *more: dict[str, object]) -> list[str]:
    """Arguments that prepare ``count`` videos to train on, a few for validation, and parts of a long video."""
    rows: list[dict[str, object]] = [
        {"video_id": f"train{number}", "caption": "a dog runs", "split": "train"} for number in range(count)
    ]
    rows += [{"video_id": f"val{number}", "caption": "a cat runs", "split": "val"} for number in range(3)]
    rows += [{"video_id": "long", "caption": "a man sings", "split": "train", **part} for part in more]
    path = corpus.folder / "captions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = {str(row["video_id"]) for row in rows}
    write_hdf5(corpus.features, {name: make_features(name) for name in sorted(names)})
    return corpus.arguments("--frame_rate=1", dataset="jsonl", annotations=path)


def refused(corpus: Corpus, capsys: pytest.CaptureFixture[str], arguments: Iterable[str]) -> str:
    """What a refused command says; it parsed nothing."""
    unused = corpus.folder / "unused"
    assert run_prepare([*arguments, f"--graph_cache={unused}"]) == 2
    assert not unused.exists() and not corpus.out.exists()
    return capsys.readouterr().err


def test_parts_without_frames_are_left_out_and_listed(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    late, later = {"start": 500, "end": 510}, {"start": 600, "end": 610}
    reversed_ = {"start": 2, "end": 1}
    arguments = write_parts(corpus, 30, {"start": 0, "end": 2}, late, later, reversed_)
    assert run_prepare(arguments) == 0
    report = read_report(corpus.out)
    assert report["parts_without_frames"] == ["long@500-510", "long@600-610"]
    (reason,) = report["unusable_captions"]
    assert "line 37: expected 0 <= 'start' < 'end'" in reason
    printed = capsys.readouterr().out
    assert "\nparts without frames: long@500-510, long@600-610\n" in printed and reason in printed
    records = read_records(corpus.out, "train")
    assert len(records) == 31 and records["long@0-2"]["frame_times"].tolist() == [0.5, 1.5]


def test_strict_refuses_parts_without_frames(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write_parts(corpus, 30, {"start": 500, "end": 510}, {"start": 3, "end": 2})
    said = refused(corpus, capsys, [*arguments, "--strict"])
    assert "1 parts without frames: long@500-510" in said and "1 unusable captions: " in said


@pytest.mark.parametrize("count", [17, 18])
def test_a_split_loses_a_tenth_at_most(
    corpus: Corpus, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    arguments = write_parts(corpus, count, {"start": 500, "end": 510}, {"start": 3, "end": 2})
    if count == 18:
        assert run_prepare(arguments) == 0
        return
    said = refused(corpus, capsys, arguments)
    assert "train: 2 of 19 videos cannot be used: long@500-510, long@3-2" in said
    assert "long@500-510: no frame between 'start' and 'end'" in said and "no features" not in said
    assert "captions.jsonl, line 22: expected 0 <= 'start' < 'end' in seconds, found 3 and 2" in said
    assert "val" not in said and "--allow_missing" in said
    assert run_prepare([*arguments, "--allow_missing"]) == 0
    assert read_report(corpus.out)["splits"]["train"]["videos"] == 17


def test_no_split_disappears(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write_parts(corpus, 12)
    write_hdf5(corpus.features, {f"train{number}": make_features("train0") for number in range(12)})
    said = refused(corpus, capsys, arguments)
    assert "val: 3 of 3 videos cannot be used: val0, val1, val2" in said
    assert "val0, val1 and val2: no features; extract them" in said and "'start'" not in said
    assert run_prepare([*arguments, "--allow_missing"]) == 0
    assert list(read_report(corpus.out)["splits"]) == ["train"]


def test_a_training_split_without_any_frame_is_refused(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = write_parts(corpus, 0, *({"start": 500 + n, "end": 510 + n} for n in range(9)))
    said = refused(corpus, capsys, [*arguments, "--allow_missing"])
    assert "no training video has a frame" in said and "… (9 in all)" in said


def test_unknown_times_are_said_before_captions_are_parsed(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = write_parts(corpus, 12, {"start": 0, "end": 2})
    said = refused(corpus, capsys, [one for one in arguments if one != "--frame_rate=1"])
    assert "give --frame_rate=features=FRAMES_PER_SECOND" in said


def test_split_lists_name_videos_that_cannot_be_used(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list that names a video whose captions were all left out is no wrong list, but a split that loses one."""
    arguments = write_parts(corpus, 12, {"start": 3, "end": 2})
    (corpus.folder / "a.txt").write_text("train0\ntrain1\n")
    (corpus.folder / "b.txt").write_text("train2\nlong@3-2\n")
    lists = [f"--split_file=train={corpus.folder}/a.txt", f"--split_file=test={corpus.folder}/b.txt"]
    assert "test: 1 of 2 videos cannot be used: long@3-2" in refused(corpus, capsys, [*arguments, *lists])


def videos(split: str, *texts: str) -> list[Video]:
    return [
        Video(f"{split}{number}", split, (Caption(f"{split}{number}", f"{split}{number}#0", text, split),))
        for number, text in enumerate(texts)
    ]


PAIRS = [
    Video("train0", "train", tuple(Caption("train0", str(n), f"this is text {n}", "train") for n in range(2)))
]
MANY = [f"this is number {number}" for number in range(50)]


GERMAN = [f"Frau {number} schneidet eine Zwiebel" for number in range(27)]
FRENCH = [f"la chanteuse a terminé, numéro {number}" for number in range(50)]
CHINESE = [f"男人正在唱歌{number}" for number in range(50)]


@pytest.mark.parametrize(
    ("prepared", "without_verb", "expected"),
    [
        (PAIRS + videos("val", *MANY), 0, []),
        (PAIRS + videos("val", *MANY), 25, []),
        (PAIRS + videos("val", *MANY), 26, ["26 of 52 captions have no verb"]),
        (PAIRS + videos("val", *MANY[1:]), 0, ["the validation split has only 49 videos"]),
        (PAIRS, 0, ["there is no validation split"]),
        (videos("train", "a", "the") + videos("val", *MANY), 0, ["every training video has one caption"]),
        (
            PAIRS + videos("val", *MANY[5:], "A  dog", "a dog", "a Dog", "a cat", "a cat"),
            0,
            ["5 of 50 captions of val describe several of its videos in the same words (47 distinct texts)"],
        ),
        (PAIRS + videos("val", *MANY[4:], "a dog", "a dog", "a dog", "a dog"), 0, []),
        (PAIRS + videos("val", *MANY) + videos("test", *MANY), 0, []),
        (PAIRS + videos("val", *GERMAN, *MANY[:25]), 0, []),
        (
            PAIRS + videos("val", *GERMAN, *MANY[:24]),
            0,
            ["27 of 53 captions have none of the words that English"],
        ),
        (PAIRS + videos("val", *FRENCH), 0, ["50 of 52 captions have none of the words that English"]),
        (PAIRS + videos("val", *CHINESE), 0, ["50 of 52 captions have none of the words that English"]),
    ],
)
def test_advice_is_given_where_something_will_hurt(
    prepared: list[Video], without_verb: int, expected: list[str]
) -> None:
    given = advice_on(prepared, {(CAPTIONS, WITHOUT_ACTION): without_verb})
    assert len(given) == len(expected)
    assert all(one.startswith(start) for one, start in zip(given, expected, strict=True))


def test_advice_ends_the_report(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_prepare(corpus.arguments()) == 0
    advice = read_report(corpus.out)["advice"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1 - len(advice) : -1] == [f"advice: {one}" for one in advice] and len(advice) > 1
