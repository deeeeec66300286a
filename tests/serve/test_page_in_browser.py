"""Uses the page of a service as a person would, in a real browser without a window."""

import csv
import io
import json
import pathlib
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Route, expect

from tests.serve.page_index import ANGLE, GONE, LIST, MARKUP, ODD, UNPLAYABLE, make_page_index
from tests.serve.page_pictures import DESK_PICTURE, IMAGES, PHONE_PICTURE, take_pictures
from tests.serve.page_visit import PHONE, Visit, started_browser, visiting
from tests.serve.served_index import served
from tests.support.made_once import made_once
from tests.support.written_clip import decoded

pytestmark = pytest.mark.slow

QUERY = "a yellow star pushes a red box"
ABSENT = "two people dance on a stage"
FRAME = 0.25
"""Seconds between the frames of a clip."""

SHOWN = "element => [element.currentTime, element.paused]"
FOCUSED = """
() => {
  const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
  const marked = style.outlineStyle !== "none" || style.boxShadow !== "none";
  return [element.id || element.className || element.tagName, marked && box.width > 0];
}
"""
FIND_WHAT_STICKS_OUT = """
() => [...document.querySelectorAll("body *:not(svg *)")].filter(element => {
  const box = element.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5) && !element.matches(".skip");
}).map(element => element.outerHTML.slice(0, 200))
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return made_once(tmp_path_factory, "page", make_page_index) / "index"


@pytest.fixture(scope="module")
def address(index: pathlib.Path) -> Iterator[str]:
    with served(index) as service:
        yield f"http://127.0.0.1:{service.port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    with visiting(browser, address) as visit:
        yield visit


def fetched(visit: Visit, path: str, **parameters: Any) -> Any:
    with urllib.request.urlopen(f"{visit.address}/{path}?{urlencode(parameters)}") as response:
        return json.load(response)


def in_words(probability: float) -> str:
    """How the page says a probability."""
    words = ["very unlikely", "unlikely", "possible", "likely", "very likely"]
    number = f"{round(100 * probability)} %"
    if not 0.005 <= probability <= 0.995:
        number = "< 1 %" if probability < 0.5 else "> 99 %"
    return f"{words[sum(round(probability, 2) >= least for least in (0.15, 0.4, 0.7, 0.9))]} ({number})"


def point_at(visit: Visit, strip: Locator, share: float, click: bool = False) -> None:
    """Moves the mouse over a strip, to a share of its width, and clicks there."""
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    assert box is not None
    x, y = box["x"] + share * box["width"], box["y"] + box["height"] / 2
    visit.page.mouse.move(x, y)
    if click:
        visit.page.mouse.click(x, y)


def wait_for_time(visit: Visit, seconds: float, within: float) -> None:
    """Waits until the only clip that is loaded shows a time."""
    test = "([time, within]) => Math.abs(document.querySelector('video').currentTime - time) <= within"
    visit.page.wait_for_function(test, arg=[seconds, within])


def test_a_person_types_reads_hovers_and_plays(visit: Visit) -> None:
    page = visit.open()
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(QUERY)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer")
    told = fetched(visit, "search", q=QUERY)
    assert visit.answers() == [answer["video"] for answer in told["answers"]]
    first, card = told["answers"][0], visit.answer()
    assert page.title() == QUERY

    # Reading: how sure, the score and what adds up to it, the metadata, the stages, the graph.
    words = in_words(first["probability"]).partition(" (")[0]
    expect(card.locator(".sure")).to_have_text(f"{words} {round(100 * first['probability'])} %")
    expect(card.locator(".score")).to_have_text(f"score {first['score']:.3f}")
    names = card.locator(".bars .name").all_text_contents()
    values = [float(text.replace("−", "-")) for text in card.locator(".bars .value").all_text_contents()]
    assert dict(zip(names, values, strict=True)) == pytest.approx(first["contributions"], abs=6e-4)
    assert sum(values) == pytest.approx(first["score"], abs=3e-3)
    assert set(card.locator(".metadata dt").all_text_contents()) == set(first["metadata"])
    assert page.locator("#stages th").all_text_contents() == [*told["milliseconds"], "in all"]
    summary = page.locator("#summary").inner_text()
    there = f"a right answer among them is {in_words(told['presence'])}"
    assert f"{told['searched']} videos searched · all scored in full · {there}" in summary
    assert page.locator("#graph .node text").all_text_contents() == ["pushes", "yellow star", "red box"]
    assert page.locator("#graph .edge text").all_text_contents() == ["agent", "patient"]

    # Hovering: the clip follows the pointer, and the phrases that met the frame are marked.
    strip, clip = card.locator(".strip"), card.locator("video")
    assert card.locator(".strip rect").count() == len(first["relevance"])
    length = 12 * FRAME
    point_at(visit, strip, 0.3)
    wait_for_time(visit, 0.3 * length, 0.02)
    expect(card.locator(".timeline .reading")).to_contain_text("meets this frame")
    assert page.locator("#graph .met").count() == 3
    point_at(visit, strip, 0.9)
    wait_for_time(visit, 0.9 * length, 0.02)
    assert clip.evaluate("element => getComputedStyle(element).opacity") == "1"
    page.mouse.move(5, 5)
    expect(page.locator("#graph .met")).to_have_count(0)
    assert clip.evaluate("element => getComputedStyle(element).opacity") == "0"

    # Clicking: on the moment, then on the strip.
    card.locator(".moment").click()
    time, paused = clip.evaluate(SHOWN)
    assert abs(time - first["moments"][0]["start"]) <= FRAME and not paused
    point_at(visit, strip, 0.5, click=True)
    time, paused = clip.evaluate(SHOWN)
    assert abs(time - 0.5 * length) <= FRAME and not paused
    page.wait_for_function("() => document.querySelector('video').currentTime > 2")
    # Another one that plays stops the first.
    visit.answer(1).locator(".cover").click()
    playing = "() => [...document.querySelectorAll('video')].map(one => !one.paused)"
    assert page.evaluate(playing) == [False, True]


def test_pictures_are_those_of_the_clips(visit: Visit) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY})}")
    for answer in fetched(visit, "search", q=QUERY)["answers"][:3]:
        card = page.locator(f"[data-video={answer['video']}]")
        card.scroll_into_view_if_needed()
        for picture in (card.locator(".poster"), card.locator(".film")):
            address = picture.get_attribute("src")
            with urllib.request.urlopen(f"{visit.address}/{address}") as response:
                shown = np.asarray(Image.open(io.BytesIO(response.read())))
            size = [shown.shape[1], shown.shape[0]]
            visit.page.wait_for_function(
                "([name, size]) => { const one = document.querySelector(`img[src='${name}']`);"
                " return one.naturalWidth === size[0] && one.naturalHeight === size[1]; }",
                arg=[address, size],
            )
            assert np.quantile(shown, 0.99) > 60


def test_why_is_told_by_phrase_and_frame(visit: Visit) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY})}")
    card = visit.answer()
    card.get_by_role("button", name="Why?").click()
    card.locator(".map").wait_for()
    video = visit.answers()[0]
    told = fetched(visit, f"videos/{video}/explanation", q=QUERY)
    phrases = [phrase for level in told["levels"].values() for phrase in level["phrases"]]
    assert card.locator(".map .phrase").all_text_contents() == phrases
    assert "pushes –agent→ yellow star" in phrases
    assert card.locator(".map .level").all_text_contents() == [*told["levels"]]
    assert card.locator(".cell").count() == len(phrases) * told["frames"]
    # A cell tells its number, moves the clip to its frame, and is the darker the greater the number is.
    reading = card.locator(".why .reading")
    for what, choice, name in (("cosines", "cosine", "cosine"), ("attention", "attention", "attention")):
        card.get_by_role("button", name=choice, exact=True).click()
        row = told["levels"]["entity"][what][0]
        cells = card.locator(".cells").first.locator("b")
        cells.nth(5).hover()
        expect(reading).to_have_text(f"“yellow star” at 0:01.38: {name} {row[5]:.3f}".replace("-", "−"))
        wait_for_time(visit, 5.5 * FRAME, 0.02)
        drawn = cells.evaluate_all("cells => cells.map(cell => Number(cell.firstChild.style.opacity))")
        assert np.corrcoef(drawn, row)[0, 1] > 0.9
    if told["words"] is not None:
        assert card.locator(".words .name").all_text_contents() == told["words"]["words"]
    card.get_by_role("button", name="Why?").click()
    expect(card.locator(".map")).to_be_hidden()
    assert page.locator(".why:visible").count() == 0


def test_each_step_of_a_query_has_its_moment_and_its_reasons(visit: Visit) -> None:
    asked = {
        "q": "a yellow star approaches a red box then a star moves without a circle",
        "min_probability": 0,
    }
    page = visit.open(f"?{urlencode(asked)}")
    told = fetched(visit, "search", **asked)
    first, card = told["answers"][0], visit.answer()
    assert page.locator("#notes li").all_text_contents() == told["notes"]
    # How it was read: all steps and the negative part.
    parts = page.locator("#graph .part")
    assert parts.locator("h4").all_text_contents() == [
        "a yellow star approaches a red box",
        "then a star moves",
        "without a circle",
    ]
    drawn = [part.locator(".node text").all_text_contents() for part in parts.all()]
    assert drawn == [["approaches", "yellow star", "red box"], ["moves", "star"], ["circle"]]
    assert card.locator(".step").all_text_contents() == [moment["text"] for moment in first["moments"]]
    assert card.locator(".mark").count() == card.get_by_role("link", name="mp4").count() == 2
    second = first["moments"][1]
    card.locator(".moment").nth(1).click()
    time, _ = card.locator("video").evaluate(SHOWN)
    assert abs(time - second["start"]) <= FRAME
    # What lowers the score stands to the left of zero.
    lowering = [name for name, value in first["contributions"].items() if value < 0]
    assert lowering and card.locator(".bars .negative").count() == len(lowering)
    card.get_by_role("button", name="Why?").click()
    card.locator(".why .choices button", has_text=second["text"]).click()
    card.locator(".map .phrase", has_text="moves").first.wait_for()
    assert card.locator(".map .phrase", has_text="approaches").count() == 0
    # A frame marks the phrases of the step that is explained, and no others.
    card.locator(".cells b").first.hover()
    expect(parts.nth(1).locator(".met")).not_to_have_count(0)
    assert page.locator("#graph .met").count() == parts.nth(1).locator(".met").count()


def test_filters_groups_and_orders(visit: Visit) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY, 'min_probability': 0})}")
    columns = fetched(visit, "columns")
    assert columns.pop(LIST).startswith("list")
    # A list has no single value to compare or to group by.
    assert page.locator("#columns button").all_text_contents() == ["id", "clip", *columns]
    grouped = page.get_by_label("Group by").locator("option")
    assert grouped.all_text_contents() == ["nothing", *columns]
    page.locator("#columns").get_by_role("button", name="camera", exact=True).click()
    filtered = page.get_by_label("Filter")
    expect(filtered).to_be_focused()
    page.keyboard.type('"north"')
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("21 videos searched")
    assert set(page.locator(".metadata div:has(dt:text-is('camera')) dd").all_text_contents()) == {"north"}

    filtered.fill("")
    for name, value in ((ANGLE, "low"), ("id", "test_00003")):
        page.locator("#columns").get_by_role("button", name=name, exact=True).click()
        page.keyboard.type(f'"{value}"')
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("1 video searched")
    expect(filtered).to_have_value('`camera angle` = "low" and id = "test_00003"')

    page.get_by_label("Filter").fill("")
    page.keyboard.press("Enter")
    page.get_by_label("Group by").select_option("camera")
    page.locator(".group").first.wait_for()
    asked = {"q": QUERY, "group_by": "camera", "min_probability": 0}
    told = fetched(visit, "search", **asked)["answers"]
    assert visit.answers() == [answer["video"] for answer in told]
    groups = [title.removeprefix("camera ") for title in page.locator(".group").all_text_contents()]
    assert groups == list(dict.fromkeys(str(answer["metadata"]["camera"]) for answer in told))
    page.get_by_label("Sort by").select_option("time")
    told = fetched(visit, "search", **asked, sort="time")["answers"]
    page.wait_for_function("() => location.search.includes('sort=time')")
    visit.settle()
    assert visit.answers() == [answer["video"] for answer in told]
    page.get_by_label("Answers", exact=True).select_option("5")
    expect(page.locator(".answer")).to_have_count(5)

    visit.expected.append("status of 400")
    filtered.fill("camera ~ 3")
    page.keyboard.press("Enter")
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("camera ~ 3")
    assert page.locator(".answer").count() == 0
    filtered.fill('camera = "nowhere"')
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="No video passes the filter").wait_for()
    page.get_by_role("button", name="Without the filter").click()
    expect(page.locator(".answer")).to_have_count(5)


def test_a_threshold_may_leave_no_good_match(visit: Visit) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY})}")
    expect(page.locator("#threshold")).to_have_text("automatic")
    slider = page.get_by_label("Probability at least")
    slider.focus()
    page.keyboard.press("End")
    page.get_by_role("heading", name="No good match").wait_for()
    expect(page.locator("#threshold")).to_have_text("1.00 very likely")
    words = in_words(fetched(visit, "search", q=QUERY)["presence"])
    expect(page.locator(".state p")).to_have_text(
        "None of 61 videos is right with a probability of 1.00 or more. "
        f"That there is a right answer at all is {words}."
    )
    page.get_by_role("button", name="Show the best answers").click()
    expect(page.locator(".answer")).to_have_count(10)
    page.go_back()
    page.go_back()
    slider.focus()
    for _ in range(3):
        page.keyboard.press("PageUp")
    page.wait_for_function("() => location.search.includes('min_probability=0.3')")
    visit.settle()
    probabilities = [float(text.rstrip(" %")) for text in page.locator(".sure b").all_text_contents()]
    assert probabilities and min(probabilities) >= 29.5
    page.get_by_role("button", name="reset").click()
    expect(page.locator("#threshold")).to_have_text("automatic")
    expect(page.locator(".answer")).to_have_count(10)

    # What is not there is not found, whatever is asked.
    visit.ask(ABSENT)
    page.get_by_role("heading", name="No good match").wait_for()
    told = fetched(visit, "search", q=ABSENT)
    assert page.locator(".state p").inner_text() == (
        f"That a right answer is among 61 videos at all is {in_words(told['presence'])}; "
        f"{round(100 * told['threshold'])} % are needed."
    )

    # Of a noun alone no probability is known.
    visit.ask("a white star")
    page.wait_for_selector(".answer")
    assert page.locator(".sure").count() == 0 and slider.is_disabled()
    assert "no probability is known" in page.locator("#notes").inner_text()
    visit.ask(ABSENT)
    expect(slider).to_be_enabled()
    page.get_by_role("button", name="Show the best answers").click()
    expect(page.locator(".answer")).to_have_count(10)


def test_an_address_shows_the_same_again(browser: Browser, visit: Visit) -> None:
    page = visit.open()
    visit.ask(QUERY)
    first = visit.answers()
    page.get_by_label("Filter").fill('camera = "north"')
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.search.includes('where')")
    visit.settle()
    page.get_by_label("Group by").select_option("year")
    page.locator(".group").first.wait_for()
    second = visit.answers()
    asked = parse_qs(urlsplit(page.url).query)
    assert asked == {"q": [QUERY], "where": ['camera = "north"'], "group_by": ["year"]}
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    link = page.evaluate("() => navigator.clipboard.readText()")
    with visiting(browser, visit.address) as other:
        other.open(link.removeprefix(f"{visit.address}/"))
        assert other.answers() == second
        expect(other.page.get_by_role("searchbox")).to_have_value(QUERY)
        expect(other.page.get_by_label("Filter")).to_have_value('camera = "north"')
        expect(other.page.get_by_label("Group by")).to_have_value("year")
    page.go_back()
    page.go_back()
    page.wait_for_function("() => !location.search.includes('where')")
    visit.settle()
    assert visit.answers() == first
    expect(page.get_by_label("Filter")).to_have_value("")
    page.go_back()
    page.get_by_role("heading", name="Describe a moment").wait_for()
    page.go_forward()
    page.wait_for_selector(".answer")
    assert visit.answers() == first


def test_answers_are_taken_along(visit: Visit, tmp_path: pathlib.Path) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY, 'k': 5})}")
    told = fetched(visit, "search", q=QUERY, k=5)["answers"]
    saved = {}
    begin, end = (told[0]["moments"][0][name] for name in ("start", "end"))
    stem = QUERY.replace(" ", "_")
    names = {kind: f"{stem}.{kind.lower()}" for kind in ("JSON", "CSV", "EDL")}
    names["Cut (mp4)"] = f"{told[0]['video']}_{begin:.2f}-{end:.2f}.mp4"
    for name, expected in names.items():
        with page.expect_download() as download:
            page.get_by_role("link", name=name).first.click()
        assert download.value.suggested_filename == expected
        saved[name] = tmp_path / expected
        download.value.save_as(saved[name])
    assert [one["video"] for one in json.loads(saved["JSON"].read_text())["answers"]] == visit.answers()
    rows = list(csv.DictReader(saved["CSV"].read_text().splitlines()))
    assert [row["video"] for row in rows] == [one["video"] for one in told]
    assert all(f"CLIP NAME:  {one['video']}.mp4\n" in saved["EDL"].read_text() for one in told)
    times, pictures = decoded(saved["Cut (mp4)"].read_bytes())
    moment = told[0]["moments"][0]
    assert abs(len(times) * FRAME - (moment["end"] - moment["start"])) <= FRAME
    with urllib.request.urlopen(f"{visit.address}/videos/{told[0]['video']}/clip") as response:
        _, whole = decoded(response.read())
    expected = whole[int(moment["start"] / FRAME + 0.01) :][: len(pictures)]
    assert np.abs(pictures.astype(float) - expected).mean() < 3


def test_similar_videos(visit: Visit) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY})}")
    video = visit.answers()[0]
    visit.answer().get_by_role("button", name="Similar").click()
    expect(page.locator("#summary")).to_contain_text(f"like {video}")
    told = fetched(visit, f"similar/{video}")["answers"]
    assert visit.answers() == [answer["video"] for answer in told]
    assert video not in visit.answers()
    expect(page.get_by_role("searchbox")).to_have_value("")
    assert page.get_by_role("link", name="JSON").count() == 0
    assert page.get_by_role("button", name="Why?").count() == 0
    visit.answer().locator(".cover").click()
    wait_for_time(visit, told[0]["moments"][0]["start"] + 0.3, 0.3)
    page.go_back()
    expect(visit.answer()).to_have_attribute("data-video", video)


def test_the_keyboard_is_enough(visit: Visit) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY})}")
    box = page.get_by_role("searchbox")
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.press("Delete")
    # In the empty box it is still a key and no letter; later it is one.
    page.keyboard.type("/a/b")
    expect(box).to_have_value("a/b")
    box.select_text()
    page.keyboard.type("the white block shoves the small purple triangle")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.search.includes('white')")
    visit.settle()
    page.keyboard.press("ArrowDown")
    expect(visit.answer(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(visit.answer(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    clip = visit.answer(0).locator("video")
    expect(visit.answer(0).locator(".playing")).to_have_count(1)
    assert clip.evaluate(SHOWN)[1] is False
    page.keyboard.press("Escape")
    expect(visit.answer(0)).to_be_focused()
    assert clip.evaluate(SHOWN)[1] is True
    page.keyboard.press("Escape")
    expect(box).to_be_focused()

    # Frame by frame, and from there on.
    strip = visit.answer(0).locator(".strip")
    strip.focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    wait_for_time(visit, 3.5 * FRAME, 0.02)
    expect(strip).to_have_attribute("aria-valuenow", f"{3.5 * FRAME:.2f}")
    page.keyboard.press("Enter")
    assert abs(clip.evaluate(SHOWN)[0] - 3.5 * FRAME) <= FRAME

    # Each control can be reached, and shows that it was.
    page.locator(".home").focus()
    reached, unmarked = [], []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, marked = page.evaluate(FOCUSED)
        reached.append(name)
        if not marked:
            unmarked.append(name)
    # A browser draws the controls of a clip, and their focus, itself.
    assert set(unmarked) <= {"VIDEO"}
    for name in (
        "query",
        "where",
        "sort",
        "group-by",
        "k",
        "min-probability",
        "theme",
        "answer",
        "moment",
        "strip",
    ):
        assert name in reached, name
    assert sum("small" in name for name in reached) > 5


def test_markup_in_data_is_text(visit: Visit) -> None:
    visit.expected.append("status of 404")
    page = visit.open(f"?{urlencode({'q': 'a red box', 'k': 100, 'min_probability': 0})}")
    card = page.locator(".answer", has_text=ODD).first
    # A copy of another clip, it stands beside it.
    card.locator(".duplicates summary").click()
    assert ODD in card.locator(".duplicates").inner_text()
    visit.open(f"?{urlencode({'like': ODD, 'k': 100})}")
    expect(page.locator("#summary")).to_contain_text(f"like {ODD}")
    assert page.locator(".metadata dd", has_text="<img src=x onerror=alert(2)>").count() > 5
    visit.open(f"?{urlencode({'like': 'test_00005', 'k': 100})}")
    card = page.locator(".answer", has_text=MARKUP)
    expect(card.locator("h3")).to_have_text(ODD)
    expect(card.locator(".media")).to_have_text("no clip is linked")
    card.get_by_role("button", name="Similar").click()
    expect(page.locator("#summary")).to_contain_text(f"like {ODD}")
    visit.ask("<script>alert(3)</script> a red <b>box</b>")
    assert page.title() == "<script>alert(3)</script> a red <b>box</b>"
    assert page.locator("main script, main b b, main img[src=x]").count() == 0


def test_the_last_question_counts(visit: Visit) -> None:
    page = visit.open()
    waiting: list[Route] = []
    page.route("**/search?q=slow**", lambda route: waiting.insert(0, route))
    page.get_by_role("searchbox").fill("slow red box")
    with page.expect_request("**/search?q=slow**"):
        page.keyboard.press("Enter")
    page.wait_for_function("() => !document.getElementById('progress').hidden")
    page.get_by_role("searchbox").fill(QUERY)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer")
    shown = visit.answers()
    [late] = waiting
    late.fulfill(json={"error": "too late"}, status=400)
    page.wait_for_timeout(300)
    assert visit.answers() == shown
    assert page.get_by_role("alert").count() == 0


def test_a_service_that_is_gone_is_told(visit: Visit) -> None:
    page = visit.open()
    visit.expected.append("net::ERR")
    page.route("**/search?**", lambda route: route.abort("connectionrefused"))
    visit.ask(QUERY)
    page.get_by_role("heading", name="No connection").wait_for()
    page.unroute("**/search?**")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".answer")


def test_a_clip_that_is_gone_is_told(visit: Visit) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY, 'k': 100, 'min_probability': 0})}")
    visit.expected.append("status of 404")
    card = page.locator(f"[data-video={GONE}]")
    card.scroll_into_view_if_needed()
    expect(card.locator(".media")).to_have_text(f"the clip of video '{GONE}' is gone")
    point_at(visit, card.locator(".strip"), 0.5)
    expect(card.locator(".timeline .reading")).to_contain_text("0:01.50")


def test_a_clip_that_no_browser_plays_is_encoded_again(visit: Visit) -> None:
    page = visit.open(f"?{urlencode({'q': QUERY})}")
    card = page.locator(f"[data-video={UNPLAYABLE}]")
    strip, poster = card.locator(".strip"), card.locator(".poster")
    strip.scroll_into_view_if_needed()
    # The strip moves once its picture is there.
    expect(card.locator(".film")).not_to_have_js_property("naturalWidth", 0)
    for share, frame in ((0.3, 3), (0.8, 9)):
        point_at(visit, strip, share)
        expect(poster).to_have_attribute(
            "src", f"videos/{UNPLAYABLE}/poster.jpg?at={(frame + 0.5) * FRAME:.3f}"
        )
        expect(poster).to_have_js_property("naturalWidth", 256)
    moment = card.locator(".moment")
    start, end = (float(moment.get_attribute(f"data-{name}") or "") for name in ("start", "end"))
    moment.click()
    # It plays the moment, and stops there.
    page.wait_for_function(
        "([start, end]) => { const clip = document.querySelector('video');"
        " return clip?.src.startsWith('blob:') && clip.paused && clip.currentTime >= end; }",
        arg=[start, end],
    )
    assert card.locator("video").evaluate("element => element.currentTime") < end + FRAME
    expect(card.locator(".sign")).to_be_hidden()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_shows_everything(browser: Browser, address: str, dark: bool) -> None:
    with visiting(browser, address, PHONE, dark, touch=True) as visit:
        page = visit.open()
        assert page.evaluate(FIND_WHAT_STICKS_OUT) == []
        # A long query is seen up to the end of its box.
        box = page.get_by_role("searchbox")
        box.fill("m" * 99)
        box.blur()
        row = np.asarray(Image.open(io.BytesIO(box.screenshot())).convert("L")).astype(int)[12:-12]
        [inked] = np.nonzero(np.abs(row[:, 4:-4] - np.median(row)).max(axis=0) > 60)
        assert inked[-1] > row.shape[1] - 24
        visit.ask(QUERY)
        page.get_by_text("Filter, sort and threshold").click()
        page.get_by_label("Filter").fill(f"camera = {'x' * 60!r}")
        for fold in page.locator("#about > details").all():
            fold.locator("summary").click()
        card = visit.answer()
        card.get_by_role("button", name="Why?").click()
        card.locator(".map").wait_for()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE[0]
        assert page.evaluate(FIND_WHAT_STICKS_OUT) == []
        # Buttons are large enough for a finger.
        sizes = card.locator("button:visible, a:visible").evaluate_all(
            "found => found.map(one => one.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 24
        card.locator(".moment").tap()
        wait_for_time(visit, 1.5, 1.5)
        picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
        assert (np.median(picture) < 80) == dark


def test_colours_are_chosen_and_kept(browser: Browser, address: str) -> None:
    paper = "() => getComputedStyle(document.body).backgroundColor"
    with visiting(browser, address) as visit:
        page = visit.open()
        light = page.evaluate(paper)
        toggle = page.get_by_role("button", name="Colours")
        for expected in ("Light", "Dark"):
            toggle.click()
            expect(toggle).to_have_text(expected)
        dark = page.evaluate(paper)
        assert dark != light
        visit.open(f"?{urlencode({'q': QUERY})}")
        assert page.evaluate(paper) == dark
        toggle.click()
        expect(toggle).to_have_text("Auto")
        assert page.evaluate(paper) == light


def test_the_pictures_of_the_documents_are_of_this_page(browser: Browser, tmp_path: pathlib.Path) -> None:
    take_pictures(browser, tmp_path, "--count=60")
    for name, colours in ((DESK_PICTURE, ("1f5f8b", "c2570c")), (PHONE_PICTURE, ("6db3e2", "f59a4a"))):
        assert (IMAGES / name).stat().st_size < 200_000
        kept, taken = (np.asarray(Image.open(folder / name).convert("RGB")) for folder in (IMAGES, tmp_path))
        assert kept.shape == taken.shape
        # Fonts, and so lines, differ among machines; bars and strips in the colours of the page do not.
        for colour in colours:
            drawn = [
                np.abs(one.astype(int) - np.array([*bytes.fromhex(colour)])).max(axis=2) < 16
                for one in (kept, taken)
            ]
            share, expected = (float(one.mean()) for one in drawn)
            assert expected > 0.001 and 0.5 * expected < share < 2 * expected
