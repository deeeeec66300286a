"""What the service answers to good requests and to bad ones, through its whole application."""

import csv
from email.message import EmailMessage
from urllib.parse import quote, urlencode

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from data_pipeline.clips.clip_pictures import MOST_IN_STRIP
from mcsan_jax.search.answers import SearchRequest
from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.serve import request_batches
from mcsan_jax.serve.routes.file_names import saved_as
from mcsan_jax.serve.service import SearchService
from tests.serve.conftest import ODD
from tests.support.written_clip import decoded

TEXT = "a red circle moves right"


def problem(client: TestClient, address: str, status: int, method: str = "GET") -> str:
    """The message of an error, which is JSON with nothing else in it."""
    answer = client.request(method, address)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"] and "Traceback" not in answer.text
    return str(answer.json()["error"])


def test_a_search_answers_with_moments_and_addresses_of_clips(client: TestClient) -> None:
    found = client.get("/search", params={"q": TEXT, "k": 13, "min_probability": 0}).json()
    assert (found["query"], found["searched"], found["explanations"]) == (TEXT, 13, {})
    best, *others = found["answers"]
    assert best["score"] >= max(one["score"] for one in others)
    assert sum(best["contributions"].values()) == pytest.approx(best["score"], abs=1e-5)
    assert best["moments"][0]["start"] <= best["moments"][0]["end"]
    assert len(best["relevance"]) == len(best["seconds"])
    for one in found["answers"]:
        assert one["clip"] == (None if one["video"] == ODD else f"videos/{one['video']}/clip")
    assert set(found["milliseconds"]) >= {"parse", "encode", "score", "moments"}


def test_a_search_is_that_of_the_searcher(client: TestClient, searcher: IndexSearcher) -> None:
    found = client.get(
        f'/search?q={TEXT}&k=3&min_probability=0&where=camera = "north"&sort=time&group_by=year'
    ).json()
    expected = searcher.search(SearchRequest(TEXT, 3, 'camera = "north"', 0.0, sort="time", group_by="year"))
    assert [one["video"] for one in found["answers"]] == [one.video for one in expected.answers]
    assert {one["metadata"]["camera"] for one in found["answers"]} == {"north"}


def test_a_long_query_is_cut_with_a_note(client: TestClient) -> None:
    found = client.get("/search", params={"q": TEXT + " and so on" * 1_500, "k": 1}).json()
    assert "because 10,000 characters are the most" in found["notes"][0]


def test_an_explained_search_has_an_explanation_for_each_answer(client: TestClient) -> None:
    found = client.get("/search", params={"q": TEXT, "k": 2, "min_probability": 0, "explain": True}).json()
    assert list(found["explanations"]) == [one["video"] for one in found["answers"]]
    for answer in found["answers"]:
        explained = found["explanations"][answer["video"]]
        assert explained["scores"]["fused"] == pytest.approx(answer["score"], abs=1e-5)
        alone = client.get(f"/videos/{quote(answer['video'], safe='')}/explanation", params={"q": TEXT})
        assert alone.json() == explained


def test_an_explanation_has_phrases_by_frames_and_words(client: TestClient) -> None:
    found = client.get("/videos/test_00003/explanation", params={"q": TEXT}).json()
    entity = found["levels"]["entity"]
    assert entity["phrases"] == ["red circle"]
    for name in ("cosines", "attention"):
        assert np.shape(entity[name]) == (1, found["frames"])
    assert np.sum(entity["attention"]) == pytest.approx(1)
    assert found["words"]["words"] == TEXT.split()
    assert sum(found["scores"][name] * share for name, share in found["shares"].items()) == pytest.approx(
        found["scores"]["fused"], abs=1e-5
    )


