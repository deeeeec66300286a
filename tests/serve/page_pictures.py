"""Takes the pictures of the page that the documents show: `python -m tests.serve.page_pictures`."""

import pathlib
import tempfile
from urllib.parse import urlencode

from playwright.sync_api import Browser

from tests.serve.page_visit import DESK, PHONE, started_browser, visiting
from tests.serve.served_index import served
from tests.support import ROOT
from tests.support.command_line import run_mcsan

IMAGES = ROOT / "docs" / "images"
DESK_PICTURE, PHONE_PICTURE = "search_page.png", "search_page_phone.png"
QUERY = "the purple disc orbits the blue triangle"


def take_pictures(browser: Browser, folder: pathlib.Path, *options: str) -> None:
    """Indexes the embedded data set, serves it, visits the page and writes both pictures.

    Args:
        browser: which visits.
        folder: to write to.
        options: of `mcsan index`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        index = pathlib.Path(temporary) / "shapes.index"
        ended = run_mcsan("index", "demo", "moving_shapes", "--render_clips", "--out", index, *options)
        assert ended.status == 0, ended.stderr
        with served(index) as service:
            _visit(browser, f"http://127.0.0.1:{service.port}", folder)


def _visit(browser: Browser, address: str, folder: pathlib.Path) -> None:
    """Takes a picture on a desk, with the pointer on the strip of the first answer, and on a phone, dark."""
    link = f"?{urlencode({'q': QUERY})}"
    with visiting(browser, address, DESK) as visit:
        page = visit.open(link)
        strip = visit.answer().locator(".strip")
        for share in (0.2, 0.4):
            box = strip.bounding_box()
            assert box is not None
            page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            page.locator("#graph .met").first.wait_for()
        # Again, because programs for the first query are compiled.
        page = visit.open(link)
        page.mouse.move(box["x"] + 0.39 * box["width"], box["y"] + box["height"] / 2)
        page.locator("#graph .met").first.wait_for()
        page.wait_for_function("() => document.querySelector('video').readyState > 1")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / DESK_PICTURE)
    with visiting(browser, address, PHONE, dark=True, touch=True) as visit:
        page = visit.open(link)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / PHONE_PICTURE)


def main() -> None:
    """Takes the pictures of all clips."""
    with started_browser() as browser:
        take_pictures(browser, IMAGES)
    print(f"written: {IMAGES / DESK_PICTURE}, {IMAGES / PHONE_PICTURE}")


if __name__ == "__main__":
    main()
