"""The examples of annotation files in docs/data.md are ones that the readers take."""

import re
from pathlib import Path

import pytest

from data_pipeline.annotations.caption import SPLITS
from data_pipeline.annotations.sources import READERS, read_annotations
from tests.docs.documents import PAGES

# A line of an example: source, a slash, name of a file, two spaces or more, a line of the file.
_LINE = re.compile(r"(\w+)/(\S+) {2,}(.*)")
[_PAGE] = [document for document in PAGES if document.name == "docs/data.md"]
EXAMPLES: dict[str, list[tuple[str, str]]] = {}
for _text in _PAGE.blocks("text"):
    for _match in map(_LINE.fullmatch, _text.splitlines()):
        if _match:
            EXAMPLES.setdefault(_match[1], []).append((_match[2], _match[3]))


def test_there_are_examples_of_the_forms_that_the_table_does_not_tell() -> None:
    described = {"msrvtt", "vatex", "msvd", "hgr", "jsonl", "csv"}
    assert EXAMPLES.keys() == READERS.keys() - described
    assert max(map(len, EXAMPLES.values())) <= 5


@pytest.mark.parametrize("source", EXAMPLES)
def test_an_example_is_read(source: str, tmp_path: Path) -> None:
    for name, line in EXAMPLES[source]:
        with (tmp_path / name).open("a") as file:
            file.write(line + "\n")
    annotations = read_annotations(source, [tmp_path])
    assert annotations.video_ids(SPLITS[0]) and annotations.video_ids(SPLITS[-1])
    assert not [note for note in annotations.notes if "not read" in note or "left out" in note]
