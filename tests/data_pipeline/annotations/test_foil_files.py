import gzip
import json
import pathlib

import pytest

from data_pipeline.annotations.foil_files import (
    CHOICES,
    CONTRAST,
    OWN,
    VITATECS,
    FoilQuestion,
    read_foil_files,
)
from data_pipeline.errors import InputError

TRUE, FALSE = "a man opens a door", "a man closes a door"
ASPECTS = {
    "Compositionality": 1450,
    "Direction": 3800,
    "Intensity": 779,
    "Localization": 1053,
    "Sequence": 151,
    "Type": 6605,
}


def written(folder: pathlib.Path, text: str, name: str = "foils") -> pathlib.Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def objects(*rows: object) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def pair(**more: object) -> dict[str, object]:
    return {"video_id": "clip1", "caption": TRUE, "foil": FALSE, **more}


VITATECS_ROW = {
    "src_dataset": "MSRVTT",
    "video_name": "video7.mp4",
    "caption": TRUE,
    "counterfactual": FALSE,
    "aspect": "Direction",
}


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        (objects(VITATECS_ROW), VITATECS, [("Direction", "video7.mp4", (TRUE, FALSE))]),
        (objects(pair(kind="action")), OWN, [("action", "clip1", (TRUE, FALSE))]),
        (json.dumps([pair()]), OWN, [("foil", "clip1", (TRUE, FALSE))]),
        (
            objects({"video_id": "a", "caption": TRUE, "foils": [FALSE, "a dog"], "kind": "both"}),
            OWN,
            [("both", "a", (TRUE, FALSE, "a dog"))],
        ),
        (
            f"clip\tending0\tending1\tending2\tlabel\nvideo7\ta dog\t{TRUE}\t{FALSE}\t1\n",
            CHOICES,
            [(CHOICES, "video7", (TRUE, "a dog", FALSE))],
        ),
        (
            f"clip\tending0\tending1\tending2\tlabel\tc_label\nvideo7\ta dog\t{TRUE}\t{FALSE}\t1\t2\n",
            CHOICES,
            [(CHOICES, "video7", (TRUE, "a dog", FALSE)), (CONTRAST, "video7", (TRUE, FALSE))],
        ),
        (f"video7\t{TRUE}\t{FALSE}\ta dog\n", CHOICES, [(CHOICES, "video7", (TRUE, FALSE, "a dog"))]),
        (
            f"video_id\tcaption\tfoil\tkind\nvideo7\t{TRUE}\t{FALSE}\torder\n",
            CHOICES,
            [("order", "video7", (TRUE, FALSE))],
        ),
    ],
    ids=["vitatecs", "own", "array", "several", "choices", "contrast", "no_header", "kinds"],
)
def test_forms_are_known_by_their_content(
    tmp_path: pathlib.Path, text: str, form: str, expected: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    (file,) = read_foil_files([written(tmp_path, text)])
    assert (file.name, file.form) == ("foils", form)
    assert list(file.questions) == [FoilQuestion(*each) for each in expected]


def test_a_gzip_archive_is_unpacked(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "foils.jsonl.gz"
    path.write_bytes(gzip.compress(objects(pair()).encode()))
    assert len(read_foil_files([path])[0].questions) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty; expected objects with"),
        ("just some words\n", "line 1: expected objects with"),
        (objects({"caption": TRUE}), "key 'video_id' is missing"),
        (objects(VITATECS_ROW, pair()), "line 2: key 'aspect' is missing"),
        (
            objects({key: VITATECS_ROW[key] for key in ("src_dataset", "video_name", "caption", "aspect")}),
            "line 1: key 'counterfactual' is missing",
        ),
        (objects(pair()) + '{"video_id": "v",\n', "line 2: not JSON (Expecting property name enclosed in"),
        (objects(pair()) + '{"video_id": v}\n', "line 2: not JSON (Expecting value, at column 14)"),
        (f"v,{TRUE},{FALSE}\n", "separate the values of a table with tabs"),
        (objects(pair(foils=[FALSE])), "keys 'foil' and 'foils' are both there"),
        (objects(pair(foil=[])), "must be a list of texts, found []"),
        (objects(pair(foil=3)), "key 'foil' must be str or list, found int (3)"),
        (objects(pair(foil="A man  opens a door")), "the false caption says what the true one says"),
        (objects(pair(foil="?!")), "a caption has neither letter nor digit, found '?!'"),
        (objects(pair(kind=" ")), "the kind is empty"),
        ("[1]", "line 1: expected an object, found list"),
        (
            f"clip\tending0\tending1\tlabel\nv\t{TRUE}\t{FALSE}\n",
            "line 2: expected 4 values as in the header",
        ),
        (f"clip\tending0\tending1\tlabel\nv\t{TRUE}\t{FALSE}\t2\n", "from 0 to 1, found '2'"),
        (f'clip\tending0\tending1\tlabel\nv\t"{TRUE}\t{FALSE}\t0\n', "line 2: not a row with tabs"),
        (f"v\t{TRUE}\t{FALSE}\nv\t{TRUE}\n", "line 2: expected a true and a false caption, found 1"),
    ],
    ids=lambda value: None if "\n" in value or not value else value[:30],
)
def test_every_bad_line_is_named(tmp_path: pathlib.Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_foil_files([path])
    assert str(caught.value).startswith(str(path)) and said in str(caught.value)


def test_faults_of_all_files_are_said_at_once(tmp_path: pathlib.Path) -> None:
    first = written(tmp_path, objects(pair(), {"caption": TRUE}, pair(kind=1)), "first")
    second = written(tmp_path, "", "second")
    with pytest.raises(InputError) as caught:
        read_foil_files([first, second, tmp_path / "third", first])
    said = str(caught.value)
    assert said.startswith("5 faults:")
    for each in (
        f"{first}, line 2: ",
        f"{first}, line 3: ",
        f"{second}: ",
        f"{tmp_path / 'third'}: ",
        "given twice",
    ):
        assert each in said


def test_vitatecs_is_read_whole(shared_data: pathlib.Path) -> None:
    files = read_foil_files([shared_data / "vitatecs" / f"{aspect}.jsonl.gz" for aspect in ASPECTS])
    assert [len(file.questions) for file in files] == list(ASPECTS.values())
    for file, aspect in zip(files, ASPECTS, strict=True):
        assert file.form == VITATECS and {question.kind for question in file.questions} == {aspect}
        assert all(len(question.texts) == 2 for question in file.questions)
