import re
from xml.etree import ElementTree

from data_pipeline.inspection.svg_figures import COLOURS, INK, new_figure, to_svg

SVG = "{http://www.w3.org/2000/svg}"


def draw(name: str) -> str:
    figure = new_figure(2.0, 3.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=COLOURS[0])
    axes.set_xlabel("<steps>")
    return to_svg(figure, name, 'A "line" & <more>')


def test_a_figure_is_described_and_has_the_colours_of_the_page() -> None:
    root = ElementTree.fromstring(draw("one"))
    assert (root.tag, root.get("role"), root.get("aria-label")) == (f"{SVG}svg", "img", 'A "line" & <more>')
    assert root[0].tag == f"{SVG}title" and root[0].text == 'A "line" & <more>'
    assert "<steps>" in [text.text for text in root.iter(f"{SVG}text")]
    drawing = draw("one")
    assert INK not in drawing and "currentColor" in drawing and COLOURS[0] in drawing
    assert "<metadata>" not in drawing


def test_figures_of_one_page_refer_to_their_own_parts() -> None:
    one, two = (set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", draw(name))) for name in ("one", "two"))
    assert one and two and not one & two
    assert draw("one") == draw("one")