def test_a_step_of_a_query_is_explained_and_what_no_search_takes_is_refused(client: TestClient) -> None:
    address = "/videos/test_00003/explanation"
    steps = ["a red circle moves", "a then b pushes a box"]
    query = f'{steps[0]} then "{steps[1]}" -star'
    for number, step in enumerate(steps):
        found = client.get(address, params={"q": query, "step": number}).json()
        assert (found["text"], found["video"]) == (step, "test_00003")
    assert client.get(address, params={"q": query}).json()["text"] == steps[0]
    past = urlencode({"q": query, "step": 2})
    assert "has 2, numbered from 0; found 2" in problem(client, f"{address}?{past}", 400)
    for refused in ("-ball", "then " * 20, " "):
        asked = urlencode({"q": refused})
        searched = problem(client, f"/search?{asked}", 400)
        assert problem(client, f"{address}?{asked}", 400) in searched


def test_similar_videos_captions_and_columns(client: TestClient) -> None:
    similar = client.get("/similar/test_00011", params={"k": 1}).json()
    # The last clip is there twice.
    assert [one["video"] for one in similar["answers"]] == [ODD]
    captions = client.get("/captions", params={"video": ODD, "k": 3}).json()
    assert captions["video"] == ODD and len(captions["captions"]) == 3
    scores = [one["score"] for one in captions["captions"]]
    assert scores == sorted(scores, reverse=True)
    assert client.get("/columns").json() == {
        "caption": "string",
        "camera": "string",
        "year": "int64",
        "weight": "double",
    }
    # Without a column `captions` there are no examples.
    told = client.get("/collection").json()
    assert (told["videos"], told["examples"]) == (13, []) and told["calibrated_on"] > 50


def test_a_result_is_exported(client: TestClient) -> None:
    asked = {"q": TEXT, "k": 4, "min_probability": 0, "where": 'camera = "north"'}
    videos = [one["video"] for one in client.get("/search", params=asked).json()["answers"]]
    exported = {
        kind: client.get("/export", params={**asked, "format": kind}) for kind in ("json", "csv", "edl")
    }
    assert [one["video"] for one in exported["json"].json()["answers"]] == videos
    lines = list(csv.DictReader(exported["csv"].text.splitlines()))
    assert [line["video"] for line in lines] == videos
    assert exported["edl"].text.startswith("TITLE: ")
    # An editing program finds the files by their names, and learns nothing of the folders.
    files = [
        line.split(": ")[1].strip() for line in exported["edl"].text.splitlines() if line.startswith("*")
    ]
    assert set(files) == {video if video == ODD else f"{video}.mp4" for video in videos}
    asked = {"q": TEXT, "min_probability": 0, "where": "clip is null", "format": "edl"}
    assert f"* FROM CLIP NAME:  {ODD}\n" in client.get("/export", params=asked).text
    for kind, answer in exported.items():
        assert saved_name(answer) == f"{TEXT.replace(' ', '_')}.{kind}"
    assert "frame rate" in problem(client, f"/export?q={TEXT}&format=edl&frame_rate=7", 400)


def saved_name(answer: httpx.Response) -> str:
    """The name that a browser gives to a file."""
    header = EmailMessage()
    header["content-disposition"] = answer.headers["content-disposition"]
    assert header.get_content_disposition() == "attachment"
    return str(header.get_filename())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("-\"a 'b'\" ../c\\d\re", "a_b_.._c_d_e.csv"),
        ("ein Ball läuft", "ein_Ball_läuft.csv"),
        ("?", "unnamed.csv"),
    ],
)
def test_a_file_has_a_name_that_every_system_takes(text: str, name: str) -> None:
    header = saved_as(text, ".csv")
    assert header["content-disposition"].isascii()
    assert saved_name(httpx.Response(200, headers=header)) == name
    assert len(saved_name(httpx.Response(200, headers=saved_as("ä" * 999, ".csv"))).encode()) < 255


def test_a_video_with_an_odd_id_is_described(client: TestClient) -> None:
    found = client.get(f"/videos/{quote(ODD, safe='')}").json()
    assert found["video"] == ODD and found["clip"] is None and found["seconds"]
    # A number that is none has no form in JSON.
    assert found["metadata"]["weight"] is None


