"""Opens reports in a real browser, without a window, on a phone and on a desk."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

pytestmark = pytest.mark.slow

PHONE, DESK = (390, 844), (1280, 900)

MEASURE_HEADINGS = """
() => [...document.querySelectorAll("h1, h2, h3, figcaption")].map(element => {
  const box = element.getBoundingClientRect();
  return [box.left, box.top, box.right, box.bottom];
})
"""
MEASURE_PICTURES = """
() => [...document.querySelectorAll("svg")].map(element => {
  const inner = element.getBoundingClientRect(), outer = element.parentElement.getBoundingClientRect();
  return [inner.left - outer.left, inner.top - outer.top, outer.right - inner.right, outer.bottom - inner.bottom,
          inner.width, inner.height];
})
"""
FIND_WHAT_STICKS_OUT = """
() => [...document.querySelectorAll("body *:not(svg *)")].filter(element => {
  const box = element.getBoundingClientRect();
  return box.right > window.innerWidth + 0.5 && !element.closest(".wide");
}).map(element => element.outerHTML.slice(0, 200))
"""
FIND_TEXT_OVER_TEXT = """
() => [...document.querySelectorAll("svg")].flatMap(picture => {
  const boxes = [...picture.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
  return boxes.flatMap(([a, one], index) => boxes.slice(index + 1).filter(([b, two]) =>
    one.left + 1 < two.right && two.left + 1 < one.right && one.top + 2 < two.bottom && two.top + 2 < one.bottom
  ).map(([b]) => `${picture.getAttribute("aria-label").slice(0, 60)}: ${a} / ${b}`));
})
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip(
            "no chromium on PATH: the layout of reports is not checked; install it (apt-get install chromium)"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    return (int(request.param[0]), int(request.param[1]))


@pytest.fixture(params=["one_report", "two_reports"])
def report(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue(request.param))


@pytest.fixture
def shown(browser: Browser, report: Path, size: tuple[int, int]) -> Iterator[tuple[Page, list[str]]]:
    """The page of a report, all folds open, and what it asked for and complained of."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    events: list[str] = []
    page.on("request", lambda request: events.append(f"asks for {request.url}"))
    page.on("console", lambda message: events.append(f"says {message.text}"))
    page.on("pageerror", lambda error: events.append(f"fails: {error}"))
    page.goto(report.as_uri())
    page.evaluate("() => document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    yield page, events
    page.close()


def test_a_report_fits_every_screen(
    shown: tuple[Page, list[str]], report: Path, size: tuple[int, int]
) -> None:
    page, events = shown
    assert events == [f"asks for {report.as_uri()}"]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate(FIND_WHAT_STICKS_OUT) == []

    boxes = np.array(page.evaluate(MEASURE_HEADINGS))
    assert len(boxes) > 30
    assert np.all(boxes[:, 2] > boxes[:, 0]) and np.all(boxes[:, 3] > boxes[:, 1])
    over = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(
        boxes[:, None, :2], boxes[None, :, :2]
    )
    overlapping = np.all(over > 0.5, axis=-1) & ~np.eye(len(boxes), dtype=bool)
    assert not overlapping.any()

    pictures = np.array(page.evaluate(MEASURE_PICTURES))
    assert len(pictures) >= 18
    assert np.all(pictures[:, :4] > -0.5)
    assert np.all(pictures[:, 4:] > 100)
    assert page.evaluate(FIND_TEXT_OVER_TEXT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screenshot_shows_text_and_pictures(browser: Browser, one_report: Path, scheme: str) -> None:
    page = browser.new_page(
        viewport={"width": PHONE[0], "height": PHONE[1]}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.goto(one_report.as_uri())
    picture = page.screenshot(
        full_page=True, clip={"x": 0, "y": 0, "width": PHONE[0], "height": 8 * PHONE[1]}
    )
    image = matplotlib.image.imread(io.BytesIO(picture))[..., :3]
    page.close()
    assert image.shape == (8 * PHONE[1], PHONE[0], 3)
    paper = image[0, 0]
    assert (paper.mean() < 0.3) == (scheme == "dark")
    inked = np.abs(image - paper).max(axis=-1) > 0.3
    assert 0.02 < inked.mean() < 0.4
    # Nowhere is there a whole screen without anything.
    screens = inked.reshape(8, -1)
    assert np.all(screens.mean(axis=1) > 0.005)
    # The lines of the curves have the colour of the run.
    blue = np.abs(image - np.array([0x3B, 0x82, 0xC4]) / 255).max(axis=-1) < 0.02
    assert blue.sum() > 1000
