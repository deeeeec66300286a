"""Visits the page in a real browser, without a window, and writes down what the page does on the way."""

import contextlib
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

PHONE, DESK = (390, 844), (1280, 900)
PATIENCE = 60_000
"""Milliseconds: programs for the first queries are compiled."""

_NOTE_VIOLATIONS = """
addEventListener("securitypolicyviolation", event =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


@contextlib.contextmanager
def started_browser() -> Iterator[Browser]:
    """Skips the test where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on PATH: the page is not opened; install it (apt-get install chromium)")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """A page at an address, and what it complained of and asked for elsewhere.

    Attributes:
        page: of the browser.
        address: of the service.
        complaints: of the console, of scripts and of the content policy, and requests that leave the service.
        expected: beginnings of complaints that the test brings about.
    """

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page, self.address = context.new_page(), address
        self.complaints: list[str] = []
        self.expected: list[str] = []
        self.page.set_default_timeout(PATIENCE)
        self.page.add_init_script(_NOTE_VIOLATIONS)
        self.page.on("console", lambda message: self.complaints.append(f"says: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"fails: {error}"))
        self.page.on("dialog", lambda dialog: (self.complaints.append("opens a dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self._note_request(request.url))

    def _note_request(self, url: str) -> None:
        if urlsplit(url.removeprefix("blob:")).netloc != urlsplit(self.address).netloc:
            self.complaints.append(f"asks for {url}")

    def open(self, rest: str = "") -> Page:
        """Goes to an address of the page and waits for what it shows."""
        self.page.goto(f"{self.address}/{rest}")
        self.settle()
        return self.page

    def settle(self) -> None:
        """Waits until the page shows something that is not about to be replaced."""
        self.page.wait_for_selector("#answers[aria-busy=false] #list > *")

    def ask(self, text: str) -> None:
        """Types a query and searches, as a person does."""
        self.page.get_by_role("searchbox").fill(text)
        self.page.keyboard.press("Enter")
        self.settle()

    def answers(self) -> list[str]:
        """Ids of the videos that are shown, from top to bottom."""
        return [str(one.get_attribute("data-video")) for one in self.page.locator(".answer").all()]

    def answer(self, place: int = 0) -> Locator:
        return self.page.locator(".answer").nth(place)

    def unexpected(self) -> list[str]:
        return [said for said in self.complaints if not any(part in said for part in self.expected)]


@contextlib.contextmanager
def visiting(
    browser: Browser, address: str, size: tuple[int, int] = DESK, dark: bool = False, touch: bool = False
) -> Iterator[Visit]:
    """Visits the service with settings of its own; in the end nothing must have been complained of."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        has_touch=touch,
        accept_downloads=True,
        permissions=["clipboard-read", "clipboard-write"],
    )
    visit = Visit(context, address)
    yield visit
    assert visit.unexpected() == []
    context.close()