def test_a_clip_is_sent_whole_and_in_parts(client: TestClient) -> None:
    whole = client.get("/videos/test_00000/clip")
    assert whole.headers["content-type"] == "video/mp4" and whole.headers["accept-ranges"] == "bytes"
    assert len(decoded(whole.content)[0]) > 3
    part = client.get("/videos/test_00000/clip", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = client.get("/videos/test_00000/clip", headers={"range": f"bytes={len(whole.content)}-"})
    assert (beyond.status_code, list(beyond.json())) == (416, ["error"])
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    wrong = client.get("/videos/test_00000/clip", headers={"range": "pages=1-2"})
    assert (wrong.status_code, list(wrong.json())) == (400, ["error"])


def test_pictures_and_cuts_of_a_clip(client: TestClient) -> None:
    for name in ("poster.jpg", "poster.jpg?at=0.5", "strip.jpg", f"strip.jpg?count={MOST_IN_STRIP}"):
        picture = client.get(f"/videos/test_00000/{name}")
        assert picture.headers["content-type"] == "image/jpeg" and picture.content.startswith(b"\xff\xd8")
        # A browser asks again, because the clip may have changed; the service remembers pictures of it as it is.
        assert "max-age" not in picture.headers.get("cache-control", "")
    cut = client.get("/videos/test_00000/cut.mp4", params={"start": 0.5, "end": 1})
    assert cut.headers["content-type"] == "video/mp4"
    assert len(decoded(cut.content)[0]) == 3
    assert saved_name(cut) == "test_00000_0.50-1.00.mp4"


@pytest.mark.parametrize("file", ["clip", "poster.jpg", "strip.jpg", "cut.mp4?start=0&end=1"])
def test_what_is_gone_or_never_was_is_not_found(client: TestClient, file: str) -> None:
    assert "is gone" in problem(client, f"/videos/test_00001/{file}", 404)
    assert "has no clip" in problem(client, f"/videos/{quote(ODD, safe='')}/{file}", 404)
    assert "no video" in problem(client, f"/videos/unknown/{file}", 404)


@pytest.mark.parametrize(
    "address",
    [
        "/videos/..%2F..%2Fetc%2Fpasswd/clip",
        "/videos/%2Fetc%2Fpasswd/clip",
        "/static/..%2Fapp.py",
        "/static/%2Fetc%2Fpasswd",
        "/static/../app.py",
        "/similar/unknown",
        "/captions?video=unknown",
        "/videos/unknown",
        "/videos/unknown/explanation?q=a",
        "/unknown",
        "/videos/",
        "/docs",
    ],
)
def test_what_is_not_there_is_not_found(client: TestClient, address: str) -> None:
    problem(client, address, 404)


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/search", 422, "q: Field required"),
        ("/search?q=", 422, "q: "),
        ("/search?q=%20", 400, "the query is"),
        ("/search?q=a&k=0", 422, "k: Input should be greater than or equal to 1, found '0'"),
        ("/search?q=a&k=-1", 422, "k: "),
        ("/search?q=a&k=1000000", 422, "k: Input should be less than or equal to 1000"),
        ("/search?q=a&k=x&min_probability=2", 422, "min_probability: "),
        ("/search?q=a&min_probability=nan", 422, "min_probability: "),
        ("/search?q=a&sort=size", 422, "sort: "),
        ("/search?q=a&group_by=camra", 400, "did you mean 'camera'?"),
        ("/search?q=a&where=camera", 400, "column 'camera' alone is no condition"),
        ("/search?q=a&min_prob=.5", 400, "did you mean 'min_probability'?"),
        ("/search?q=a&q=b", 400, "parameter 'q' is given 2 times"),
        ("/videos/test_00000/explanation?q=-ball", 400, "only says what a video should not have"),
        ("/videos/test_00000/explanation?q=a%20box&step=1", 400, "has 1, numbered from 0; found 1"),
        ("/" + "a" * 5_000, 414, "longer than"),
        ("/videos/%FF", 400, "not UTF-8"),
        ("/columns?x=1", 400, "this address takes none"),
        ("/similar/test_00000?k=0", 422, "k: "),
        ("/similar/test_00000?where=camera", 400, "column 'camera' alone is no condition"),
        ("/videos/test_00000/poster.jpg?at=-1", 422, "at: "),
        ("/videos/test_00000/poster.jpg?at=inf", 422, "at: "),
        ("/videos/test_00000/strip.jpg?count=0", 422, "count: "),
        ("/videos/test_00000/cut.mp4?start=1&end=1", 400, "start < end"),
        ("/videos/test_00000/cut.mp4?start=0&end=601", 400, "600 seconds"),
        ("/videos/test_00000/cut.mp4?start=100&end=101", 400, "seconds, found 100"),
        ("/videos/test_00000/explanation?q=%20", 400, "nothing to search for"),
    ],
)
def test_bad_requests_are_refused_with_what_is_wrong(
    client: TestClient, address: str, status: int, said: str
) -> None:
    assert said in problem(client, address, status)


