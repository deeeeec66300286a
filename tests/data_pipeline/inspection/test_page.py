import html.parser
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from data_pipeline.graphs.attributes import AttributeVocabulary
from data_pipeline.inspection.inspection_page import attribute_chart, draw_graph, norm_chart
from data_pipeline.inspection.integrity import open_data
from data_pipeline.inspection.survey import Surveyor
from data_pipeline.manifest import Manifest
from data_pipeline.records.phrase_graph import PhraseGraph
from tests.data_pipeline.inspection.inspecting import change_record
from tests.support.command_line import run_inspect

COLOURS = {"entity": "#00f", "action": "#f00"}
_VOID = {"meta", "link", "br"}


class Page(html.parser.HTMLParser):
    """Collects tags and attributes, and fails where tags are not closed in order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(content)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(odd_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text("an older page")
    assert run_inspect(str(odd_corpus), f"--html={path}") == 0
    assert [one.name for one in path.parent.iterdir()] == ["page.html"]
    return path.read_text(encoding="utf-8")


def test_text_of_captions_is_escaped(page: str) -> None:
    assert "script" not in Page(page).tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "[bold]a dog[/bold] &amp; a $x$ ^cat" in page


def test_the_page_is_complete_in_one_file(page: str) -> None:
    parsed = Page(page)
    assert not {"link", "script", "img", "iframe", "image"} & set(parsed.tags)
    links = [value for name, value in parsed.attributes if name in ("src", "href", "xlink:href")]
    assert all(link.startswith("#") for link in links)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_the_page_shows_what_the_data_set_is(page: str, odd_corpus: Path) -> None:
    manifest = Manifest.load(odd_corpus)
    for text in (manifest.fingerprint, manifest.protocol, "All checks passed.", *manifest.versions.values()):
        assert text in page
    for heading in ("Most relationships", "About the median (3)", "No relationship", "Norms of the features"):
        assert heading in page
    assert page.count("<figcaption>") > 6


def test_ids_of_a_page_are_unique_where_something_refers_to_them(page: str) -> None:
    parsed = Page(page)
    ids = [value for name, value in parsed.attributes if name == "id"]
    used = {value[1:] for name, value in parsed.attributes if name in ("href", "xlink:href")}
    used |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert used
    assert all(ids.count(one) == 1 for one in used)


def test_problems_are_on_the_page(shapes_copy: Path, tmp_path: Path) -> None:
    def spoil(values: dict) -> None:
        values["captions/texts"].bytes_list.value[0] = b"<b>"

    change_record(shapes_copy, "val", 1, spoil)
    path = tmp_path / "page.html"
    assert run_inspect(str(shapes_copy), "--split=val", f"--html={path}") == 1
    content = path.read_text(encoding="utf-8")
    assert "What is wrong (1)" in content
    assert "is not the text &#39;&lt;b&gt;&#39;" in content


def test_a_page_is_written_even_when_no_record_can_be_read(shapes_copy: Path, tmp_path: Path) -> None:
    for path in shapes_copy.rglob("*.tfrecord*"):
        path.unlink()
    page = tmp_path / "page.html"
    assert run_inspect(str(shapes_copy), f"--html={page}") == 1
    assert "is missing" in page.read_text(encoding="utf-8")


def test_a_graph_is_drawn_with_its_colours_and_roles() -> None:
    graph = PhraseGraph(
        ("a <man>", "holds", "a ball", "a dog"),
        ("entity", "action", "entity", "entity"),
        ((1, "agent", 0), (1, "patient", 2), (1, "with", 3)),
        ((),) * 4,
    )
    drawn = draw_graph(graph, COLOURS)
    root = ElementTree.fromstring(drawn)
    texts = [element.text for element in root.iter("text")]
    assert texts[:8] == ["a <man>", "entity", "holds", "action", "a ball", "entity", "a dog", "entity"]
    assert texts[8:] == ["agent", "patient", "with"]
    assert [group.get("style") for group in root.iter("g")] == [
        f"fill: {COLOURS[level]}" for level in graph.levels
    ]
    assert graph.unattached == []
    # The longer arrow to the right runs above the shorter one.
    lines = {e.text: float(e.get("y", "")) for e in root.iter("text") if e.text in ("patient", "with")}
    assert lines["with"] < lines["patient"]


def test_a_graph_without_relationships_and_parallel_ones_are_drawn() -> None:
    alone = draw_graph(PhraseGraph(("a map",), ("entity",), (), ((),)), COLOURS)
    assert [element.tag for element in ElementTree.fromstring(alone)] == ["g"]
    parallel = PhraseGraph(
        ("a", "b"), ("entity", "entity"), ((0, "in", 1), (0, "on", 1), (1, "of", 0)), ((), ())
    )
    heights = re.findall(r'y="(-?\d+)" font-size="11" text-anchor', draw_graph(parallel, COLOURS))
    assert len(set(heights)) == 3


def test_charts_are_sound_pictures_of_strange_names(shapes: Path) -> None:
    names = ("$x^", "a<b&c", "x" * 99)
    vocabulary = AttributeVocabulary({"entity": names}, {"entity": (9, 3, 1)})
    chart = attribute_chart("entity", vocabulary, "#123456")
    texts = [
        element.text for element in ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert "$x^" in texts and "a<b&c" in texts and "rank among all 3" in texts
    assert "currentColor" in chart and "#010203" not in chart
    data, _ = open_data(shapes)
    surveyor = Surveyor(data)
    surveyor.read_split("val")
    norms = norm_chart("objects", surveyor.survey.statistics)
    assert ElementTree.fromstring(norms) is not None
    assert norms == norm_chart("objects", surveyor.survey.statistics)