def test_other_methods_are_refused_but_head_is_taken(client: TestClient) -> None:
    assert "use GET" in problem(client, "/search?q=a", 405, "POST")
    assert client.post("/search").headers["allow"] == "GET, HEAD"
    head, get = client.head("/videos/test_00000/clip"), client.get("/videos/test_00000/clip")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))


def test_the_health_says_what_is_served_and_that_it_ends(
    client: TestClient, service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = client.get("/health")
    assert health.status_code == 200
    found = health.json()
    assert (found["status"], found["videos"], found["model"]) == ("ok", 13, "fingerprint")
    assert found["versions"]["mcsan-jax"] and found["index_problem"] == ""
    monkeypatch.setattr(service, "ending", True)
    ending = client.get("/health")
    assert (ending.status_code, ending.json()["status"]) == (503, "ending")


def test_metrics_count_requests_stages_and_batches(client: TestClient) -> None:
    def value(line: str) -> float:
        text = client.get("/metrics").text
        return next((float(one.split()[-1]) for one in text.splitlines() if one.startswith(line)), 0.0)

    names = (
        'mcsan_requests_total{route="/search",status="200"}',
        'mcsan_requests_total{route="/videos/{video}",status="404"}',
        'mcsan_requests_total{route="other",status="404"}',
        'mcsan_search_stage_seconds_count{stage="encode"}',
        "mcsan_batch_searches_count",
    )
    before = [value(name) for name in names]
    client.get("/search?q=a")
    client.get("/videos/unknown")
    client.get("/unknown")
    assert [value(name) for name in names] == [one + 1 for one in before]
    assert value("mcsan_videos ") == 13
    assert value("process_resident_memory_bytes") > 1e6


def test_a_fault_of_the_program_tells_the_client_nothing(
    client: TestClient, searcher: IndexSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "explain", lambda text, video: 1 / 0)
    assert "fault of the program" in problem(client, "/videos/test_00000/explanation?q=a", 500)


def test_too_many_requests_are_turned_away(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_batches, "MOST_WAITING", 0)
    assert "ask again later" in problem(client, "/search?q=a", 503)
    assert client.get("/search?q=a").headers["retry-after"] == "1"


@pytest.mark.parametrize("address", ["/search?q=a", "/unknown", "/search?k=0", "/" + "a" * 5_000, "/metrics"])
def test_every_answer_has_the_headers_of_safety(client: TestClient, address: str) -> None:
    headers = client.get(address).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("frame-ancestors") == "'none'"
    # What the page fetches to play may be in its own memory.
    assert policy.pop("media-src") == "'self' blob:"
    assert set(policy.values()) == {"'self'"} and "script-src" in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
